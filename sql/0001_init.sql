-- nap's first schema. Run as nap_owner in one transaction (psql -v ON_ERROR_STOP=1 -1).
--
-- Roles (made by ./up): nap_owner owns all; nap_api serves HTTP and stands behind row-level security; nap_worker
-- does the work and sees all tenants. A request tells who it is by two transaction-local settings, nap.tenant
-- (an id) and nap.role; unset means: no rows.
--
-- Constraints are named: they are the last validator of every rule, and store/db.c turns their names into sentences.

CREATE FUNCTION nap_tenant() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
	AS $$ SELECT nullif(current_setting('nap.tenant', true), '')::bigint $$;
CREATE FUNCTION nap_is_admin() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
	AS $$ SELECT coalesce(current_setting('nap.role', true), '') = 'admin' $$;

-- one row: this copy of nap
CREATE TABLE installation (
	one boolean PRIMARY KEY DEFAULT true CONSTRAINT installation_one CHECK (one),
	id text NOT NULL DEFAULT replace(gen_random_uuid()::text, '-', ''),
	generation bigint NOT NULL DEFAULT 0,      -- counts starts; the file $NAP_STATE/generation says the same
	epoch bigint NOT NULL DEFAULT 0,           -- counts leaders
	last_port integer NOT NULL DEFAULT 0,      -- the port given last: the range is walked round
	held boolean NOT NULL DEFAULT false,       -- the leader stopped deleting: an old database, or a tick too large
	held_reason text
);
INSERT INTO installation DEFAULT VALUES;

CREATE TABLE tenant (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL CONSTRAINT tenant_name_key UNIQUE
		CONSTRAINT tenant_name_grammar CHECK (name ~ '^[a-z][a-z0-9]{0,23}$'),
	role text NOT NULL DEFAULT 'tenant' CONSTRAINT tenant_role CHECK (role IN ('admin', 'tenant')),
	password_hash text,
	quota_memory bigint NOT NULL CONSTRAINT tenant_quota_memory_sign CHECK (quota_memory >= 0),
	quota_instances integer NOT NULL CONSTRAINT tenant_quota_instances_sign CHECK (quota_instances >= 0),
	quota_apps integer NOT NULL CONSTRAINT tenant_quota_apps_sign CHECK (quota_apps >= 0),
	quota_disk bigint NOT NULL CONSTRAINT tenant_quota_disk_sign CHECK (quota_disk >= 0),
	-- what the desired set takes, kept by the trigger app_quota
	used_memory bigint NOT NULL DEFAULT 0,
	used_instances integer NOT NULL DEFAULT 0,
	used_apps integer NOT NULL DEFAULT 0,
	used_disk bigint NOT NULL DEFAULT 0,
	disabled_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE token (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tenant_id bigint NOT NULL CONSTRAINT token_tenant_fkey REFERENCES tenant ON DELETE CASCADE,
	name text NOT NULL CONSTRAINT token_name_length CHECK (length(name) BETWEEN 1 AND 100),
	hash bytea NOT NULL CONSTRAINT token_hash_key UNIQUE,          -- SHA-256 of the token
	scopes text[] NOT NULL
		CONSTRAINT token_scopes CHECK (scopes <@ '{read,deploy,manage}' AND cardinality(scopes) BETWEEN 1 AND 3),
	app_id bigint,                                                 -- bound to one app; foreign key below
	release_id bigint,                                             -- NAP_TOKEN of instances: ends with the release
	expires_at timestamptz,
	last_used_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX token_tenant ON token (tenant_id, id);

CREATE TABLE session (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tenant_id bigint NOT NULL CONSTRAINT session_tenant_fkey REFERENCES tenant ON DELETE CASCADE,
	hash bytea NOT NULL CONSTRAINT session_hash_key UNIQUE,        -- SHA-256 of the cookie
	csrf_hash bytea NOT NULL,
	address text NOT NULL DEFAULT '',
	user_agent text NOT NULL DEFAULT '',
	created_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	last_seen_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX session_tenant ON session (tenant_id, id);

-- failed sign-ins, by name and address together; never locks an account
CREATE UNLOGGED TABLE login_failure (
	name text NOT NULL,
	address text NOT NULL,
	count integer NOT NULL DEFAULT 1,
	last_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (name, address)
);

-- counters are keyed by names and outlive apps and tenants: no number is ever given twice
CREATE TABLE app_counter (
	tenant text NOT NULL,
	app text NOT NULL,
	release_no bigint NOT NULL DEFAULT 0,
	similar_no bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (tenant, app)
);

-- every name and host label that was ever used; the naming sequence skips them
CREATE TABLE name_used (
	tenant text NOT NULL,
	label text NOT NULL,
	name text NOT NULL,
	PRIMARY KEY (tenant, label)
);

CREATE TABLE app (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tenant_id bigint NOT NULL CONSTRAINT app_tenant_fkey REFERENCES tenant,
	name text NOT NULL CONSTRAINT app_name_grammar CHECK (name ~ '^[a-z][a-z0-9]*([_-][a-z0-9]+)*$'),
	label text NOT NULL GENERATED ALWAYS AS (replace(name, '_', '-')) STORED,
	group_name text NOT NULL,                       -- the root of the family; its own name for a root
	url text, ref text,                             -- where deploys by URL come from; without credentials
	url_secret text,                                -- user:password of the URL, never shown
	branch text,                                    -- the default branch, the first of master and main ever pushed
	profile_text text,                              -- given with the request, for a source without one
	command_override text,
	memory_override bigint,
	scale_override integer,                         -- set by a person; NULL: follow the profile
	scale_profile integer NOT NULL DEFAULT 1,
	memory_bytes bigint NOT NULL,                   -- of one instance, as admitted
	command text NOT NULL DEFAULT '',               -- the start command, to show
	instances integer NOT NULL GENERATED ALWAYS AS (coalesce(scale_override, scale_profile)) STORED
		CONSTRAINT app_instances_range CHECK (instances BETWEEN 0 AND 500),
	env jsonb NOT NULL DEFAULT '{}',                -- {"KEY": {"value": "…", "secret": false}}
	stopped boolean NOT NULL DEFAULT false,
	deleting boolean NOT NULL DEFAULT false,
	deployed boolean NOT NULL DEFAULT false,        -- an app that never had a source takes no memory
	listened boolean NOT NULL DEFAULT false,        -- some instance of it has listened on its port once
	release_id bigint,                              -- serves
	next_release_id bigint,                         -- being started beside it
	switched_at timestamptz,                        -- when release_id last changed: the old ones drain from then
	routed_release_id bigint,                       -- whose instances nginx is known to reach
	port integer CONSTRAINT app_port_key UNIQUE,    -- its own nginx port, where there is no domain
	state text NOT NULL DEFAULT 'empty' CONSTRAINT app_state CHECK (state IN
		('running', 'starting', 'degraded', 'stopped', 'failed', 'finished', 'empty', 'deleting')),
	running_instances integer NOT NULL DEFAULT 0,
	disk_bytes bigint NOT NULL DEFAULT 0,
	version bigint NOT NULL DEFAULT 1,              -- the ETag
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT app_name_key UNIQUE (tenant_id, name),
	CONSTRAINT app_label_key UNIQUE (tenant_id, label),
	CONSTRAINT app_memory_range CHECK (memory_bytes BETWEEN 6291456 AND 1099511627776)
);
CREATE INDEX app_group ON app (tenant_id, group_name);
ALTER TABLE token ADD CONSTRAINT token_app_fkey FOREIGN KEY (app_id) REFERENCES app ON DELETE CASCADE;

CREATE TABLE release (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tenant_id bigint NOT NULL CONSTRAINT release_tenant_fkey REFERENCES tenant,
	app_id bigint NOT NULL CONSTRAINT release_app_fkey REFERENCES app ON DELETE CASCADE,
	number bigint NOT NULL,
	kind text NOT NULL CONSTRAINT release_kind CHECK (kind IN ('deploy', 'push', 'rollback', 'env', 'upload', 'similar')),
	commit text NOT NULL CONSTRAINT release_commit CHECK (commit ~ '^[0-9a-f]{40,64}$'),
	subject text NOT NULL DEFAULT '',               -- the commit's first line, scrubbed
	tree text,                                      -- id of the prepared tree (artifact); NULL until built
	profile_text text NOT NULL,
	profile jsonb NOT NULL,                         -- as GET /apps/{app}/profile shows it, with its warnings
	env jsonb NOT NULL DEFAULT '{}',
	start text NOT NULL,                            -- the script that /bin/sh runs
	command text NOT NULL,
	memory_bytes bigint NOT NULL,
	scale integer NOT NULL,
	health text NOT NULL DEFAULT '',                -- '' port, '/path', 'none'
	restart text NOT NULL DEFAULT 'auto',
	sidekick boolean NOT NULL DEFAULT true,
	main_unit jsonb,                                -- the unit texts, stored and never rendered again
	sidekick_unit jsonb,
	state text NOT NULL DEFAULT 'pending' CONSTRAINT release_state CHECK (state IN
		('pending', 'starting', 'live', 'retired', 'failed')),
	error_code text, error text,
	created_by text NOT NULL DEFAULT '',
	created_at timestamptz NOT NULL DEFAULT now(),
	live_at timestamptz,
	ended_at timestamptz,
	CONSTRAINT release_number_key UNIQUE (app_id, number)
);
ALTER TABLE app ADD CONSTRAINT app_release_fkey FOREIGN KEY (release_id) REFERENCES release DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE app ADD CONSTRAINT app_next_release_fkey FOREIGN KEY (next_release_id) REFERENCES release
	DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE token ADD CONSTRAINT token_release_fkey FOREIGN KEY (release_id) REFERENCES release ON DELETE CASCADE;

-- The desired units of a release and what is known of them. A row goes only when the engine has confirmed that the
-- unit is gone; until then its number, port and name are taken.
CREATE TABLE instance (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tenant_id bigint NOT NULL CONSTRAINT instance_tenant_fkey REFERENCES tenant,
	app_id bigint NOT NULL CONSTRAINT instance_app_fkey REFERENCES app,
	release_id bigint NOT NULL CONSTRAINT instance_release_fkey REFERENCES release,
	number integer NOT NULL CONSTRAINT instance_number_range CHECK (number BETWEEN 1 AND 500),
	unit text NOT NULL CONSTRAINT instance_unit_key UNIQUE,
	port integer,
	want text NOT NULL DEFAULT 'run' CONSTRAINT instance_want CHECK (want IN ('run', 'restart', 'gone')),
	want_at timestamptz NOT NULL DEFAULT now(),
	state text NOT NULL DEFAULT 'waiting' CONSTRAINT instance_state CHECK (state IN
		('waiting', 'starting', 'ready', 'unhealthy', 'restarting', 'failed', 'finished', 'stopping')),
	reason text,                                    -- why, for people: "no machine has 256 MiB left"
	machine text, address text,
	since timestamptz NOT NULL DEFAULT now(),
	active_at timestamptz,                          -- the engine says active since
	ready_at timestamptz,
	listened boolean NOT NULL DEFAULT false,
	restarts integer NOT NULL DEFAULT 0,
	run_id text,                                    -- the run that goes on, or went last
	exit_code integer, exit_signal integer, exit_result text, exited_at timestamptz,
	memory_used bigint, cpu_usec bigint,
	CONSTRAINT instance_release_number_key UNIQUE (release_id, number)
);
CREATE INDEX instance_app ON instance (app_id, number);

-- One port belongs to one (release, number); a freed one rests.
CREATE TABLE port_lease (
	port integer CONSTRAINT port_lease_pkey PRIMARY KEY,
	instance_id bigint CONSTRAINT port_lease_instance_key UNIQUE REFERENCES instance ON DELETE SET NULL,
	taken_at timestamptz NOT NULL DEFAULT now(),
	freed_at timestamptz
);

-- Takes the next port of [lo, hi] after the one given last; ports freed less than rest_s seconds ago are passed over.
CREATE FUNCTION nap_port_take(lo integer, hi integer, rest_s integer, instance bigint) RETURNS integer
	LANGUAGE plpgsql AS $$
DECLARE
	start integer;
	p integer;
	i integer;
BEGIN
	SELECT greatest(least(last_port, hi), lo - 1) INTO start FROM installation FOR UPDATE;
	FOR i IN 1 .. hi - lo + 1 LOOP
		p := lo + (start - lo + i) % (hi - lo + 1);
		INSERT INTO port_lease AS l (port, instance_id) VALUES (p, instance)
			ON CONFLICT ON CONSTRAINT port_lease_pkey DO UPDATE
			SET instance_id = excluded.instance_id, taken_at = now(), freed_at = NULL
			WHERE l.instance_id IS NULL AND coalesce(l.freed_at, l.taken_at) < now() - make_interval(secs => rest_s);
		IF FOUND THEN
			UPDATE installation SET last_port = p;
			UPDATE instance SET port = p WHERE id = instance;
			RETURN p;
		END IF;
	END LOOP;
	RAISE EXCEPTION 'no port is free in % to %', lo, hi USING ERRCODE = '53400';
END $$;

-- what ended: one row a run of an instance, by run id
CREATE TABLE run (
	id text PRIMARY KEY,
	tenant_id bigint NOT NULL CONSTRAINT run_tenant_fkey REFERENCES tenant,
	app_id bigint NOT NULL CONSTRAINT run_app_fkey REFERENCES app ON DELETE CASCADE,
	release_id bigint NOT NULL CONSTRAINT run_release_fkey REFERENCES release ON DELETE CASCADE,
	number integer NOT NULL,
	started_at timestamptz, ended_at timestamptz,
	exit_code integer, exit_signal integer, result text,
	stdout_bytes bigint, stdout_sha256 text,
	recorded_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX run_app ON run (app_id, release_id, number);

-- The engine as it was last seen.
CREATE TABLE machine (
	id text PRIMARY KEY,
	address text NOT NULL DEFAULT '',
	metadata jsonb NOT NULL DEFAULT '{}',
	first_seen_at timestamptz NOT NULL DEFAULT now(),
	observed_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE unit_state (
	unit text NOT NULL,
	machine text NOT NULL,
	hash text NOT NULL DEFAULT '', load text NOT NULL DEFAULT '', active text NOT NULL DEFAULT '', sub text NOT NULL DEFAULT '',
	tenant_id bigint,                               -- whose, by the unit's name; NULL: not nap's
	observed_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (unit, machine)
);
CREATE TABLE unit (
	name text PRIMARY KEY,
	desired_state text NOT NULL, current_state text NOT NULL DEFAULT '', machine text,
	ours boolean NOT NULL DEFAULT false,            -- carries this installation's id
	tenant_id bigint,
	observed_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE engine (
	one boolean PRIMARY KEY DEFAULT true CONSTRAINT engine_one CHECK (one),
	reachable boolean NOT NULL DEFAULT false,
	error text,
	observed_at timestamptz,                        -- last whole sweep
	checked_at timestamptz
);
INSERT INTO engine DEFAULT VALUES;

CREATE UNLOGGED TABLE announcement (
	unit text PRIMARY KEY,
	healthy boolean NOT NULL,
	at timestamptz NOT NULL DEFAULT now(),
	interval_s integer NOT NULL DEFAULT 5
);

CREATE TABLE operation (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tenant_id bigint NOT NULL CONSTRAINT operation_tenant_fkey REFERENCES tenant,
	app_id bigint,                                  -- no foreign key: the row outlives the app
	app text NOT NULL DEFAULT '',
	kind text NOT NULL CONSTRAINT operation_kind CHECK (kind IN ('deploy', 'push', 'rollback', 'env', 'scale', 'start', 'stop',
		'restart', 'destroy')),
	lane text NOT NULL DEFAULT 'normal' CONSTRAINT operation_lane CHECK (lane IN ('normal', 'quick')),
	state text NOT NULL DEFAULT 'queued' CONSTRAINT operation_state CHECK (state IN
		('receiving', 'queued', 'running', 'succeeded', 'failed', 'cancelled')),
	args jsonb NOT NULL DEFAULT '{}',
	release_id bigint,
	release_number bigint,
	attempt integer NOT NULL DEFAULT 0,             -- the fence: every write of a worker names it
	worker text,
	beat bigint NOT NULL DEFAULT 0,                 -- moves every 10 s while a worker lives
	cancel boolean NOT NULL DEFAULT false,
	switched boolean NOT NULL DEFAULT false,        -- the route has moved: too late to cancel
	done integer NOT NULL DEFAULT 0, total integer NOT NULL DEFAULT 0,
	waiting text,                                   -- why it waits, for people: "the engine is away"
	error_code text, error text, error_lines jsonb,
	request_id text, created_by text NOT NULL DEFAULT '',
	created_at timestamptz NOT NULL DEFAULT now(), started_at timestamptz, ended_at timestamptz
);
CREATE INDEX operation_queue ON operation (id) WHERE state = 'queued';
CREATE INDEX operation_active ON operation (app_id) WHERE state IN ('queued', 'running', 'receiving');
CREATE UNIQUE INDEX operation_one_running ON operation (app_id) WHERE state = 'running';
CREATE INDEX operation_tenant ON operation (tenant_id, id DESC);
CREATE INDEX operation_app ON operation (app_id, id DESC);

CREATE TABLE operation_step (
	operation_id bigint NOT NULL CONSTRAINT operation_step_operation_fkey REFERENCES operation ON DELETE CASCADE,
	n integer NOT NULL,
	tenant_id bigint NOT NULL,
	name text NOT NULL,
	state text NOT NULL DEFAULT 'running' CONSTRAINT operation_step_state CHECK (state IN
		('running', 'succeeded', 'failed', 'skipped')),
	started_at timestamptz NOT NULL DEFAULT now(), ended_at timestamptz,
	PRIMARY KEY (operation_id, n)
);
CREATE TABLE operation_log (
	operation_id bigint NOT NULL CONSTRAINT operation_log_operation_fkey REFERENCES operation ON DELETE CASCADE,
	seq integer NOT NULL,
	tenant_id bigint NOT NULL,
	at timestamptz NOT NULL DEFAULT now(),
	line text NOT NULL,
	PRIMARY KEY (operation_id, seq)
);

-- Everything that changed, in an order that loses none: readers take only rows of transactions below
-- pg_snapshot_xmin(pg_current_snapshot()), ordered by (txid, id).
CREATE TABLE event (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
	tenant_id bigint NOT NULL,
	app text NOT NULL DEFAULT '',
	kind text NOT NULL,
	actor text NOT NULL DEFAULT '',
	data jsonb NOT NULL DEFAULT '{}',
	at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX event_order ON event (txid, id);
CREATE INDEX event_tenant ON event (tenant_id, txid, id);

CREATE FUNCTION nap_event(tenant bigint, app text, kind text, data jsonb) RETURNS void LANGUAGE sql AS $$
	INSERT INTO event (tenant_id, app, kind, actor, data)
		VALUES (tenant, app, kind, coalesce(current_setting('nap.actor', true), ''), data);
	SELECT pg_notify('nap_event', tenant::text);
$$;

CREATE TABLE idempotency (
	tenant_id bigint NOT NULL CONSTRAINT idempotency_tenant_fkey REFERENCES tenant ON DELETE CASCADE,
	credential text NOT NULL,
	method text NOT NULL,
	path text NOT NULL,
	key text NOT NULL,
	body_hash bytea NOT NULL,
	status integer,                                 -- NULL: still running
	headers text, body text,
	at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT idempotency_key PRIMARY KEY (tenant_id, credential, method, path, key)
);

-- Triggers -------------------------------------------------------------------------------------------------------

CREATE FUNCTION app_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	new.updated_at := now();
	new.version := old.version + 1;
	RETURN new;
END $$;
CREATE TRIGGER app_touch BEFORE UPDATE ON app FOR EACH ROW EXECUTE FUNCTION app_touch();

-- Quotas are taken in the statement that spends them. Only growth is refused, so that a quota can be lowered.
-- SECURITY DEFINER: nap_api may not write used_*.
CREATE FUNCTION app_quota() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	m bigint := 0; i integer := 0; a integer := 0; owner bigint;
	t tenant;
BEGIN
	IF tg_op <> 'INSERT' THEN
		owner := old.tenant_id;
		a := -1;
		IF old.deployed AND NOT old.stopped AND NOT old.deleting THEN
			m := -old.memory_bytes * old.instances;
			i := -old.instances;
		END IF;
	END IF;
	IF tg_op <> 'DELETE' THEN
		owner := new.tenant_id;
		a := a + 1;
		IF new.deployed AND NOT new.stopped AND NOT new.deleting THEN
			m := m + new.memory_bytes * new.instances;
			i := i + new.instances;
		END IF;
	END IF;
	IF m = 0 AND i = 0 AND a = 0 THEN
		RETURN NULL;
	END IF;
	UPDATE tenant SET used_memory = used_memory + m, used_instances = used_instances + i, used_apps = used_apps + a
		WHERE id = owner RETURNING * INTO t;
	IF m > 0 AND t.used_memory > t.quota_memory THEN
		RAISE EXCEPTION 'memory quota' USING ERRCODE = '23514', CONSTRAINT = 'tenant_quota_memory',
			DETAIL = format('%s %s', t.used_memory, t.quota_memory);
	ELSIF i > 0 AND t.used_instances > t.quota_instances THEN
		RAISE EXCEPTION 'instance quota' USING ERRCODE = '23514', CONSTRAINT = 'tenant_quota_instances',
			DETAIL = format('%s %s', t.used_instances, t.quota_instances);
	ELSIF a > 0 AND t.used_apps > t.quota_apps THEN
		RAISE EXCEPTION 'app quota' USING ERRCODE = '23514', CONSTRAINT = 'tenant_quota_apps',
			DETAIL = format('%s %s', t.used_apps, t.quota_apps);
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER app_quota AFTER INSERT OR UPDATE OR DELETE ON app FOR EACH ROW EXECUTE FUNCTION app_quota();

CREATE FUNCTION app_name_record() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	INSERT INTO name_used (tenant, label, name)
		SELECT t.name, new.label, new.name FROM tenant t WHERE t.id = new.tenant_id ON CONFLICT DO NOTHING;
	RETURN NULL;
END $$;
CREATE TRIGGER app_name_record AFTER INSERT ON app FOR EACH ROW EXECUTE FUNCTION app_name_record();

CREATE FUNCTION app_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF tg_op = 'DELETE' THEN
		PERFORM nap_event(old.tenant_id, old.name, 'app.destroyed', '{}');
	ELSIF tg_op = 'INSERT' THEN
		PERFORM nap_event(new.tenant_id, new.name, 'app.created', '{}');
	ELSIF (old.state, old.running_instances, old.instances, old.release_id, old.next_release_id, old.stopped, old.deleting)
			IS DISTINCT FROM
			(new.state, new.running_instances, new.instances, new.release_id, new.next_release_id, new.stopped, new.deleting) THEN
		PERFORM nap_event(new.tenant_id, new.name, 'app.changed', jsonb_build_object('state', new.state,
			'running_instances', new.running_instances, 'desired_instances', new.instances));
		PERFORM pg_notify('nap_work', '');
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER app_event AFTER INSERT OR UPDATE OR DELETE ON app FOR EACH ROW EXECUTE FUNCTION app_event();

CREATE FUNCTION instance_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	r instance;
	word text;
BEGIN
	IF tg_op = 'DELETE' THEN
		r := old;
		word := 'gone';
	ELSE
		r := new;
		word := new.state;
	END IF;
	IF tg_op = 'UPDATE' THEN
		IF (old.state, old.want, old.restarts) IS NOT DISTINCT FROM (new.state, new.want, new.restarts) THEN
			RETURN NULL;
		END IF;
		IF old.want <> new.want THEN
			PERFORM pg_notify('nap_work', '');
		END IF;
	END IF;
	PERFORM nap_event(r.tenant_id, a.name, 'instance.' || word,
		jsonb_build_object('number', r.number, 'state', word, 'restarts', r.restarts))
		FROM app a WHERE a.id = r.app_id;
	RETURN NULL;
END $$;
CREATE TRIGGER instance_event AFTER INSERT OR UPDATE OR DELETE ON instance FOR EACH ROW EXECUTE FUNCTION instance_event();

CREATE FUNCTION operation_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF tg_op = 'UPDATE' THEN
		IF (old.state, old.done, old.total, old.cancel) IS NOT DISTINCT FROM (new.state, new.done, new.total, new.cancel) THEN
			RETURN NULL;
		END IF;
	END IF;
	IF new.state <> 'receiving' THEN
		PERFORM nap_event(new.tenant_id, new.app, 'operation.' || new.state, jsonb_build_object('id', new.id::text,
			'kind', new.kind, 'done', new.done, 'total', new.total));
	END IF;
	PERFORM pg_notify('nap_operation', new.id::text);
	RETURN NULL;
END $$;
CREATE TRIGGER operation_event AFTER INSERT OR UPDATE ON operation FOR EACH ROW EXECUTE FUNCTION operation_event();

CREATE FUNCTION port_free() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	UPDATE port_lease SET freed_at = now(), instance_id = NULL WHERE instance_id = old.id;
	RETURN old;
END $$;
CREATE TRIGGER port_free BEFORE DELETE ON instance FOR EACH ROW EXECUTE FUNCTION port_free();

-- Sign-in ------------------------------------------------------------------------------------------------------
-- These run as the owner: before them a request has no tenant, and row-level security shows nothing.

CREATE FUNCTION nap_auth_token(h bytea) RETURNS TABLE (tenant_id bigint, tenant text, role text, scopes text, app_id bigint,
	release_id bigint, token_id bigint) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	SELECT t.id, t.name, t.role, array_to_string(k.scopes, ','), k.app_id, k.release_id, k.id
		INTO tenant_id, tenant, role, scopes, app_id, release_id, token_id
		FROM token k JOIN tenant t ON t.id = k.tenant_id
		WHERE k.hash = h AND (k.expires_at IS NULL OR k.expires_at > now()) AND t.disabled_at IS NULL;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	PERFORM set_config('nap.tenant', tenant_id::text, true), set_config('nap.role', role, true),
		set_config('nap.actor', 'token:' || token_id, true);
	RETURN NEXT;
END $$;

CREATE FUNCTION nap_auth_session(h bytea) RETURNS TABLE (tenant_id bigint, tenant text, role text, csrf_hash bytea,
	session_id bigint) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	SELECT t.id, t.name, t.role, s.csrf_hash, s.id INTO tenant_id, tenant, role, csrf_hash, session_id
		FROM session s JOIN tenant t ON t.id = s.tenant_id
		WHERE s.hash = h AND s.expires_at > now() AND t.disabled_at IS NULL;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	PERFORM set_config('nap.tenant', tenant_id::text, true), set_config('nap.role', role, true),
		set_config('nap.actor', 'session:' || session_id, true);
	RETURN NEXT;
END $$;

-- notes the use of a credential, at most once a minute
CREATE FUNCTION nap_auth_used(token bigint, session bigint) RETURNS void LANGUAGE sql SECURITY DEFINER
	SET search_path = public, pg_temp AS $$
	UPDATE token SET last_used_at = now() WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute');
	UPDATE session SET last_seen_at = now() WHERE id = $2 AND last_seen_at < now() - interval '1 minute';
$$;

-- the password hash of a name, and how many sign-ins failed from this address in the last 15 minutes
CREATE FUNCTION nap_login_look(n text, addr text) RETURNS TABLE (tenant_id bigint, role text, password_hash text,
	failures integer, last_at timestamptz) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT t.id, t.role, t.password_hash, coalesce(f.count, 0), f.last_at
	FROM (SELECT 1) one
	LEFT JOIN tenant t ON t.name = n AND t.disabled_at IS NULL
	LEFT JOIN login_failure f ON f.name = n AND f.address = addr AND f.last_at > now() - interval '15 minutes';
$$;
CREATE FUNCTION nap_login_failed(n text, addr text) RETURNS void LANGUAGE sql SECURITY DEFINER
	SET search_path = public, pg_temp AS $$
	INSERT INTO login_failure AS f (name, address) VALUES (n, addr)
		ON CONFLICT (name, address) DO UPDATE SET last_at = now(),
		count = CASE WHEN f.last_at > now() - interval '15 minutes' THEN f.count + 1 ELSE 1 END;
$$;
CREATE FUNCTION nap_login_done(n text, addr text, tenant bigint, h bytea, csrf bytea, agent text, hours integer)
	RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	DELETE FROM login_failure WHERE name = n AND address = addr;
	DELETE FROM session WHERE expires_at < now();
	INSERT INTO session (tenant_id, hash, csrf_hash, address, user_agent, expires_at)
		VALUES (tenant, h, csrf, addr, left(agent, 200), now() + make_interval(hours => hours)) RETURNING id;
$$;

-- Row-level security ---------------------------------------------------------------------------------------------

DO $$
DECLARE
	t text;
BEGIN
	FOREACH t IN ARRAY '{token,session,app,release,instance,run,operation,operation_step,operation_log,idempotency}'::text[] LOOP
		EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
		EXECUTE format('CREATE POLICY own ON %I TO nap_api USING (tenant_id = nap_tenant()) WITH CHECK (tenant_id = nap_tenant())', t);
	END LOOP;
	FOREACH t IN ARRAY '{event,unit,unit_state}'::text[] LOOP
		EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
		EXECUTE format('CREATE POLICY own ON %I TO nap_api USING (tenant_id = nap_tenant() OR nap_is_admin()) '
			'WITH CHECK (tenant_id = nap_tenant())', t);
	END LOOP;
END $$;
ALTER TABLE tenant ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON tenant TO nap_api USING (id = nap_tenant() OR nap_is_admin()) WITH CHECK (id = nap_tenant() OR nap_is_admin());

GRANT USAGE ON SCHEMA public TO nap_api, nap_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO nap_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON token, session, idempotency TO nap_api;
GRANT SELECT, INSERT, UPDATE ON app, operation, event, app_counter TO nap_api;
GRANT SELECT ON release, instance, run, operation_step, operation_log, machine, unit, unit_state, engine, installation,
	name_used, port_lease, announcement, tenant TO nap_api;
GRANT UPDATE (want, want_at) ON instance TO nap_api;
GRANT INSERT (name, role, password_hash, quota_memory, quota_instances, quota_apps, quota_disk),
	UPDATE (password_hash, quota_memory, quota_instances, quota_apps, quota_disk, disabled_at, updated_at), DELETE
	ON tenant TO nap_api;

-- Node routes: answered by nap-api for a machine, which has no tenant of its own. ----------------------------------

-- all that a unit needs to start; no row: 404
CREATE FUNCTION nap_node_unit(u text) RETURNS TABLE (tenant_id bigint, tenant text, app_id bigint, app text, group_name text,
	release_number bigint, release_id bigint, number integer, port integer, want text, deleting boolean, tree text, health text,
	restart text, listened boolean, memory_bytes bigint, env jsonb, start text)
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT i.tenant_id, t.name, i.app_id, a.name, a.group_name, r.number, r.id, i.number, i.port, i.want, a.deleting, r.tree,
		r.health, r.restart, i.listened, r.memory_bytes, r.env, r.start
	FROM instance i JOIN tenant t ON t.id = i.tenant_id JOIN app a ON a.id = i.app_id JOIN release r ON r.id = i.release_id
	WHERE i.unit = u;
$$;

-- an announcement of a live instance; NULL: there is none such (410). Returns the seconds until the next.
CREATE FUNCTION nap_node_announce(u text, ok boolean) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = public, pg_temp AS $$
DECLARE
	n integer; was boolean;
BEGIN
	PERFORM 1 FROM instance WHERE unit = u AND want <> 'gone';
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	SELECT healthy INTO was FROM announcement WHERE unit = u;
	-- all together at most 10 a second
	SELECT greatest(2, (count(*) / 10)::integer) INTO n FROM announcement;
	INSERT INTO announcement (unit, healthy, interval_s) VALUES (u, ok, n)
		ON CONFLICT (unit) DO UPDATE SET healthy = excluded.healthy, at = now(), interval_s = excluded.interval_s;
	IF was IS DISTINCT FROM ok THEN
		PERFORM pg_notify('nap_work', u);
	END IF;
	IF ok THEN
		UPDATE instance SET listened = true WHERE unit = u AND NOT listened;
		UPDATE app a SET listened = true FROM instance i WHERE i.unit = u AND a.id = i.app_id AND NOT a.listened;
	END IF;
	RETURN n;
END $$;

-- an end of a run; the first complete record of a run id counts. False: there is no such unit.
CREATE FUNCTION nap_node_exit(u text, run_id text, started timestamptz, ended timestamptz, code integer, sig integer,
	res text, bytes bigint, sha text, did_listen boolean) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = public, pg_temp AS $$
DECLARE
	i instance;
BEGIN
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

REVOKE ALL ON FUNCTION nap_node_unit(text), nap_node_announce(text, boolean),
	nap_node_exit(text, text, timestamptz, timestamptz, integer, integer, text, bigint, text, boolean),
	nap_auth_token(bytea), nap_auth_session(bytea), nap_auth_used(bigint, bigint), nap_login_look(text, text),
	nap_login_failed(text, text), nap_login_done(text, text, bigint, bytea, bytea, text, integer) FROM public;
GRANT EXECUTE ON FUNCTION nap_node_unit(text), nap_node_announce(text, boolean),
	nap_node_exit(text, text, timestamptz, timestamptz, integer, integer, text, bigint, text, boolean),
	nap_auth_token(bytea), nap_auth_session(bytea), nap_auth_used(bigint, bigint), nap_login_look(text, text),
	nap_login_failed(text, text), nap_login_done(text, text, bigint, bytea, bytea, text, integer) TO nap_api, nap_worker;
