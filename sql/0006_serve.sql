-- What serving a request needs to know of its credential in one look: the name of the app that a token is bound to,
-- and whether its last use is to be noted.

DROP FUNCTION nap_auth_token(bytea);
CREATE FUNCTION nap_auth_token(h bytea) RETURNS TABLE (tenant_id bigint, tenant text, role text, scopes text, app_id bigint,
	app_name text, release_id bigint, token_id bigint, stale boolean) LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = public, pg_temp AS $$
BEGIN
	SELECT t.id, t.name, t.role, array_to_string(k.scopes, ','), k.app_id, a.name, k.release_id, k.id,
			k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute'
		INTO tenant_id, tenant, role, scopes, app_id, app_name, release_id, token_id, stale
		FROM token k JOIN tenant t ON t.id = k.tenant_id LEFT JOIN app a ON a.id = k.app_id
		WHERE k.hash = h AND (k.expires_at IS NULL OR k.expires_at > now()) AND t.disabled_at IS NULL;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	PERFORM set_config('nap.tenant', tenant_id::text, true), set_config('nap.role', role, true),
		set_config('nap.actor', 'token:' || token_id, true);
	RETURN NEXT;
END $$;

DROP FUNCTION nap_auth_session(bytea);
CREATE FUNCTION nap_auth_session(h bytea) RETURNS TABLE (tenant_id bigint, tenant text, role text, csrf_hash bytea,
	session_id bigint, stale boolean) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	SELECT t.id, t.name, t.role, s.csrf_hash, s.id, s.last_seen_at < now() - interval '1 minute'
		INTO tenant_id, tenant, role, csrf_hash, session_id, stale
		FROM session s JOIN tenant t ON t.id = s.tenant_id
		WHERE s.hash = h AND s.expires_at > now() AND t.disabled_at IS NULL;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	PERFORM set_config('nap.tenant', tenant_id::text, true), set_config('nap.role', role, true),
		set_config('nap.actor', 'session:' || session_id, true);
	RETURN NEXT;
END $$;

-- a tenant by its name: for nap-hook and git, which nginx has let in
CREATE FUNCTION nap_tenant_named(n text) RETURNS TABLE (tenant_id bigint, role text) LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = public, pg_temp AS $$
	SELECT id, role FROM tenant WHERE name = n AND disabled_at IS NULL;
$$;

REVOKE ALL ON FUNCTION nap_auth_token(bytea), nap_auth_session(bytea), nap_tenant_named(text) FROM public;
GRANT EXECUTE ON FUNCTION nap_auth_token(bytea), nap_auth_session(bytea), nap_tenant_named(text) TO nap_api, nap_worker;
