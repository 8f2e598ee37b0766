#include "store/token.h"

const struct row_field TOKEN_FIELDS[] = {
	{ "id", ROW_ID },
	{ "name", ROW_TEXT },
	{ "scopes", ROW_JSON },
	{ "app", ROW_TEXT },
	{ "expires_at", ROW_TIME },
	{ "last_used_at", ROW_TIME },
	{ "created_at", ROW_TIME },
};
const size_t TOKEN_FIELDS_N = ARRAY_SIZE(TOKEN_FIELDS);

/* clang-format off */
#define COLUMNS \
	"SELECT k.id, k.name, array_to_json(k.scopes) AS scopes, a.name AS app, " DB_US("k.expires_at") " AS expires_at, " \
	DB_US("k.last_used_at") " AS last_used_at, " DB_US("k.created_at") " AS created_at " \
	"FROM token k LEFT JOIN app a ON a.id = k.app_id WHERE k.tenant_id = $1 AND k.release_id IS NULL "
/* clang-format on */

SQL(LIST, COLUMNS "AND ($2::bigint = 0 OR k.id < $2) ORDER BY k.id DESC LIMIT $3");

bool token_list(
	struct db *db, int64_t tenant, int64_t below, int64_t limit, PGresult **ret, struct err *e)
{
	return db_query(db, ret, e, LIST, I64(tenant), I64(below), I64(limit));
}

SQL(GET, COLUMNS "AND k.id = $2");

static bool no_token(struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "not_found", "the token does not exist");
}

bool token_get(struct db *db, int64_t tenant, int64_t id, PGresult **ret, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!db_query(db, &r, e, GET, I64(tenant), I64(id)))
		return false;
	if (db_rows(r) == 0)
		return no_token(e);
	*ret = steal(&r);
	return true;
}

SQL(INSERT,
	"INSERT INTO token (tenant_id, name, hash, scopes, app_id, expires_at) "
	"SELECT $1, $2, $3::bytea, $4::text[], a.id, to_timestamp(nullif($6::bigint, 0) / 1000000.0) "
	"FROM (SELECT 1) one LEFT JOIN app a ON a.tenant_id = $1 AND a.name = $5 "
	"WHERE $5::text IS NULL OR a.id IS NOT NULL RETURNING id");

bool token_insert(struct db *db, const struct token_new *n, int64_t *ret_id, struct err *e)
{
	return db_one_i64(db, ret_id, e, INSERT, I64(n->tenant), n->name,
		BYTES(n->hash, CREDENTIAL_HASH), n->scopes, n->app, I64(n->expires_us));
}

SQL(DELETE, "DELETE FROM token WHERE tenant_id = $1 AND id = $2 AND release_id IS NULL");

bool token_delete(struct db *db, int64_t tenant, int64_t id, struct err *e)
{
	int64_t n;

	if (!db_exec(db, &n, e, DELETE, I64(tenant), I64(id)))
		return false;
	return n == 1 || no_token(e);
}
