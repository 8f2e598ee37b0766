-- The look-up of a credential stands in front of every request. Without SET search_path it costs half: names are
-- qualified instead, so that nobody's temporary table is meant by them.

CREATE OR REPLACE FUNCTION nap_auth_token(h bytea) RETURNS TABLE (tenant_id bigint, tenant text, role text, scopes text,
	app_id bigint, app_name text, release_id bigint, token_id bigint, stale boolean) LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	SELECT t.id, t.name, t.role, pg_catalog.array_to_string(k.scopes, ','), k.app_id, a.name, k.release_id, k.id,
			k.last_used_at IS NULL OR k.last_used_at < pg_catalog.now() - interval '1 minute'
		INTO tenant_id, tenant, role, scopes, app_id, app_name, release_id, token_id, stale
		FROM public.token k JOIN public.tenant t ON t.id = k.tenant_id LEFT JOIN public.app a ON a.id = k.app_id
		WHERE k.hash = h AND (k.expires_at IS NULL OR k.expires_at > pg_catalog.now()) AND t.disabled_at IS NULL;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	PERFORM pg_catalog.set_config('nap.tenant', tenant_id::text, true), pg_catalog.set_config('nap.role', role, true),
		pg_catalog.set_config('nap.actor', 'token:' || token_id, true);
	RETURN NEXT;
END $$;
ALTER FUNCTION nap_auth_token(bytea) RESET ALL;

CREATE OR REPLACE FUNCTION nap_auth_session(h bytea) RETURNS TABLE (tenant_id bigint, tenant text, role text, csrf_hash bytea,
	session_id bigint, stale boolean) LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	SELECT t.id, t.name, t.role, s.csrf_hash, s.id, s.last_seen_at < pg_catalog.now() - interval '1 minute'
		INTO tenant_id, tenant, role, csrf_hash, session_id, stale
		FROM public.session s JOIN public.tenant t ON t.id = s.tenant_id
		WHERE s.hash = h AND s.expires_at > pg_catalog.now() AND t.disabled_at IS NULL;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	PERFORM pg_catalog.set_config('nap.tenant', tenant_id::text, true), pg_catalog.set_config('nap.role', role, true),
		pg_catalog.set_config('nap.actor', 'session:' || session_id, true);
	RETURN NEXT;
END $$;
ALTER FUNCTION nap_auth_session(bytea) RESET ALL;
