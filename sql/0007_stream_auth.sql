-- Streams look their credential up again when something about credentials of its tenant has changed (RULES 18).

CREATE FUNCTION auth_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM pg_notify('nap_auth', (CASE WHEN tg_table_name = 'tenant' THEN to_jsonb(coalesce(new, old)) ->> 'id'
		ELSE to_jsonb(coalesce(new, old)) ->> 'tenant_id' END));
	RETURN NULL;
END $$;
CREATE TRIGGER token_auth AFTER DELETE OR UPDATE OF expires_at, scopes ON token
	FOR EACH ROW EXECUTE FUNCTION auth_event();
CREATE TRIGGER session_auth AFTER DELETE ON session FOR EACH ROW EXECUTE FUNCTION auth_event();
CREATE TRIGGER tenant_auth AFTER UPDATE OF disabled_at, role OR DELETE ON tenant
	FOR EACH ROW EXECUTE FUNCTION auth_event();
