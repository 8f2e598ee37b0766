-- No table that nap_api can read is without row-level security: what belongs to nobody says so by its policy.

-- the caller's name: counters are kept by names, since they outlive tenants
CREATE FUNCTION nap_tenant_name() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
	AS $$ SELECT name FROM public.tenant WHERE id = public.nap_tenant() $$;

ALTER TABLE app_counter ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON app_counter TO nap_api USING (tenant = nap_tenant_name()) WITH CHECK (tenant = nap_tenant_name());
ALTER TABLE name_used ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON name_used TO nap_api USING (tenant = nap_tenant_name());
ALTER TABLE announcement ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON announcement TO nap_api USING (EXISTS (SELECT FROM instance i WHERE i.unit = announcement.unit));
ALTER TABLE adopted_unit ENABLE ROW LEVEL SECURITY;
CREATE POLICY operator ON adopted_unit TO nap_api USING (nap_is_admin());
REVOKE SELECT ON port_lease FROM nap_api;

DO $$
DECLARE
	t text;
BEGIN
	FOREACH t IN ARRAY '{machine,engine,installation}'::text[] LOOP
		EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
		EXECUTE format('CREATE POLICY everybody ON %I FOR SELECT TO nap_api USING (true)', t);
	END LOOP;
END $$;
