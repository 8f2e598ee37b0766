#include "store/release.h"

#define FIELDS \
	{ "number", ROW_NUMBER }, { "kind", ROW_TEXT }, { "state", ROW_TEXT }, \
		{ "current", ROW_BOOL }, { "commit", ROW_TEXT }, { "subject", ROW_TEXT }, \
		{ "command", ROW_TEXT }, { "memory", ROW_NUMBER }, { "scale", ROW_NUMBER }, \
		{ "health", ROW_TEXT }, { "restart", ROW_TEXT }, { "error", ROW_JSON }, \
		{ "created_by", ROW_TEXT }, { "created_at", ROW_TIME }, { "live_at", ROW_TIME }, \
	{ \
		"ended_at", ROW_TIME \
	}

const struct row_field RELEASE_FIELDS[] = { FIELDS };
const size_t RELEASE_FIELDS_N = ARRAY_SIZE(RELEASE_FIELDS);
const struct row_field RELEASE_ONE_FIELDS[] = {
	FIELDS,
	{ "profile", ROW_JSON },
	{ "profile_text", ROW_TEXT },
};
const size_t RELEASE_ONE_FIELDS_N = ARRAY_SIZE(RELEASE_ONE_FIELDS);

/* clang-format off */
#define RELEASE_COLUMNS \
	"r.number, r.kind, r.state, a.release_id IS NOT DISTINCT FROM r.id AS current, r.commit, r.subject, r.command, " \
	"r.memory_bytes AS memory, r.scale, nullif(r.health, '') AS health, r.restart, " \
	"CASE WHEN r.error_code IS NOT NULL THEN json_build_object('code', r.error_code, 'detail', r.error) END AS error, " \
	"r.created_by, " DB_US("r.created_at") " AS created_at, " DB_US("r.live_at") " AS live_at, " \
	DB_US("r.ended_at") " AS ended_at"
/* clang-format on */

SQL(LIST, "SELECT " RELEASE_COLUMNS
	  " FROM release r JOIN app a ON a.id = r.app_id WHERE r.app_id = $1 "
	  "AND ($2::bigint = 0 OR r.number < $2) ORDER BY r.number DESC LIMIT $3::integer");

bool release_list(
	struct db *db, int64_t app_id, int64_t below, int64_t limit, PGresult **ret, struct err *e)
{
	return db_query(db, ret, e, LIST, I64(app_id), I64(below), I64(limit));
}

SQL(GET,
	"SELECT " RELEASE_COLUMNS
	", r.profile, r.profile_text, r.tree FROM release r JOIN app a ON a.id = r.app_id WHERE r.app_id = $1 "
	"AND (r.number = $2 OR $2::bigint = 0 AND r.id = a.release_id)");

bool release_get(struct db *db, int64_t app_id, int64_t number, PGresult **ret, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!db_query(db, &r, e, GET, I64(app_id), I64(number)))
		return false;
	if (db_rows(r) == 0)
		return err_set(e, ERR_NOT_FOUND, "not_found", "release %jd does not exist",
			(intmax_t)number);
	*ret = steal(&r);
	return true;
}
