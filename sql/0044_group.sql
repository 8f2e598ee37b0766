-- Groups of similar apps: an app, and every app made similar to it, with one source (DESIGN: "Similar apps").

-- A family is there from the first similar app to the last member. Its id names the pool that the members' repositories
-- borrow from (git/pool/ID.git); its name, the root's, stays taken while a member lives.
CREATE TABLE family (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tenant_id bigint NOT NULL CONSTRAINT family_tenant_fkey REFERENCES tenant ON DELETE CASCADE,
	name text NOT NULL,
	parallel integer CONSTRAINT family_parallel_range CHECK (parallel BETWEEN 1 AND 1000),
	created_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT family_name_key UNIQUE (tenant_id, name)
);
ALTER TABLE family ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON family TO nap_api USING (tenant_id = nap_tenant()) WITH CHECK (tenant_id = nap_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON family TO nap_worker;
GRANT SELECT, INSERT, UPDATE ON family TO nap_api;

-- wave: of a member of a group that runs at most family.parallel at a time. Held: its turn has not come, or comes again;
-- going: it may run; over: it has ended, and takes nothing. NULL: it runs as any app does.
ALTER TABLE app
	ADD COLUMN family_id bigint CONSTRAINT app_family_fkey REFERENCES family,
	ADD COLUMN parent text,                 -- the app that it was made similar to
	ADD COLUMN params json,                 -- {"seed": "7"}, in the template's order
	ADD COLUMN made_commit text,            -- the last commit that nap made for it
	ADD COLUMN turn bigint,                 -- its place in the group's order
	ADD COLUMN wave text CONSTRAINT app_wave CHECK (wave IN ('held', 'going', 'over'));
CREATE INDEX app_family ON app (family_id) WHERE family_id IS NOT NULL;
CREATE INDEX app_wave ON app (family_id, turn) WHERE wave IN ('held', 'going');
CREATE SEQUENCE member_turn;
GRANT USAGE ON SEQUENCE member_turn TO nap_api, nap_worker;

CREATE FUNCTION app_family_end() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	DELETE FROM family f WHERE f.id = old.family_id AND NOT EXISTS (SELECT 1 FROM app WHERE family_id = f.id);
	RETURN NULL;
END $$;
CREATE TRIGGER app_family_end AFTER DELETE ON app FOR EACH ROW WHEN (old.family_id IS NOT NULL)
	EXECUTE FUNCTION app_family_end();

CREATE OR REPLACE FUNCTION app_takes_instances(a app) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN a.deployed AND NOT a.stopped AND NOT a.deleting AND coalesce(a.wave, 'going') = 'going' THEN
		greatest(a.instances, CASE WHEN a.next_memory IS NOT NULL THEN coalesce(a.scale_override, a.next_scale, 0) END)
		ELSE 0 END;
$$;
CREATE OR REPLACE FUNCTION app_takes_memory(a app) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN a.deployed AND NOT a.stopped AND NOT a.deleting AND coalesce(a.wave, 'going') = 'going' THEN
		greatest(a.memory_bytes * a.instances, a.next_memory * coalesce(a.scale_override, a.next_scale, 0))
		ELSE 0 END;
$$;

CREATE OR REPLACE FUNCTION app_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF tg_op = 'DELETE' THEN
		PERFORM nap_event(old.tenant_id, old.name, 'app.destroyed', '{}');
	ELSIF tg_op = 'INSERT' THEN
		PERFORM nap_event(new.tenant_id, new.name, 'app.created', '{}');
	ELSIF (old.state, old.running_instances, old.instances, old.release_id, old.next_release_id, old.stopped, old.deleting,
			old.wave) IS DISTINCT FROM
			(new.state, new.running_instances, new.instances, new.release_id, new.next_release_id, new.stopped, new.deleting,
			new.wave) THEN
		PERFORM nap_event(new.tenant_id, new.name, 'app.changed', jsonb_build_object('state', new.state,
			'running_instances', new.running_instances, 'desired_instances', new.instances) ||
			CASE WHEN new.wave IS NULL THEN '{}' ELSE jsonb_build_object('wave', new.wave) END);
		PERFORM pg_notify('nap_work', '');
	END IF;
	RETURN NULL;
END $$;

-- Names ------------------------------------------------------------------------------------------------------------

-- A name is noted before its app is made: who takes numbers of a sequence at the same moment meets it here, and passes
-- on. The name of a group whose root is gone is taken while a member lives.
DROP TRIGGER app_name_record ON app;
CREATE OR REPLACE FUNCTION app_name_record() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF new.group_name = new.name AND EXISTS (SELECT 1 FROM family WHERE tenant_id = new.tenant_id AND name = new.name) THEN
		RAISE EXCEPTION 'group' USING ERRCODE = '23505', CONSTRAINT = 'app_name_key';
	END IF;
	INSERT INTO name_used (tenant, label, name)
		SELECT t.name, replace(new.name, '_', '-'), new.name FROM tenant t WHERE t.id = new.tenant_id ON CONFLICT DO NOTHING;
	RETURN new;
END $$;
CREATE TRIGGER app_name_record BEFORE INSERT ON app FOR EACH ROW EXECUTE FUNCTION app_name_record();

-- The next n names BASE_NO of the asking tenant's sequence, in order: no number twice, no name or host label that was
-- ever used. Takers of one sequence wait for each other until their transactions end.
CREATE FUNCTION nap_similar_names(base text, n integer) RETURNS TABLE (name text, ord bigint) LANGUAGE plpgsql
	SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	owner text;
	no bigint;
BEGIN
	SELECT t.name INTO owner FROM tenant t WHERE t.id = nap_tenant();
	INSERT INTO app_counter AS c (tenant, app) VALUES (owner, base)
		ON CONFLICT (tenant, app) DO UPDATE SET similar_no = c.similar_no RETURNING similar_no INTO no;
	ord := 0;
	WHILE ord < n LOOP
		no := no + 1;
		name := base || '_' || no;
		IF length(name) + 1 + length(owner) > 63 THEN
			RAISE EXCEPTION 'name length' USING ERRCODE = '23514', CONSTRAINT = 'app_similar_name_length';
		END IF;
		INSERT INTO name_used (tenant, label, name) VALUES (owner, replace(name, '_', '-'), name) ON CONFLICT DO NOTHING;
		IF FOUND THEN
			ord := ord + 1;
			RETURN NEXT;
		END IF;
	END LOOP;
	UPDATE app_counter SET similar_no = no WHERE tenant = owner AND app = base;
END $$;

-- the same without taking anything
CREATE FUNCTION nap_similar_preview(owner text, base text, n integer) RETURNS TABLE (name text, ord bigint) LANGUAGE sql STABLE AS $$
	SELECT base || '_' || no, row_number() OVER (ORDER BY no) FROM generate_series(
		(SELECT coalesce(max(similar_no), 0) + 1 FROM app_counter c WHERE c.tenant = owner AND c.app = base),
		(SELECT coalesce(max(similar_no), 0) + n + (SELECT count(*) FROM name_used u WHERE u.tenant = owner
			AND starts_with(u.label, replace(base, '_', '-') || '-')) FROM app_counter c WHERE c.tenant = owner AND c.app = base)) no
	WHERE NOT EXISTS (SELECT 1 FROM name_used u WHERE u.tenant = owner AND u.label = replace(base, '_', '-') || '-' || no)
	ORDER BY no LIMIT n;
$$;

-- behind 10,000 numbers too
CREATE OR REPLACE FUNCTION nap_name_suggestion(owner text, base text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT s.name FROM (SELECT rtrim(left(base, 31 - length(n::text)), '_-') || '_' || n AS name, n
		FROM generate_series((SELECT coalesce(max(similar_no), 0) + 1 FROM app_counter WHERE tenant = owner AND app = base),
			(SELECT coalesce(max(similar_no), 0) + 10000 FROM app_counter WHERE tenant = owner AND app = base)) n) s
	WHERE NOT EXISTS (SELECT 1 FROM name_used u WHERE u.tenant = owner AND u.label = replace(s.name, '_', '-'))
	ORDER BY s.n LIMIT 1;
$$;

REVOKE ALL ON FUNCTION nap_similar_names(text, integer) FROM public;
GRANT EXECUTE ON FUNCTION nap_similar_names(text, integer) TO nap_api, nap_worker;

-- Operations of a group --------------------------------------------------------------------------------------------

ALTER TABLE operation DROP CONSTRAINT operation_kind;
ALTER TABLE operation ADD CONSTRAINT operation_kind CHECK (kind IN ('deploy', 'push', 'rollback', 'env', 'scale', 'start',
	'stop', 'restart', 'destroy', 'similar', 'group'));

-- The turns of groups that run at most so many members at a time: who has ended makes room, the next in order follows.
-- One that the quota has no room for waits for those that run. The leader asks at each tick.
CREATE FUNCTION nap_waves() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	f record;
	m bigint;
BEGIN
	UPDATE app SET wave = 'over' WHERE wave = 'going' AND state IN ('finished', 'failed') AND next_release_id IS NULL
		AND NOT stopped AND NOT EXISTS (SELECT 1 FROM instance i WHERE i.app_id = app.id AND i.want = 'restart');
	FOR f IN SELECT a.family_id AS id, coalesce(min(fm.parallel), 1000)
			- count(*) FILTER (WHERE a.wave = 'going' AND NOT a.stopped AND NOT a.deleting) AS free
			FROM app a JOIN family fm ON fm.id = a.family_id WHERE a.wave IN ('held', 'going') GROUP BY a.family_id
			HAVING count(*) FILTER (WHERE a.wave = 'held' AND NOT a.stopped AND NOT a.deleting AND a.release_id IS NOT NULL) > 0
			ORDER BY 1 LOOP
		FOR m IN SELECT a.id FROM app a WHERE a.family_id = f.id AND a.wave = 'held' AND NOT a.stopped AND NOT a.deleting
				AND a.release_id IS NOT NULL ORDER BY a.turn, a.id LIMIT greatest(f.free, 0) LOOP
			BEGIN
				UPDATE app SET wave = 'going', state = 'starting' WHERE id = m;
			EXCEPTION WHEN check_violation THEN
				EXIT;
			END;
		END LOOP;
	END LOOP;
END $$;

-- Results ----------------------------------------------------------------------------------------------------------

-- what a run wrote as "nap: key=value" lines to its standard output, in order
ALTER TABLE run ADD COLUMN result_values json;

CREATE FUNCTION nap_node_exit(u text, run_id text, started timestamptz, ended timestamptz, code integer, sig integer,
	res text, bytes bigint, sha text, did_listen boolean, vals json) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = public, pg_temp AS $$
BEGIN
	IF NOT nap_node_exit(u, run_id, started, ended, code, sig, res, bytes, sha, did_listen) THEN
		RETURN false;
	END IF;
	UPDATE run SET result_values = vals WHERE id = run_id AND result_values IS NULL AND vals IS NOT NULL;
	RETURN true;
END $$;

-- the variables that a member's processes find its parameters by: {"NAP_PARAM_SEED": "7"}
CREATE FUNCTION nap_node_params(app bigint) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = public, pg_temp AS $$
	SELECT coalesce((SELECT params::text FROM app a WHERE a.id = $1), '{}');
$$;

REVOKE ALL ON FUNCTION nap_node_params(bigint), nap_node_exit(text, text, timestamptz, timestamptz, integer, integer, text,
	bigint, text, boolean, json) FROM public;
GRANT EXECUTE ON FUNCTION nap_node_params(bigint), nap_node_exit(text, text, timestamptz, timestamptz, integer, integer, text,
	bigint, text, boolean, json) TO nap_api, nap_worker;
