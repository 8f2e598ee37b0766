-- Builds: one run-to-end unit TENANT.APP.vRELEASE-build@1.service on the engine for a release whose profile has build:
-- lines and whose result is not there yet.
--
-- A worker inserts the row and waits; the leader PUTs units that are wanted and not ended, and DELETEs those that are
-- not wanted; the machine tells the end (nap_node_exit). Row and unit belong to one release and are never used again.
CREATE TABLE build (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tenant_id bigint NOT NULL CONSTRAINT build_tenant_fkey REFERENCES tenant,
	app_id bigint NOT NULL CONSTRAINT build_app_fkey REFERENCES app,
	release_id bigint NOT NULL CONSTRAINT build_release_fkey REFERENCES release ON DELETE CASCADE
		CONSTRAINT build_release_key UNIQUE,
	operation_id bigint NOT NULL,
	unit text NOT NULL CONSTRAINT build_unit_key UNIQUE,
	unit_options jsonb NOT NULL,                    -- of the PUT
	source_tree text NOT NULL,                      -- what it starts from: $NAP_STATE/tree/SOURCE_TREE
	result_tree text NOT NULL,                      -- what it makes: key of all that goes into it
	script text NOT NULL,                           -- /bin/sh runs it
	env jsonb NOT NULL DEFAULT '{}',                -- as release.env
	memory_bytes bigint NOT NULL,
	seconds integer NOT NULL,                       -- it may take
	want text NOT NULL DEFAULT 'run' CONSTRAINT build_want CHECK (want IN ('run', 'gone')),
	state text NOT NULL DEFAULT 'waiting' CONSTRAINT build_state CHECK (state IN ('waiting', 'running', 'ended', 'gone')),
	reason text,                                    -- why it waits, for people
	machine text,
	run_id text, started_at timestamptz, ended_at timestamptz,
	exit_code integer, exit_signal integer,
	result text,                                    -- finished, exit-code, signal, oom-kill, timeout, lost, …
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX build_active ON build (id) WHERE state <> 'gone';
CREATE INDEX build_app ON build (app_id);
ALTER TABLE build ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON build TO nap_api USING (tenant_id = nap_tenant()) WITH CHECK (tenant_id = nap_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON build TO nap_worker;
GRANT SELECT ON build TO nap_api;

CREATE FUNCTION build_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF tg_op = 'INSERT' OR old.want <> new.want OR old.state <> new.state OR old.reason IS DISTINCT FROM new.reason THEN
		PERFORM pg_notify('nap_work', new.unit), pg_notify('nap_operation', new.operation_id::text);
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER build_event AFTER INSERT OR UPDATE ON build FOR EACH ROW EXECUTE FUNCTION build_event();

-- all that a build's unit needs to start; no row: 404
CREATE FUNCTION nap_node_build(u text) RETURNS TABLE (tenant_id bigint, tenant text, app_id bigint, app text, group_name text,
	release_number bigint, release_id bigint, want text, deleting boolean, tree text, result_tree text, memory_bytes bigint,
	seconds integer, env jsonb, start text)
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT b.tenant_id, t.name, b.app_id, a.name, a.group_name, r.number, r.id,
		CASE WHEN b.state IN ('ended', 'gone') THEN 'gone' ELSE b.want END, a.deleting, b.source_tree, b.result_tree,
		b.memory_bytes, b.seconds, b.env, b.script
	FROM build b JOIN tenant t ON t.id = b.tenant_id JOIN app a ON a.id = b.app_id JOIN release r ON r.id = b.release_id
	WHERE b.unit = u;
$$;

-- nap_node_exit, for builds too: the first end that is told counts
CREATE OR REPLACE FUNCTION nap_node_exit(u text, run_id text, started timestamptz, ended timestamptz, code integer, sig integer,
	res text, bytes bigint, sha text, did_listen boolean) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = public, pg_temp AS $$
DECLARE
	i instance;
BEGIN
	UPDATE build b SET state = CASE WHEN b.state = 'gone' THEN b.state ELSE 'ended' END, run_id = nap_node_exit.run_id,
		started_at = started, ended_at = coalesce(ended, now()), exit_code = code, exit_signal = sig, result = res
		WHERE b.unit = u AND b.result IS NULL;
	IF FOUND OR EXISTS (SELECT 1 FROM build b WHERE b.unit = u) THEN
		RETURN true;
	END IF;
	SELECT * INTO i FROM instance WHERE unit = u FOR UPDATE;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	INSERT INTO run (id, tenant_id, app_id, release_id, number, started_at, ended_at, exit_code, exit_signal, result,
			stdout_bytes, stdout_sha256)
		VALUES (run_id, i.tenant_id, i.app_id, i.release_id, i.number, started, ended, code, sig, res, bytes, sha)
		ON CONFLICT (id) DO NOTHING;
	IF FOUND THEN
		UPDATE instance SET exit_code = code, exit_signal = sig, exit_result = res, exited_at = coalesce(ended, now()),
			run_id = nap_node_exit.run_id, listened = listened OR did_listen,
			restarts = restarts + CASE WHEN want = 'run' AND res <> 'finished' THEN 1 ELSE 0 END
			WHERE id = i.id;
		PERFORM pg_notify('nap_work', u);
	END IF;
	RETURN true;
END $$;

REVOKE ALL ON FUNCTION nap_node_build(text) FROM public;
GRANT EXECUTE ON FUNCTION nap_node_build(text) TO nap_api, nap_worker;
