"""Row-level security, table by table: whatever nap-api's role asks for without a WHERE, it meets its tenant's rows alone."""
import json

from api_stack import Tenant, stack  # noqa: F401  (a fixture)

# tables that belong to no tenant: read by everybody, changed by nobody
COMMON = {"machine", "engine", "installation"}
# whose row it is, where no column tenant_id says so
OWNER = {"tenant": "id", "app_counter": "(SELECT t.id FROM tenant t WHERE t.name = tenant)",
         "name_used": "(SELECT t.id FROM tenant t WHERE t.name = tenant)",
         "announcement": "(SELECT i.tenant_id FROM instance i WHERE i.unit = announcement.unit)"}


def fill(tenant):
    """a row in every table that can hold one of a tenant's"""
    tenant.app("web", url="https://git.invalid/o/web")
    tenant.end_operations()
    assert tenant.post("/apps/web/hook").status == 201
    release = tenant.release("web")
    tenant.instance(release, 1)
    unit = "u%s@1" % release
    assert tenant.post("/apps/web/similar", {"command": "./x"}, headers={"Idempotency-Key": "k"}).status == 202
    operation = tenant.sql("SELECT min(id) FROM operation WHERE tenant_id = TENANT")
    tenant.sql("""INSERT INTO session (tenant_id, hash, csrf_hash, expires_at) VALUES (TENANT, sha256('%(u)s'), '\\x00', now() + interval '1 h');
        INSERT INTO run (id, tenant_id, app_id, release_id, number) VALUES ('%(u)s', TENANT, %(a)s, %(r)s, 1);
        INSERT INTO operation_step (operation_id, n, tenant_id, name) VALUES (%(o)s, 99, TENANT, 'x');
        INSERT INTO operation_log (operation_id, seq, tenant_id, line) VALUES (%(o)s, 99, TENANT, 'x');
        INSERT INTO unit (name, desired_state, tenant_id) VALUES ('%(u)s', 'launched', TENANT);
        INSERT INTO unit_state (unit, machine, tenant_id) VALUES ('%(u)s', 'm', TENANT);
        INSERT INTO announcement (unit, healthy) VALUES ('%(u)s', true);
        INSERT INTO ssh_key (tenant_id, name, type, base64, fingerprint) VALUES (TENANT, 'k', 'ssh-ed25519', 'AAAA', '%(u)s');
        INSERT INTO deploy_key (tenant_id, public_key, fingerprint) VALUES (TENANT, 'k', 'f');
        INSERT INTO known_host (tenant_id, host, type, base64, fingerprint) VALUES (TENANT, 'h', 't', 'k', 'f')"""
               % {"u": unit, "a": tenant.id(), "r": release, "o": operation})
    tenant.sql("""INSERT INTO build (tenant_id, app_id, release_id, operation_id, unit, unit_options, source_tree, result_tree,
        script, memory_bytes, seconds) VALUES (TENANT, %s, %s, %s, 'b-%s', '[]', 't', 't', 'x', 1, 1)"""
               % (tenant.id(), release, operation, unit))


def as_api(stack, tenant, statement):
    """Rows that the statement touches, or the refusal's word. Nothing is kept."""
    counted = "WITH touched AS (%s) SELECT coalesce(json_agg(whose), '[]') FROM touched" % statement
    out = stack.sql("""DO $$
        DECLARE found json;
        BEGIN
            SET LOCAL ROLE nap_api;
            PERFORM set_config('nap.tenant', '%s', true), set_config('nap.role', 'tenant', true);
            BEGIN
                EXECUTE $q$%s$q$ INTO found;
                RAISE EXCEPTION USING ERRCODE = 'T0001', MESSAGE = found::text;
            EXCEPTION
                WHEN SQLSTATE 'T0001' THEN PERFORM set_config('test.found', sqlerrm, false);
                WHEN insufficient_privilege THEN PERFORM set_config('test.found', '"may not"', false);
                WHEN foreign_key_violation THEN PERFORM set_config('test.found', '"in use"', false);
            END;
        END $$; SELECT current_setting('test.found')""" % (tenant.sql("SELECT TENANT"), counted))
    return json.loads(out)


def test_each_table_shows_and_gives_only_the_tenant_s_rows(stack):
    me, other = Tenant(stack), Tenant(stack)
    fill(me)
    fill(other)
    ids = {int(t.sql("SELECT TENANT")) for t in (me, other)}
    mine = int(me.sql("SELECT TENANT"))
    tables = stack.sql("SELECT relname, relrowsecurity, has_table_privilege('nap_api', oid, 'SELECT') FROM pg_class "
                       "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')").splitlines()
    assert len(tables) > 20
    changed = set()
    for table, secured, readable in (line.split("|") for line in tables):
        if table.startswith("presented_"):                # views of their owner: whose hash is not known is not shown
            assert as_api(stack, me, "SELECT line AS whose FROM " + table) == []
            continue
        if readable == "f":
            columns = stack.sql("SELECT count(*) FROM information_schema.column_privileges WHERE grantee = 'nap_api' "
                                "AND table_name = '%s'" % table)
            assert columns == "0", table
            continue
        assert secured == "t", table + " has no row-level security"
        if table in COMMON:
            for change in ("UPDATE %s SET tableoid = tableoid", "DELETE FROM %s"):
                privilege = change.split()[0]
                assert stack.sql("SELECT has_table_privilege('nap_api', '%s', '%s')" % (table, privilege)) == "f", table
            continue
        if table == "adopted_unit":                       # the operator's
            stack.sql("INSERT INTO adopted_unit (name) VALUES ('x') ON CONFLICT DO NOTHING")
            assert as_api(stack, me, "SELECT name AS whose FROM adopted_unit") == []
            continue
        whose = OWNER.get(table, "tenant_id")
        have = {int(i) for i in stack.sql("SELECT DISTINCT %s FROM %s WHERE %s IS NOT NULL" % (whose, table, whose)).split()}
        assert ids <= have, table + ": no rows of both tenants to try it with"
        seen = as_api(stack, me, "SELECT %s AS whose FROM %s" % (whose, table))
        assert seen and set(seen) == {mine}, (table, "SELECT", seen)
        column = stack.sql("SELECT column_name FROM information_schema.column_privileges WHERE grantee = 'nap_api' AND "
                           "table_name = '%s' AND privilege_type = 'UPDATE' AND column_name NOT IN (SELECT attname FROM "
                           "pg_attribute WHERE attrelid = '%s'::regclass AND (attgenerated <> '' OR attidentity <> '')) "
                           "LIMIT 1" % (table, table))
        if column:
            met = as_api(stack, me, "UPDATE %s SET %s = %s RETURNING %s AS whose" % (table, column, column, whose))
            assert met and set(met) == {mine}, (table, "UPDATE", met)
            changed.add(table)
        if stack.sql("SELECT has_table_privilege('nap_api', '%s', 'DELETE')" % table) == "t":
            met = as_api(stack, me, "DELETE FROM %s RETURNING %s AS whose" % (table, whose))
            assert met == "in use" or met and set(met) == {mine}, (table, "DELETE", met)
            changed.add(table)
    assert {"app", "token", "session", "operation", "app_counter"} <= changed
    assert as_api(stack, me, "SELECT id AS whose FROM tenant") == [mine]
