-- The look-up of a credential stands in front of every request. A function that runs as the owner costs more than all the
-- rest of it: instead the request tells first what it was shown (nap.presented, the hash, until the transaction ends), and reads one of these views. They run as their owner, and show nobody more than the row whose hash he knows.
--
-- Reading the line is signing in: nap.tenant, nap.role and nap.actor are set by it. No field holds a blank, - stands for none.

DROP FUNCTION nap_auth_token(bytea), nap_auth_session(bytea);

CREATE FUNCTION nap_presented() RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE
	AS $$ SELECT nullif(current_setting('nap.presented', true), '')::bytea $$;

-- TENANT-ID TENANT ROLE STALE token:ID SCOPES RELEASE-ID APP-ID APP
CREATE VIEW presented_token AS
	SELECT concat_ws(' ', set_config('nap.tenant', t.id::text, true), t.name, set_config('nap.role', t.role, true),
		k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute', set_config('nap.actor', 'token:' || k.id, true),
		array_to_string(k.scopes, ','), coalesce(k.release_id, 0), coalesce(k.app_id, 0), coalesce(a.name, '-')) AS line
	FROM token k JOIN tenant t ON t.id = k.tenant_id LEFT JOIN app a ON a.id = k.app_id
	WHERE k.hash = nap_presented() AND (k.expires_at IS NULL OR k.expires_at > now()) AND t.disabled_at IS NULL;

-- TENANT-ID TENANT ROLE STALE session:ID CSRF-HASH
CREATE VIEW presented_session AS
	SELECT concat_ws(' ', set_config('nap.tenant', t.id::text, true), t.name, set_config('nap.role', t.role, true),
		s.last_seen_at < now() - interval '1 minute', set_config('nap.actor', 'session:' || s.id, true),
		encode(s.csrf_hash, 'hex')) AS line
	FROM session s JOIN tenant t ON t.id = s.tenant_id
	WHERE s.hash = nap_presented() AND s.expires_at > now() AND t.disabled_at IS NULL;

GRANT SELECT ON presented_token, presented_session TO nap_api, nap_worker;
