-- What an instance or a build may take of a machine's disk: the setting, but no more than its tenant may have of all. How one
-- ended that took more is said with its figures.
ALTER TABLE instance ADD COLUMN exit_reason text;

CREATE FUNCTION nap_node_quota_disk(tenant text) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = public, pg_temp AS $$
	SELECT coalesce((SELECT quota_disk FROM tenant t WHERE t.name = $1), 0);
$$;

CREATE FUNCTION nap_node_exit_reason(u text, run text, why text) RETURNS void LANGUAGE sql SECURITY DEFINER
	SET search_path = public, pg_temp AS $$
	UPDATE instance SET exit_reason = why WHERE unit = u AND run_id = run;
$$;

-- Apps that were destroyed, for the machines to remove what those have kept: never what is merely unknown, since a
-- database that was restored knows fewer apps than there are. Numbers are given once.
CREATE TABLE app_destroyed (
	app_id bigint PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION app_destroyed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	INSERT INTO app_destroyed (app_id) VALUES (old.id) ON CONFLICT DO NOTHING;
	RETURN NULL;
END $$;
CREATE TRIGGER app_destroyed AFTER DELETE ON app FOR EACH ROW EXECUTE FUNCTION app_destroyed();

CREATE FUNCTION nap_node_destroyed(apps bigint[]) RETURNS TABLE (app_id bigint) LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = public, pg_temp AS $$
	SELECT d.app_id FROM app_destroyed d WHERE d.app_id = ANY (apps) AND NOT EXISTS (SELECT 1 FROM app a WHERE a.id = d.app_id);
$$;

REVOKE ALL ON FUNCTION nap_node_quota_disk(text), nap_node_exit_reason(text, text, text), nap_node_destroyed(bigint[]) FROM public;
GRANT EXECUTE ON FUNCTION nap_node_quota_disk(text), nap_node_exit_reason(text, text, text), nap_node_destroyed(bigint[])
	TO nap_api, nap_worker;
