-- SSH: the public keys that tenants push by, and the key that nap itself shows to git hosts for each tenant.

CREATE TABLE ssh_key (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tenant_id bigint NOT NULL CONSTRAINT ssh_key_tenant_fkey REFERENCES tenant ON DELETE CASCADE,
	name text NOT NULL CONSTRAINT ssh_key_name_length CHECK (length(name) BETWEEN 1 AND 100),
	type text NOT NULL CONSTRAINT ssh_key_type CHECK (type IN
		('ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521', 'ssh-rsa')),
	base64 text NOT NULL CONSTRAINT ssh_key_base64 CHECK (base64 ~ '^[A-Za-z0-9+/]+=*$'),   -- a line of a file is made of it
	comment text NOT NULL DEFAULT '',
	fingerprint text NOT NULL CONSTRAINT ssh_key_fingerprint_key UNIQUE,    -- of all tenants': a key says who came
	last_used_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ssh_key_tenant ON ssh_key (tenant_id, id);

-- Grows with whatever changes the key files; the leader writes them anew when it is not the one that it wrote last.
CREATE TABLE ssh_key_version (
	one boolean PRIMARY KEY DEFAULT true CONSTRAINT ssh_key_version_one CHECK (one),
	version bigint NOT NULL DEFAULT 0
);
INSERT INTO ssh_key_version DEFAULT VALUES;

CREATE FUNCTION ssh_key_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	UPDATE ssh_key_version SET version = version + 1;
	PERFORM pg_notify('nap_work', '');
	RETURN NULL;
END $$;
CREATE TRIGGER ssh_key_changed AFTER INSERT OR DELETE ON ssh_key FOR EACH ROW EXECUTE FUNCTION ssh_key_changed();
CREATE TRIGGER tenant_ssh_key_changed AFTER INSERT OR DELETE OR UPDATE OF disabled_at ON tenant
	FOR EACH ROW EXECUTE FUNCTION ssh_key_changed();

CREATE FUNCTION ssh_key_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	k ssh_key := coalesce(new, old);
BEGIN
	PERFORM nap_event(k.tenant_id, '', CASE tg_op WHEN 'INSERT' THEN 'key.added' ELSE 'key.removed' END,
		jsonb_build_object('id', k.id::text, 'name', k.name, 'fingerprint', k.fingerprint));
	RETURN NULL;
END $$;
CREATE TRIGGER ssh_key_event AFTER INSERT OR DELETE ON ssh_key FOR EACH ROW EXECUTE FUNCTION ssh_key_event();

-- two requests at once wait for each other, so that the limit holds
CREATE FUNCTION ssh_key_count() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('ssh_key ' || new.tenant_id));
	IF (SELECT count(*) FROM ssh_key WHERE tenant_id = new.tenant_id) >= 100 THEN
		RAISE EXCEPTION 'too many keys' USING ERRCODE = '23514', CONSTRAINT = 'ssh_key_count';
	END IF;
	RETURN new;
END $$;
CREATE TRIGGER ssh_key_count BEFORE INSERT ON ssh_key FOR EACH ROW EXECUTE FUNCTION ssh_key_count();

-- Who came by SSH: the key must still be that tenant's. Notes its use, and goes on as the tenant.
CREATE FUNCTION nap_auth_key(name text, key bigint) RETURNS TABLE (tenant_id bigint, tenant text, role text)
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	SELECT t.id, t.name, t.role INTO tenant_id, tenant, role FROM ssh_key k JOIN tenant t ON t.id = k.tenant_id
		WHERE k.id = key AND t.name = nap_auth_key.name AND t.disabled_at IS NULL;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	PERFORM set_config('nap.tenant', tenant_id::text, true), set_config('nap.role', role, true),
		set_config('nap.actor', 'key:' || key, true);
	UPDATE ssh_key k SET last_used_at = now()
		WHERE k.id = key AND (k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute');
	RETURN NEXT;
END $$;
REVOKE ALL ON FUNCTION nap_auth_key(text, bigint) FROM public;
GRANT EXECUTE ON FUNCTION nap_auth_key(text, bigint) TO nap_api, nap_worker;

-- The key by which nap fetches git@host:path for a tenant; its private half, sealed (store/seal.h), stands where nap_api
-- cannot read it.
CREATE TABLE deploy_key (
	tenant_id bigint PRIMARY KEY CONSTRAINT deploy_key_tenant_fkey REFERENCES tenant ON DELETE CASCADE,
	public_key text NOT NULL,                       -- a line of authorized_keys
	fingerprint text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE deploy_secret (
	tenant_id bigint PRIMARY KEY CONSTRAINT deploy_secret_key_fkey REFERENCES deploy_key ON DELETE CASCADE,
	sealed text NOT NULL
);

-- The keys of git hosts as they were first seen (known_hosts of sshd(8)), for each tenant its own.
CREATE TABLE known_host (
	tenant_id bigint NOT NULL CONSTRAINT known_host_tenant_fkey REFERENCES tenant ON DELETE CASCADE,
	host text NOT NULL,                             -- "git.example.org", "[git.example.org]:2222"
	type text NOT NULL,
	base64 text NOT NULL,
	fingerprint text NOT NULL,
	first_seen_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT known_host_key PRIMARY KEY (tenant_id, host, type)
);
CREATE FUNCTION known_host_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	h known_host := coalesce(new, old);
BEGIN
	PERFORM nap_event(h.tenant_id, '', CASE tg_op WHEN 'INSERT' THEN 'host_key.pinned' ELSE 'host_key.forgotten' END,
		jsonb_build_object('host', h.host, 'type', h.type, 'fingerprint', h.fingerprint));
	RETURN NULL;
END $$;
CREATE TRIGGER known_host_event AFTER INSERT OR DELETE ON known_host FOR EACH ROW EXECUTE FUNCTION known_host_event();

DO $$
DECLARE
	t text;
BEGIN
	FOREACH t IN ARRAY '{ssh_key,deploy_key,known_host}'::text[] LOOP
		EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
		EXECUTE format('CREATE POLICY own ON %I TO nap_api USING (tenant_id = nap_tenant()) WITH CHECK (tenant_id = nap_tenant())', t);
	END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON ssh_key, deploy_key, deploy_secret, known_host TO nap_worker;
GRANT SELECT ON ssh_key_version TO nap_worker;
GRANT SELECT, INSERT, DELETE ON ssh_key TO nap_api;
GRANT SELECT, DELETE ON known_host TO nap_api;
GRANT SELECT ON deploy_key TO nap_api;
