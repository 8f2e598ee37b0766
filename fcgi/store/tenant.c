#include "store/tenant.h"

const struct row_field TENANT_FIELDS[] = {
	{ "name", ROW_TEXT },
	{ "role", ROW_TEXT },
	{ "disabled", ROW_BOOL },
	{ "quota", ROW_JSON },
	{ "created_at", ROW_TIME },
	{ "updated_at", ROW_TIME },
};
const size_t TENANT_FIELDS_N = ARRAY_SIZE(TENANT_FIELDS);

/* clang-format off */
#define QUOTA \
	"json_build_object('memory', json_build_object('used', t.used_memory, 'limit', t.quota_memory), " \
	"'instances', json_build_object('used', t.used_instances, 'limit', t.quota_instances), " \
	"'apps', json_build_object('used', t.used_apps, 'limit', t.quota_apps), " \
	"'disk', json_build_object('used', t.used_disk, 'limit', t.quota_disk)) AS quota"
#define COLUMNS \
	"SELECT t.id, t.name, t.role, t.disabled_at IS NOT NULL AS disabled, " QUOTA ", " \
	DB_US("t.created_at") " AS created_at, " DB_US("t.updated_at") " AS updated_at FROM tenant t "
/* clang-format on */

SQL(ASK_QUOTA, "SELECT " QUOTA " FROM tenant t WHERE t.id = nap_tenant()");

struct db_ask tenant_ask_quota(void)
{
	return (struct db_ask){ ASK_QUOTA, { NULL }, 0 };
}

SQL(LIST, COLUMNS "WHERE $1::text IS NULL OR t.name > $1 ORDER BY t.name LIMIT $2");

bool tenant_list(struct db *db, const char *after, int64_t limit, PGresult **ret, struct err *e)
{
	return db_query(db, ret, e, LIST, after, I64(limit));
}

SQL(GET, COLUMNS "WHERE t.name = $1");

bool tenant_get(struct db *db, const char *name, PGresult **ret, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!db_query(db, &r, e, GET, name))
		return false;
	if (db_rows(r) == 0)
		return err_set(e, ERR_NOT_FOUND, "not_found", "tenant \"%s\" does not exist", name);
	*ret = steal(&r);
	return true;
}

SQL(COUNT, "SELECT count(*) FROM tenant");

bool tenant_count(struct db *db, int64_t *ret, struct err *e)
{
	return db_one_i64(db, ret, e, COUNT);
}

SQL(INSERT,
	"INSERT INTO tenant (name, role, password_hash, quota_memory, quota_instances, quota_apps, quota_disk) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id");

bool tenant_insert(struct db *db, const struct tenant_new *n, int64_t *ret_id, struct err *e)
{
	return db_one_i64(db, ret_id, e, INSERT, n->name, n->role, n->password_hash, I64(n->memory),
		I64(n->instances), I64(n->apps), I64(n->disk));
}

SQL(UPDATE,
	"UPDATE tenant SET password_hash = coalesce($2, password_hash), "
	"quota_memory = coalesce(nullif($3::bigint, -1), quota_memory), "
	"quota_instances = coalesce(nullif($4::integer, -1), quota_instances), "
	"quota_apps = coalesce(nullif($5::integer, -1), quota_apps), "
	"quota_disk = coalesce(nullif($6::bigint, -1), quota_disk), "
	"disabled_at = CASE $7::integer WHEN 0 THEN NULL WHEN 1 THEN coalesce(disabled_at, now()) ELSE disabled_at END, "
	"updated_at = now() WHERE id = $1");
SQL(SESSIONS_END, "SELECT nap_sessions_end($1, $2)");

/* who knew the old password is signed out; keep: the session that changed it, 0: none */
static bool end_sessions(struct db *db, int64_t id, int64_t keep, struct err *e)
{
	return db_exec(db, NULL, e, SESSIONS_END, I64(id), I64(keep));
}

bool tenant_update(struct db *db, int64_t id, const struct tenant_change *c, struct err *e)
{
	if (!db_exec(db, NULL, e, UPDATE, I64(id), c->password_hash, I64(c->memory),
		    I64(c->instances), I64(c->apps), I64(c->disk), I64(c->disabled)))
		return false;
	return !c->password_hash || end_sessions(db, id, 0, e);
}

const struct row_field ACCOUNT_FIELDS[] = {
	{ "name", ROW_TEXT },
	{ "role", ROW_TEXT },
	{ "language", ROW_TEXT },
	{ "created_at", ROW_TIME },
};
const size_t ACCOUNT_FIELDS_N = ARRAY_SIZE(ACCOUNT_FIELDS);

SQL(ACCOUNT, "SELECT name, role, language, " DB_US(
		     "created_at") " AS created_at FROM tenant WHERE id = $1");

bool tenant_account(struct db *db, int64_t id, PGresult **ret, struct err *e)
{
	return db_query(db, ret, e, ACCOUNT, I64(id));
}

SQL(ACCOUNT_CHANGE,
	"UPDATE tenant SET language = coalesce($2, language), password_hash = coalesce($3, password_hash), "
	"updated_at = now() WHERE id = $1");

bool tenant_account_change(struct db *db, int64_t id, const char *language,
	const char *password_hash, int64_t keep, struct err *e)
{
	if (!db_exec(db, NULL, e, ACCOUNT_CHANGE, I64(id), language, password_hash))
		return false;
	return !password_hash || end_sessions(db, id, keep, e);
}

SQL(REMOVE, "SELECT nap_tenant_remove($1)");

bool tenant_remove(struct db *db, int64_t id, struct err *e)
{
	return db_exec(db, NULL, e, REMOVE, I64(id));
}

SQL(HALF,
	"SELECT (coalesce(sum((metadata->>'memory')::bigint) FILTER (WHERE metadata->>'memory' ~ '^[0-9]{1,15}$'), 0) / 2)"
	"::bigint FROM machine");

bool tenant_half_of_machines(struct db *db, int64_t *ret, struct err *e)
{
	return db_one_i64(db, ret, e, HALF);
}
