#include "store/output.h"

const struct row_field OUTPUT_FIELDS[] = {
	{ "instance", ROW_NUMBER },
	{ "release", ROW_NUMBER },
	{ "state", ROW_TEXT },
	{ "exit_code", ROW_NUMBER },
	{ "exit_signal", ROW_NUMBER },
	{ "started_at", ROW_TIME },
	{ "ended_at", ROW_TIME },
};
const size_t OUTPUT_FIELDS_N = ARRAY_SIZE(OUTPUT_FIELDS);

/* clang-format off */
SQL(OUTPUT_LIST,
	"SELECT n.number, n.number AS instance, r.number AS release, coalesce(i.state, a.state) AS state, u.exit_code, u.exit_signal, "
	DB_US("u.started_at") " AS started_at, " DB_US("u.ended_at") " AS ended_at, u.stdout_bytes AS bytes, "
	"u.stdout_sha256 AS sha256 FROM app a JOIN release r ON r.id = a.release_id JOIN LATERAL "
	"(SELECT i.number FROM instance i WHERE i.release_id = r.id AND i.want <> 'gone' UNION SELECT x.number FROM run x "
	"WHERE x.release_id = r.id AND a.wave = 'over') n ON true "
	"LEFT JOIN instance i ON i.release_id = r.id AND i.number = n.number LEFT JOIN LATERAL "
	"(SELECT * FROM run u WHERE u.release_id = r.id AND u.number = n.number ORDER BY u.recorded_at DESC LIMIT 1) u "
	"ON i.id IS NULL OR i.state IN ('finished', 'failed') WHERE a.id = $1 ORDER BY n.number");
/* clang-format on */

bool output_list(struct db *db, int64_t app_id, PGresult **ret, struct err *e)
{
	return db_query(db, ret, e, OUTPUT_LIST, I64(app_id));
}
