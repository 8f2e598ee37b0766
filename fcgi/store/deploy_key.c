#include "store/deploy_key.h"

#include "base/text.h"

#define MAX_KNOWN_HOSTS_BYTES (256 * 1024)

const struct row_field KNOWN_HOST_FIELDS[] = {
	{ "host", ROW_TEXT },
	{ "type", ROW_TEXT },
	{ "fingerprint", ROW_TEXT },
	{ "key", ROW_TEXT },
	{ "first_seen_at", ROW_TIME },
};
const size_t KNOWN_HOST_FIELDS_N = ARRAY_SIZE(KNOWN_HOST_FIELDS);

/* -- the tenant's key ---------------------------------------------------------------------------------------------- */

SQL(DEPLOY_KEY_PUBLIC, "SELECT public_key, fingerprint, " DB_US(
			       "created_at") " AS created_at FROM deploy_key WHERE tenant_id = $1");

bool deploy_key_public(struct db *db, int64_t tenant, PGresult **ret, struct err *e)
{
	return db_query(db, ret, e, DEPLOY_KEY_PUBLIC, I64(tenant));
}

static struct seal_place place_of(int64_t tenant)
{
	return (struct seal_place){ tenant, 0, "deploy_key" };
}

SQL(DEPLOY_KEY_INSERT,
	"WITH made AS (INSERT INTO deploy_key (tenant_id, public_key, fingerprint) VALUES ($1, $2, $3) "
	"ON CONFLICT (tenant_id) DO NOTHING RETURNING tenant_id) "
	"INSERT INTO deploy_secret (tenant_id, sealed) SELECT tenant_id, $4 FROM made");

SQL(DEPLOY_KEY_COUNT, "SELECT count(*) FROM deploy_key WHERE tenant_id = $1");

bool deploy_key_make(
	struct db *db, const struct seal *seal, int64_t tenant, const char *name, struct err *e)
{
	auto_arena struct arena a = { 0 };
	const struct seal_place place = place_of(tenant);
	struct ssh_key public;
	const char *sealed;
	char *private;
	int64_t n;

	if (!db_one_i64(db, &n, e, DEPLOY_KEY_COUNT, I64(tenant)))
		return false;
	if (n)
		return true;
	ssh_key_make(&a, arena_printf(&a, "nap-%s", name), &private, &public);
	sealed = seal_text(seal, &place, private, &a);
	ssh_key_wipe(private);
	return db_exec(db, NULL, e, DEPLOY_KEY_INSERT, I64(tenant),
		arena_printf(&a, "%s %s %s", public.type, public.base64, public.comment),
		public.fingerprint, sealed);
}

SQL(DEPLOY_KEY_MISSING,
	"SELECT t.id, t.name FROM tenant t LEFT JOIN deploy_key k ON k.tenant_id = t.id "
	"WHERE k.tenant_id IS NULL ORDER BY t.id LIMIT $1");

bool deploy_key_missing(struct db *db, int64_t limit, PGresult **ret, struct err *e)
{
	return db_query(db, ret, e, DEPLOY_KEY_MISSING, I64(limit));
}

SQL(DEPLOY_KEY_SEALED,
	"SELECT s.sealed, k.public_key FROM deploy_key k JOIN deploy_secret s USING (tenant_id) WHERE k.tenant_id = $1");

bool deploy_key_open(struct db *db, const struct seal *seal, struct arena *a, int64_t tenant,
	const char *name, char **ret_private, const char **ret_public, struct err *e)
{
	const struct seal_place place = place_of(tenant);
	auto_result PGresult *r = NULL;

	if (!deploy_key_make(db, seal, tenant, name, e) ||
		!db_query(db, &r, e, DEPLOY_KEY_SEALED, I64(tenant)))
		return false;
	if (db_rows(r) == 0)
		return err_set(e, ERR_NOT_FOUND, "not_found", "the tenant does not exist");
	if (!seal_open(seal, &place, db_text(r, 0, "sealed"), a, ret_private, e))
		return false;
	*ret_public = arena_strdup(a, db_text(r, 0, "public_key"));
	return true;
}

/* -- hosts --------------------------------------------------------------------------------------------------------- */

SQL(KNOWN_HOSTS,
	"SELECT host, type, fingerprint, type || ' ' || base64 AS key, " DB_US(
		"first_seen_at") " AS first_seen_at "
				 "FROM known_host WHERE tenant_id = $1 ORDER BY host, type");

bool known_host_list(struct db *db, int64_t tenant, PGresult **ret, struct err *e)
{
	return db_query(db, ret, e, KNOWN_HOSTS, I64(tenant));
}

SQL(KNOWN_HOST_DELETE, "DELETE FROM known_host WHERE tenant_id = $1 AND host = $2");

bool known_host_forget(struct db *db, int64_t tenant, const char *host, struct err *e)
{
	int64_t n;

	if (!db_exec(db, &n, e, KNOWN_HOST_DELETE, I64(tenant), host))
		return false;
	return n > 0 || err_set(e, ERR_NOT_FOUND, "not_found", "no key of that host is known");
}

bool known_host_text(
	struct db *db, struct arena *a, int64_t tenant, const char **ret, struct err *e)
{
	auto_result PGresult *r = NULL;
	auto_buf struct buf b = { 0 };

	buf_init(&b, MAX_KNOWN_HOSTS_BYTES);
	if (!known_host_list(db, tenant, &r, e))
		return false;
	for (int i = 0; i < db_rows(r); i++)
		buf_printf(&b, "%s %s\n", db_text(r, i, "host"), db_text(r, i, "key"));
	if (b.failed)
		return err_set(e, ERR_TOO_LARGE, "too_many_hosts",
			"more keys of git hosts are known than ssh is given; forget some of them");
	*ret = arena_strdup(a, b.data);
	return true;
}

SQL(KNOWN_HOST_INSERT,
	"INSERT INTO known_host (tenant_id, host, type, base64, fingerprint) "
	"VALUES ($1, $2, $3, $4, $5) ON CONFLICT ON CONSTRAINT known_host_key DO NOTHING");

/* "HOST TYPE BASE64"; ssh writes no other lines where nothing is hashed */
bool known_host_keep(struct db *db, int64_t tenant, const char *text, struct err *e)
{
	struct slice rest = slice_of(text), line;

	while (slice_line(&rest, &line)) {
		auto_free char *copy = xstrndup(line.p, line.n);
		char *at = copy, *host = strsep(&at, " "), *type = strsep(&at, " "),
		     *base64 = strsep(&at, " ");
		char fingerprint[SSH_FINGERPRINT_SIZE];

		if (base64 && ssh_key_fingerprint(base64, fingerprint) &&
			!db_exec(db, NULL, e, KNOWN_HOST_INSERT, I64(tenant), host, type, base64,
				fingerprint))
			return false;
	}
	return true;
}
