-- The token of an instance (NAP_TOKEN): reads endpoints of its own app and group, and ends with the release. A start
-- of the instance makes a new one in place of the old.
CREATE FUNCTION nap_node_token(u text, h bytea) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = public, pg_temp AS $$
DECLARE
	i instance;
BEGIN
	SELECT * INTO i FROM instance WHERE unit = u FOR UPDATE;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	UPDATE token SET hash = h, last_used_at = NULL WHERE release_id = i.release_id AND name = i.number::text;
	IF NOT FOUND THEN
		INSERT INTO token (tenant_id, name, hash, scopes, app_id, release_id)
			VALUES (i.tenant_id, i.number::text, h, '{read}', i.app_id, i.release_id);
	END IF;
END $$;
CREATE INDEX token_release ON token (release_id) WHERE release_id IS NOT NULL;

CREATE FUNCTION nap_node_app_port(app bigint) RETURNS integer LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = public, pg_temp AS $$
	SELECT coalesce((SELECT port FROM app a WHERE a.id = $1), 0);
$$;

REVOKE ALL ON FUNCTION nap_node_token(text, bytea), nap_node_app_port(bigint) FROM public;
GRANT EXECUTE ON FUNCTION nap_node_token(text, bytea), nap_node_app_port(bigint) TO nap_api, nap_worker;
