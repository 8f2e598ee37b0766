-- Webhooks in: a git host says that something was pushed, and the app's own url is looked at.
--
-- Whether a delivery is the host's must be known at once, by nap_api, since a wrong one is answered as an unknown id is.
-- nap_api may not read the file of keys that seals secrets (RULES 33: that is the worker's), so this secret stands in a
-- table of its own that no role but the schema's owner reads, and a function answers yes or no. What it opens is little: its
-- bearer can have the app's own url fetched again.

CREATE TABLE webhook (
	app_id bigint PRIMARY KEY CONSTRAINT webhook_app_fkey REFERENCES app ON DELETE CASCADE,
	tenant_id bigint NOT NULL CONSTRAINT webhook_tenant_fkey REFERENCES tenant ON DELETE CASCADE,
	id text NOT NULL CONSTRAINT webhook_id_key UNIQUE,      -- random, of its address
	last_used_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE webhook_secret (
	app_id bigint PRIMARY KEY CONSTRAINT webhook_secret_fkey REFERENCES webhook ON DELETE CASCADE,
	secret bytea NOT NULL
);
-- What was taken, for a day: the same again does nothing.
CREATE TABLE webhook_delivery (
	app_id bigint NOT NULL CONSTRAINT webhook_delivery_fkey REFERENCES webhook ON DELETE CASCADE,
	delivery text NOT NULL,
	at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT webhook_delivery_key PRIMARY KEY (app_id, delivery)
);

CREATE FUNCTION webhook_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	w webhook := coalesce(new, old);
	name text := (SELECT a.name FROM app a WHERE a.id = w.app_id);
BEGIN
	IF name IS NOT NULL THEN        -- else it goes with its app, whose event tells it
		PERFORM nap_event(w.tenant_id, name, CASE tg_op WHEN 'INSERT' THEN 'hook.made' WHEN 'UPDATE' THEN 'hook.renewed'
			ELSE 'hook.removed' END, '{}');
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER webhook_event AFTER INSERT OR DELETE OR UPDATE OF id ON webhook FOR EACH ROW EXECUTE FUNCTION webhook_event();

-- RFC 2104
CREATE FUNCTION nap_hmac_sha256(key bytea, message bytea) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	k bytea := CASE WHEN length(key) > 64 THEN sha256(key) ELSE key END;
	i_pad bytea := decode(repeat('36', 64), 'hex');
	o_pad bytea := decode(repeat('5c', 64), 'hex');
BEGIN
	FOR i IN 0 .. length(k) - 1 LOOP
		i_pad := set_byte(i_pad, i, get_byte(i_pad, i) # get_byte(k, i));
		o_pad := set_byte(o_pad, i, get_byte(o_pad, i) # get_byte(k, i));
	END LOOP;
	RETURN sha256(o_pad || sha256(i_pad || message));
END $$;

-- Makes or renews the webhook of an app of the caller's.
CREATE FUNCTION nap_webhook_make(app bigint, id text, secret text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = public, pg_temp AS $$
BEGIN
	INSERT INTO webhook AS w (app_id, tenant_id, id)
		SELECT a.id, a.tenant_id, nap_webhook_make.id FROM app a WHERE a.id = nap_webhook_make.app AND a.tenant_id = nap_tenant()
		ON CONFLICT (app_id) DO UPDATE SET id = excluded.id, created_at = now(), last_used_at = NULL;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'no such app' USING ERRCODE = '42501';
	END IF;
	INSERT INTO webhook_secret AS s (app_id, secret) VALUES (nap_webhook_make.app, convert_to(nap_webhook_make.secret, 'UTF8'))
		ON CONFLICT (app_id) DO UPDATE SET secret = excluded.secret;
	DELETE FROM webhook_delivery d WHERE d.app_id = nap_webhook_make.app;
END $$;

-- Whose delivery it is, if its signature (hex, of the body) or else its token is that of the webhook; the transaction goes on
-- as the tenant. Both are compared by their hashes, so that the time it takes tells nothing of the secret. delivery is what it
-- is known by: where the body is signed, the body, since no header is; else the name that the host gave it.
CREATE FUNCTION nap_auth_webhook(id text, body text, signature text, token text, name text)
	RETURNS TABLE (tenant_id bigint, tenant text, app_id bigint, app text, ref text, delivery text)
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	message bytea := convert_to(body, 'UTF8');
	key bytea;
	good boolean;
BEGIN
	SELECT t.id, t.name, a.id, a.name, a.ref, s.secret INTO tenant_id, tenant, app_id, app, ref, key
		FROM webhook w JOIN webhook_secret s ON s.app_id = w.app_id JOIN app a ON a.id = w.app_id
		JOIN tenant t ON t.id = w.tenant_id WHERE w.id = nap_auth_webhook.id AND t.disabled_at IS NULL;
	IF signature IS NOT NULL THEN
		good := sha256(convert_to(encode(nap_hmac_sha256(key, message), 'hex'), 'UTF8')) = sha256(convert_to(signature, 'UTF8'));
	ELSE
		good := sha256(key) = sha256(convert_to(token, 'UTF8'));
	END IF;
	IF good IS NOT TRUE THEN
		RETURN;
	END IF;
	delivery := CASE WHEN signature IS NULL AND name <> '' THEN 'name:' || encode(sha256(convert_to(name, 'UTF8')), 'hex')
		ELSE 'body:' || encode(sha256(message), 'hex') END;
	PERFORM set_config('nap.tenant', tenant_id::text, true), set_config('nap.role', 'tenant', true),
		set_config('nap.actor', 'hook:' || app_id, true);
	RETURN NEXT;
END $$;

-- Remembers a delivery of an app of the caller's; false: it was there already.
CREATE FUNCTION nap_webhook_take(app bigint, delivery text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = public, pg_temp AS $$
DECLARE
	name text := (SELECT a.name FROM app a WHERE a.id = nap_webhook_take.app AND a.tenant_id = nap_tenant());
BEGIN
	DELETE FROM webhook_delivery d WHERE d.app_id = nap_webhook_take.app AND d.at < now() - interval '1 day' AND name IS NOT NULL;
	INSERT INTO webhook_delivery (app_id, delivery) SELECT nap_webhook_take.app, nap_webhook_take.delivery WHERE name IS NOT NULL
		ON CONFLICT DO NOTHING;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	UPDATE webhook w SET last_used_at = now() WHERE w.app_id = nap_webhook_take.app;
	PERFORM nap_event(nap_tenant(), name, 'hook.used', '{}');
	RETURN true;
END $$;

REVOKE ALL ON FUNCTION nap_webhook_make(bigint, text, text), nap_auth_webhook(text, text, text, text, text),
	nap_webhook_take(bigint, text) FROM public;
GRANT EXECUTE ON FUNCTION nap_webhook_make(bigint, text, text), nap_auth_webhook(text, text, text, text, text),
	nap_webhook_take(bigint, text) TO nap_api;

ALTER TABLE webhook ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON webhook TO nap_api USING (tenant_id = nap_tenant()) WITH CHECK (tenant_id = nap_tenant());
GRANT SELECT, DELETE ON webhook TO nap_api;
