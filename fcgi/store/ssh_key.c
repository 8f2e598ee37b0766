#include "store/ssh_key.h"

const struct row_field SSH_KEY_FIELDS[] = {
	{ "id", ROW_ID },
	{ "name", ROW_TEXT },
	{ "type", ROW_TEXT },
	{ "fingerprint", ROW_TEXT },
	{ "comment", ROW_TEXT },
	{ "key", ROW_TEXT },
	{ "last_used_at", ROW_TIME },
	{ "created_at", ROW_TIME },
};
const size_t SSH_KEY_FIELDS_N = ARRAY_SIZE(SSH_KEY_FIELDS);

/* clang-format off */
#define COLUMNS \
	"SELECT id, name, type, fingerprint, comment, type || ' ' || base64 AS key, " DB_US("last_used_at") " AS last_used_at, " \
	DB_US("created_at") " AS created_at FROM ssh_key WHERE tenant_id = $1 "
/* clang-format on */

SQL(KEY_LIST, COLUMNS "AND ($2::bigint = 0 OR id < $2) ORDER BY id DESC LIMIT $3");

bool ssh_key_list(
	struct db *db, int64_t tenant, int64_t below, int64_t limit, PGresult **ret, struct err *e)
{
	return db_query(db, ret, e, KEY_LIST, I64(tenant), I64(below), I64(limit));
}

SQL(KEY_GET, COLUMNS "AND id = $2");

static bool no_key(struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "not_found", "the key does not exist");
}

bool ssh_key_get(struct db *db, int64_t tenant, int64_t id, PGresult **ret, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!db_query(db, &r, e, KEY_GET, I64(tenant), I64(id)))
		return false;
	if (db_rows(r) == 0)
		return no_key(e);
	*ret = steal(&r);
	return true;
}

SQL(KEY_INSERT, "INSERT INTO ssh_key (tenant_id, name, type, base64, comment, fingerprint) "
		"VALUES ($1, $2, $3, $4, $5, $6) RETURNING id");

bool ssh_key_insert(struct db *db, int64_t tenant, const char *name, const struct ssh_key *key,
	int64_t *ret_id, struct err *e)
{
	return db_one_i64(db, ret_id, e, KEY_INSERT, I64(tenant), name, key->type, key->base64,
		key->comment, key->fingerprint);
}

SQL(KEY_DELETE, "DELETE FROM ssh_key WHERE tenant_id = $1 AND id = $2");

bool ssh_key_delete(struct db *db, int64_t tenant, int64_t id, struct err *e)
{
	int64_t n;

	if (!db_exec(db, &n, e, KEY_DELETE, I64(tenant), I64(id)))
		return false;
	return n == 1 || no_key(e);
}

SQL(KEY_VISITOR, "SELECT tenant_id, tenant, role FROM nap_auth_key($1, $2)");

bool ssh_key_visitor(struct db *db, struct arena *a, const char *tenant, int64_t key,
	struct ssh_visitor *ret, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!db_query(db, &r, e, KEY_VISITOR, tenant, I64(key)))
		return false;
	if (db_rows(r) == 0)
		return no_key(e);
	*ret = (struct ssh_visitor){ .tenant = db_i64(r, 0, "tenant_id"),
		.name = arena_strdup(a, db_text(r, 0, "tenant")),
		.role = arena_strdup(a, db_text(r, 0, "role")),
		.actor = arena_printf(a, "key:%jd", (intmax_t)key) };
	return true;
}

SQL(KEY_VERSION, "SELECT version FROM ssh_key_version");
SQL(KEY_ALL,
	"SELECT t.name AS tenant, k.id, k.type, k.base64 FROM ssh_key k JOIN tenant t ON t.id = k.tenant_id "
	"WHERE t.disabled_at IS NULL ORDER BY t.name COLLATE \"C\", k.id");

bool ssh_key_all(struct db *db, int64_t known, int64_t *ret_version, PGresult **ret, struct err *e)
{
	int64_t version;

	if (!db_one_i64(db, &version, e, KEY_VERSION))
		return false;
	if (version != known && !db_query(db, ret, e, KEY_ALL))
		return false;
	*ret_version = version;
	return true;
}
