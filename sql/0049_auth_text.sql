-- The look-up of a credential answers one line of text: a function in FROM that gives a row of nine columns costs twice
-- as much, and stands in front of every request. No field holds a blank, - stands for none.

DROP FUNCTION nap_auth_token(bytea), nap_auth_session(bytea);

-- TENANT-ID TENANT ROLE STALE TOKEN-ID SCOPES RELEASE-ID APP-ID APP; NULL: there is none such
CREATE FUNCTION nap_auth_token(h bytea) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
	id bigint;
	role text;
	token bigint;
	line text;
BEGIN
	SELECT t.id, t.role, k.id, pg_catalog.concat_ws(' ', t.id, t.name, t.role,
			k.last_used_at IS NULL OR k.last_used_at < pg_catalog.now() - interval '1 minute', k.id,
			pg_catalog.array_to_string(k.scopes, ','), coalesce(k.release_id, 0), coalesce(k.app_id, 0), coalesce(a.name, '-'))
		INTO id, role, token, line
		FROM public.token k JOIN public.tenant t ON t.id = k.tenant_id LEFT JOIN public.app a ON a.id = k.app_id
		WHERE k.hash = h AND (k.expires_at IS NULL OR k.expires_at > pg_catalog.now()) AND t.disabled_at IS NULL;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	PERFORM pg_catalog.set_config('nap.tenant', id::text, true), pg_catalog.set_config('nap.role', role, true),
		pg_catalog.set_config('nap.actor', 'token:' || token, true);
	RETURN line;
END $$;

-- TENANT-ID TENANT ROLE STALE SESSION-ID CSRF-HASH
CREATE FUNCTION nap_auth_session(h bytea) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
	id bigint;
	role text;
	session bigint;
	line text;
BEGIN
	SELECT t.id, t.role, s.id, pg_catalog.concat_ws(' ', t.id, t.name, t.role,
			s.last_seen_at < pg_catalog.now() - interval '1 minute', s.id, pg_catalog.encode(s.csrf_hash, 'hex'))
		INTO id, role, session, line
		FROM public.session s JOIN public.tenant t ON t.id = s.tenant_id
		WHERE s.hash = h AND s.expires_at > pg_catalog.now() AND t.disabled_at IS NULL;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	PERFORM pg_catalog.set_config('nap.tenant', id::text, true), pg_catalog.set_config('nap.role', role, true),
		pg_catalog.set_config('nap.actor', 'session:' || session, true);
	RETURN line;
END $$;

REVOKE ALL ON FUNCTION nap_auth_token(bytea), nap_auth_session(bytea) FROM public;
GRANT EXECUTE ON FUNCTION nap_auth_token(bytea), nap_auth_session(bytea) TO nap_api, nap_worker;
