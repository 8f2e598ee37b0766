-- What a tenant sets of its own, and the audit of what is no app's: sign-ins, tokens, tenants.

ALTER TABLE tenant ADD COLUMN language text CONSTRAINT tenant_language CHECK (language IN ('en', 'zh-CN'));
GRANT UPDATE (language) ON tenant TO nap_api;

-- a session that has expired ends without a word: nobody ended it
CREATE FUNCTION session_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF tg_op = 'INSERT' THEN
		PERFORM nap_event(new.tenant_id, '', 'session.started', jsonb_build_object('id', new.id::text, 'address', new.address));
	ELSIF old.expires_at > now() THEN
		PERFORM nap_event(old.tenant_id, '', 'session.ended', jsonb_build_object('id', old.id::text));
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER session_event AFTER INSERT OR DELETE ON session FOR EACH ROW EXECUTE FUNCTION session_event();

-- not those of instances, which come and go with every start
CREATE FUNCTION token_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	k token := coalesce(new, old);
BEGIN
	IF k.release_id IS NULL THEN
		PERFORM nap_event(k.tenant_id, coalesce((SELECT a.name FROM app a WHERE a.id = k.app_id), ''),
			CASE tg_op WHEN 'INSERT' THEN 'token.created' ELSE 'token.revoked' END,
			jsonb_build_object('id', k.id::text, 'name', k.name, 'scopes', k.scopes));
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER token_event AFTER INSERT OR DELETE ON token FOR EACH ROW EXECUTE FUNCTION token_event();

-- by: the operator's name, or the tenant's own; a tenant that is gone is known by the name in its event
CREATE FUNCTION tenant_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	t tenant := coalesce(new, old);
	who text := (SELECT name FROM tenant WHERE id = nap_tenant());
	changed text[];
BEGIN
	IF tg_op = 'UPDATE' THEN
		changed := array_remove(ARRAY[
			CASE WHEN old.password_hash IS DISTINCT FROM new.password_hash THEN 'password' END,
			CASE WHEN old.disabled_at IS NULL AND new.disabled_at IS NOT NULL THEN 'disabled' END,
			CASE WHEN old.disabled_at IS NOT NULL AND new.disabled_at IS NULL THEN 'enabled' END,
			CASE WHEN (old.quota_memory, old.quota_instances, old.quota_apps, old.quota_disk) IS DISTINCT FROM
				(new.quota_memory, new.quota_instances, new.quota_apps, new.quota_disk) THEN 'quota' END], NULL);
		IF cardinality(changed) = 0 THEN
			RETURN NULL;
		END IF;
	END IF;
	PERFORM nap_event(t.id, '', CASE tg_op WHEN 'INSERT' THEN 'tenant.created' WHEN 'DELETE' THEN 'tenant.removed'
		ELSE 'tenant.changed' END, jsonb_strip_nulls(jsonb_build_object('name', t.name, 'by', who, 'changed', to_jsonb(changed))));
	RETURN NULL;
END $$;
CREATE TRIGGER tenant_event AFTER INSERT OR DELETE OR UPDATE OF password_hash, disabled_at, quota_memory, quota_instances,
	quota_apps, quota_disk ON tenant FOR EACH ROW EXECUTE FUNCTION tenant_event();
