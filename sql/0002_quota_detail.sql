-- The quota trigger also tells by how much the request would have grown, so that the refusal can say what was left
-- before it ("1.2 of 7 GiB left"): DETAIL is "used-after quota growth".
CREATE OR REPLACE FUNCTION app_quota() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	m bigint := 0; i integer := 0; a integer := 0; owner bigint;
	t tenant;
BEGIN
	IF tg_op <> 'INSERT' THEN
		owner := old.tenant_id;
		a := -1;
		IF old.deployed AND NOT old.stopped AND NOT old.deleting THEN
			m := -old.memory_bytes * old.instances;
			i := -old.instances;
		END IF;
	END IF;
	IF tg_op <> 'DELETE' THEN
		owner := new.tenant_id;
		a := a + 1;
		IF new.deployed AND NOT new.stopped AND NOT new.deleting THEN
			m := m + new.memory_bytes * new.instances;
			i := i + new.instances;
		END IF;
	END IF;
	IF m = 0 AND i = 0 AND a = 0 THEN
		RETURN NULL;
	END IF;
	UPDATE tenant SET used_memory = used_memory + m, used_instances = used_instances + i, used_apps = used_apps + a
		WHERE id = owner RETURNING * INTO t;
	IF m > 0 AND t.used_memory > t.quota_memory THEN
		RAISE EXCEPTION 'memory quota' USING ERRCODE = '23514', CONSTRAINT = 'tenant_quota_memory',
			DETAIL = format('%s %s %s', t.used_memory, t.quota_memory, m);
	ELSIF i > 0 AND t.used_instances > t.quota_instances THEN
		RAISE EXCEPTION 'instance quota' USING ERRCODE = '23514', CONSTRAINT = 'tenant_quota_instances',
			DETAIL = format('%s %s %s', t.used_instances, t.quota_instances, i);
	ELSIF a > 0 AND t.used_apps > t.quota_apps THEN
		RAISE EXCEPTION 'app quota' USING ERRCODE = '23514', CONSTRAINT = 'tenant_quota_apps',
			DETAIL = format('%s %s %s', t.used_apps, t.quota_apps, a);
	END IF;
	RETURN NULL;
END $$;
