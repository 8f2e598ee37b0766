-- A release that is being started beside the one that serves takes nothing from it: until the route has moved, memory,
-- scale and command of the app are those of the one that serves, and what the new one asks for waits in next_*. The quota
-- counts the larger of both, so that neither the switch nor going back to the old one can be refused.
ALTER TABLE app ADD COLUMN next_memory bigint, ADD COLUMN next_scale integer
	CONSTRAINT app_next_scale_range CHECK (next_scale BETWEEN 0 AND 500);

CREATE FUNCTION app_takes_instances(a app) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN a.deployed AND NOT a.stopped AND NOT a.deleting THEN
		greatest(a.instances, CASE WHEN a.next_memory IS NOT NULL THEN coalesce(a.scale_override, a.next_scale, 0) END)
		ELSE 0 END;
$$;
CREATE FUNCTION app_takes_memory(a app) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN a.deployed AND NOT a.stopped AND NOT a.deleting THEN
		greatest(a.memory_bytes * a.instances, a.next_memory * coalesce(a.scale_override, a.next_scale, 0))
		ELSE 0 END;
$$;

CREATE OR REPLACE FUNCTION app_quota() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	m bigint := 0; i integer := 0; a integer := 0; owner bigint;
	t tenant;
BEGIN
	IF tg_op <> 'INSERT' THEN
		owner := old.tenant_id;
		a := -1;
		m := -app_takes_memory(old);
		i := -app_takes_instances(old);
	END IF;
	IF tg_op <> 'DELETE' THEN
		owner := new.tenant_id;
		a := a + 1;
		m := m + app_takes_memory(new);
		i := i + app_takes_instances(new);
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

-- The tree of a release's source: what its build began with, and where the next one's is linked from. Without a build it
-- is the tree that instances see.
ALTER TABLE release ADD COLUMN source_tree text;
UPDATE release SET source_tree = tree;
