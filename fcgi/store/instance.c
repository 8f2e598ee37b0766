#include "store/instance.h"

const struct row_field INSTANCE_FIELDS[] = {
	{ "number", ROW_NUMBER },
	{ "release", ROW_NUMBER },
	{ "state", ROW_TEXT },
	{ "reason", ROW_TEXT },
	{ "unit", ROW_TEXT },
	{ "machine", ROW_TEXT },
	{ "address", ROW_TEXT },
	{ "port", ROW_NUMBER },
	{ "since", ROW_TIME },
	{ "ready_at", ROW_TIME },
	{ "restarts", ROW_NUMBER },
	{ "exit_code", ROW_NUMBER },
	{ "exit_signal", ROW_NUMBER },
	{ "exit_result", ROW_TEXT },
	{ "exited_at", ROW_TIME },
	{ "memory_limit", ROW_NUMBER },
	{ "memory_bytes", ROW_NUMBER },
	{ "cpu_usec", ROW_NUMBER },
};
const size_t INSTANCE_FIELDS_N = ARRAY_SIZE(INSTANCE_FIELDS);

/* clang-format off */
#define INSTANCE_COLUMNS \
	"SELECT i.id, i.number, r.number AS release, CASE WHEN i.want = 'gone' THEN 'stopping' ELSE i.state END AS state, " \
	"i.reason, i.unit, i.machine, i.address || ':' || i.port AS address, i.port, " \
	DB_US("i.since") " AS since, " DB_US("i.ready_at") " AS ready_at, i.restarts, i.exit_code, i.exit_signal, " \
	"i.exit_result, " DB_US("i.exited_at") " AS exited_at, r.memory_bytes AS memory_limit, " \
	"i.memory_used AS memory_bytes, i.cpu_usec FROM instance i JOIN release r ON r.id = i.release_id "
/* clang-format on */

SQL(LIST, INSTANCE_COLUMNS
	"WHERE i.app_id = $1 AND (i.number, i.id) > ($2::integer, $3::bigint) ORDER BY i.number, i.id LIMIT $4::integer");

bool instance_list(struct db *db, int64_t app_id, int64_t number, int64_t id, int64_t limit,
	PGresult **ret, struct err *e)
{
	return db_query(db, ret, e, LIST, I64(app_id), I64(number), I64(id), I64(limit));
}

SQL(GET, INSTANCE_COLUMNS
	"JOIN app a ON a.id = i.app_id WHERE i.app_id = $1 AND i.number = $2::integer "
	"ORDER BY i.want = 'gone', i.release_id IS DISTINCT FROM a.release_id, i.id DESC LIMIT 1");

bool instance_get(struct db *db, int64_t app_id, int64_t number, PGresult **ret, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!db_query(db, &r, e, GET, I64(app_id), I64(number)))
		return false;
	if (db_rows(r) == 0)
		return err_set(e, ERR_NOT_FOUND, "not_found", "instance %jd does not exist",
			(intmax_t)number);
	*ret = steal(&r);
	return true;
}

SQL(RUN_ENDED,
	"UPDATE instance SET want = 'restart', want_at = now() WHERE app_id = $1 AND want = 'run' "
	"AND state IN ('failed', 'finished')");

bool instance_run_ended(struct db *db, int64_t app_id, struct err *e)
{
	return db_exec(db, NULL, e, RUN_ENDED, I64(app_id));
}

const struct row_field ENDPOINT_FIELDS[] = {
	{ "app", ROW_TEXT },
	{ "instance", ROW_NUMBER },
	{ "release", ROW_NUMBER },
	{ "address", ROW_TEXT },
	{ "host", ROW_TEXT },
	{ "port", ROW_NUMBER },
	{ "machine", ROW_TEXT },
	{ "healthy", ROW_BOOL },
	{ "announced_at", ROW_TIME },
	{ "age", ROW_NUMBER },
};
const size_t ENDPOINT_FIELDS_N = ARRAY_SIZE(ENDPOINT_FIELDS);

/* an announcement ages out at three intervals (DESIGN 6) */
SQL(ENDPOINTS,
	"SELECT a.name AS app, i.number AS instance, r.number AS release, i.address || ':' || i.port AS address, "
	"i.address AS host, i.port, i.machine, n.healthy, " DB_US(
		"n.at") " AS announced_at, "
			"round(extract(epoch FROM now() - n.at)::numeric, 1) AS age FROM instance i JOIN app a ON a.id = i.app_id "
			"JOIN release r ON r.id = i.release_id JOIN announcement n ON n.unit = i.unit WHERE i.app_id = $1 "
			"AND i.want <> 'gone' AND i.address IS NOT NULL AND n.at > now() - 3 * make_interval(secs => n.interval_s) "
			"ORDER BY i.number, i.id");

bool endpoint_list(struct db *db, int64_t app_id, PGresult **ret, struct err *e)
{
	return db_query(db, ret, e, ENDPOINTS, I64(app_id));
}
