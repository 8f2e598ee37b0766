-- What nap-api asks of PostgreSQL beyond reading and writing its tenant's rows.

-- The lowest free port of [lo, hi] for an app's own address. As the owner: another tenant's ports are unseen else.
-- Takers wait for each other until their transactions end.
CREATE FUNCTION nap_app_port(lo integer, hi integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = public, pg_temp AS $$
DECLARE
	p integer;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('nap_app_port'));
	SELECT g INTO p FROM generate_series(lo, hi) g WHERE NOT EXISTS (SELECT 1 FROM app WHERE port = g) ORDER BY g LIMIT 1;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'no port of % to % is free for the app''s address', lo, hi USING ERRCODE = '53400';
	END IF;
	RETURN p;
END $$;

-- Refuses what would not fit a tenant's quota, before anything is made of it, in the words of the trigger app_quota. It
-- takes nothing: the trigger does, in the statement that spends.
CREATE FUNCTION nap_quota_check(owner bigint, m bigint, i integer) RETURNS void LANGUAGE plpgsql STABLE AS $$
DECLARE
	t tenant;
BEGIN
	SELECT * INTO t FROM tenant WHERE id = owner;
	IF m > 0 AND t.used_memory + m > t.quota_memory THEN
		RAISE EXCEPTION 'memory quota' USING ERRCODE = '23514', CONSTRAINT = 'tenant_quota_memory',
			DETAIL = format('%s %s %s', t.used_memory + m, t.quota_memory, m);
	ELSIF i > 0 AND t.used_instances + i > t.quota_instances THEN
		RAISE EXCEPTION 'instance quota' USING ERRCODE = '23514', CONSTRAINT = 'tenant_quota_instances',
			DETAIL = format('%s %s %s', t.used_instances + i, t.quota_instances, i);
	END IF;
END $$;

-- The next name of the sequence NAME_NO that was never used, without taking it; NULL: there is none below 10,000.
-- A base too long for a person's 32 characters is cut.
CREATE FUNCTION nap_name_suggestion(owner text, base text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT s.name FROM (SELECT rtrim(left(base, 31 - length(n::text)), '_-') || '_' || n AS name, n
		FROM generate_series((SELECT coalesce(max(similar_no), 0) + 1 FROM app_counter WHERE tenant = owner AND app = base),
			10000) n) s
	WHERE NOT EXISTS (SELECT 1 FROM name_used u WHERE u.tenant = owner AND u.label = replace(s.name, '_', '-'))
	ORDER BY s.n LIMIT 1;
$$;
