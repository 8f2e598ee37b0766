-- Tenants, and pushes of apps that do not exist yet.

-- The id that the repository of a name has before its app exists: git needs one to put the pushed objects into. The
-- row goes when the app is made; what a refused push leaves is swept with its repository.
CREATE TABLE push_name (
	tenant_id bigint NOT NULL CONSTRAINT push_name_tenant_fkey REFERENCES tenant ON DELETE CASCADE,
	name text NOT NULL,
	app_id bigint NOT NULL,
	at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT push_name_key PRIMARY KEY (tenant_id, name)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON push_name TO nap_worker;

-- the id of the app of that name, or the one kept for it
CREATE FUNCTION nap_push_id(owner bigint, n text) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = public, pg_temp AS $$
DECLARE
	found_id bigint;
BEGIN
	SELECT id INTO found_id FROM app WHERE tenant_id = owner AND name = n;
	IF FOUND THEN
		RETURN found_id;
	END IF;
	INSERT INTO push_name AS p (tenant_id, name, app_id) VALUES (owner, n, nextval(pg_get_serial_sequence('app', 'id')))
		ON CONFLICT ON CONSTRAINT push_name_key DO UPDATE SET at = now() RETURNING p.app_id INTO found_id;
	RETURN found_id;
END $$;

-- whose app or kept id that is; no row: nobody's
CREATE FUNCTION nap_push_owner(repo bigint) RETURNS TABLE (tenant_id bigint, tenant text, role text, app text, made boolean)
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT t.id, t.name, t.role, a.name, true FROM app a JOIN tenant t ON t.id = a.tenant_id
		WHERE a.id = repo AND t.disabled_at IS NULL
	UNION ALL
	SELECT t.id, t.name, t.role, p.name, false FROM push_name p JOIN tenant t ON t.id = p.tenant_id
		WHERE p.app_id = repo AND t.disabled_at IS NULL;
$$;

CREATE FUNCTION push_name_used() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	DELETE FROM push_name WHERE tenant_id = new.tenant_id AND name = new.name;
	RETURN NULL;
END $$;
CREATE TRIGGER push_name_used AFTER INSERT ON app FOR EACH ROW EXECUTE FUNCTION push_name_used();

-- ends the sessions of a tenant but one; the operator's, or one's own
CREATE FUNCTION nap_sessions_end(owner bigint, keep bigint) RETURNS void LANGUAGE sql SECURITY DEFINER
	SET search_path = public, pg_temp AS $$
	DELETE FROM session WHERE tenant_id = owner AND id <> keep AND (tenant_id = nap_tenant() OR nap_is_admin());
$$;

-- Removes a tenant that has no apps, with what it left: operations, tokens, sessions. Its names and numbers stay taken,
-- and its events stay readable for the operator.
CREATE FUNCTION nap_tenant_remove(owner bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = public, pg_temp AS $$
BEGIN
	IF NOT nap_is_admin() THEN
		RETURN;
	END IF;
	PERFORM 1 FROM tenant WHERE id = owner FOR UPDATE;
	IF EXISTS (SELECT 1 FROM app WHERE tenant_id = owner) OR EXISTS (SELECT 1 FROM instance WHERE tenant_id = owner) THEN
		RAISE EXCEPTION 'tenant has apps' USING ERRCODE = '23503', CONSTRAINT = 'app_tenant_fkey';
	END IF;
	DELETE FROM operation WHERE tenant_id = owner;
	DELETE FROM tenant WHERE id = owner;
END $$;

-- all tenants, their apps and what is going on, counted: for /metrics
CREATE FUNCTION nap_metrics() RETURNS TABLE (name text, label text, value double precision) LANGUAGE sql STABLE
	SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT 'nap_tenants', NULL, count(*) FROM tenant
	UNION ALL SELECT 'nap_apps', s, (SELECT count(*) FROM app WHERE state = s) FROM unnest('{running,starting,degraded,stopped,
		failed,finished,empty,deleting}'::text[]) s
	UNION ALL SELECT 'nap_instances', s, (SELECT count(*) FROM instance WHERE state = s) FROM unnest('{waiting,starting,ready,
		unhealthy,restarting,failed,finished,stopping}'::text[]) s
	UNION ALL SELECT 'nap_operations', s, (SELECT count(*) FROM operation WHERE state = s) FROM unnest('{receiving,queued,running,
		succeeded,failed,cancelled}'::text[]) s
	UNION ALL SELECT 'nap_operation_oldest_queued_seconds', NULL,
		coalesce((SELECT extract(epoch FROM now() - min(created_at)) FROM operation WHERE state = 'queued'), 0)
	UNION ALL SELECT 'nap_memory_used_bytes', NULL, coalesce((SELECT sum(used_memory) FROM tenant), 0)
	UNION ALL SELECT 'nap_machines', NULL, count(*) FROM machine
	UNION ALL SELECT 'nap_engine_reachable', NULL, (SELECT reachable::integer FROM engine)
	UNION ALL SELECT 'nap_engine_observed_age_seconds', NULL, extract(epoch FROM now() - e.observed_at)
		FROM engine e WHERE e.observed_at IS NOT NULL
	UNION ALL SELECT 'nap_held', NULL, held::integer FROM installation
	UNION ALL SELECT 'nap_leader_epoch', NULL, epoch FROM installation;
$$;

REVOKE ALL ON FUNCTION nap_push_id(bigint, text), nap_push_owner(bigint), nap_sessions_end(bigint, bigint),
	nap_tenant_remove(bigint), nap_metrics() FROM public;
GRANT EXECUTE ON FUNCTION nap_push_id(bigint, text), nap_push_owner(bigint), nap_sessions_end(bigint, bigint),
	nap_tenant_remove(bigint), nap_metrics() TO nap_api, nap_worker;
