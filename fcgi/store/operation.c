#include "store/operation.h"

#include "base/clock.h"

SQL(OPERATION_INSERT,
	"INSERT INTO operation (tenant_id, app_id, app, kind, lane, state, args, request_id, "
	"created_by) "
	"VALUES ($1, nullif($2::bigint, 0), $3, $4, $5, $6, $7::jsonb, $8, $9) RETURNING id");

bool operation_insert(struct db *db, const struct operation_new *n, int64_t *ret_id, struct err *e)
{
	return db_one_i64(db, ret_id, e, OPERATION_INSERT, I64(n->tenant), I64(n->app_id),
		n->app ? n->app : "", n->kind, n->lane ? n->lane : "normal",
		n->state ? n->state : "queued", n->args ? n->args : "{}",
		n->request_id ? n->request_id : "", n->created_by ? n->created_by : "");
}

SQL(OPERATION_ENDED, "SELECT (state IN ('succeeded', 'failed', "
		     "'cancelled'))::integer FROM operation WHERE id = $1");

bool operation_ended(struct db *db, int64_t id, bool *ret_ended, struct err *e)
{
	int64_t n;

	if (!db_one_i64(db, &n, e, OPERATION_ENDED, I64(id)))
		return false;
	*ret_ended = n != 0;
	return true;
}

SQL(OPERATION_DROP_QUEUED, "UPDATE operation SET state = 'cancelled', cancel = "
			   "true, ended_at = now(), error_code = 'app_deleting', "
			   "error = 'the app is being destroyed' WHERE app_id = "
			   "$1 AND state IN ('queued', 'receiving')");
SQL(OPERATION_STOP_RUNNING, "UPDATE operation SET cancel = true WHERE app_id = $1 "
			    "AND state = 'running' AND kind <> 'destroy'");

bool operation_drop_all(struct db *db, int64_t app_id, struct err *e)
{
	return db_exec(db, NULL, e, OPERATION_DROP_QUEUED, I64(app_id)) &&
	       db_exec(db, NULL, e, OPERATION_STOP_RUNNING, I64(app_id));
}

SQL(OPERATION_CANCEL,
	"UPDATE operation SET cancel = true, "
	/* what has made apps already is undone by a worker */
	"state = CASE WHEN state = 'running' OR kind = 'similar' THEN state ELSE 'cancelled' END, "
	"ended_at = CASE WHEN state = 'running' OR kind = 'similar' THEN ended_at ELSE now() END, "
	"error_code = CASE WHEN state = 'running' OR kind = 'similar' THEN error_code ELSE 'cancelled' END, "
	"error = CASE WHEN state = 'running' OR kind = 'similar' THEN error ELSE 'cancelled before it started' END "
	"WHERE id = $1 AND state IN ('queued', 'receiving', 'running') AND NOT switched AND kind "
	"<> 'destroy'");

/* an app whose first deploy never began starts no more */
SQL(OPERATION_CANCEL_APP,
	"UPDATE app a SET state = 'empty' FROM operation o WHERE o.id = $1 AND o.state = 'cancelled' AND a.id = o.app_id "
	"AND a.state = 'starting' AND a.release_id IS NULL AND a.next_release_id IS NULL AND NOT EXISTS (SELECT 1 "
	"FROM operation x WHERE x.app_id = a.id AND x.state IN ('receiving', 'queued', 'running'))");

bool operation_cancel(struct db *db, int64_t id, struct err *e)
{
	int64_t n, found;

	if (!db_exec(db, &n, e, OPERATION_CANCEL, I64(id)))
		return false;
	if (n == 1)
		return db_exec(db, NULL, e, OPERATION_CANCEL_APP, I64(id));
	if (!db_one_i64(db, &found, e, "SELECT id FROM operation WHERE id = $1", I64(id)))
		return false;
	return err_set(e, ERR_CONFLICT, "too_late", "the operation can no longer be cancelled");
}

/* clang-format off */
#define STEP_TIME(column) "to_char(" column ", 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
#define OPERATION_COLUMNS \
	"o.id, o.kind, o.app, o.app_id, o.state, o.lane, o.args, o.release_number, o.attempt, o.cancel, o.switched, " \
	"o.done, o.total, o.waiting, o.error_code, o.error, o.error_lines, o.request_id, o.created_by, " \
	"CASE WHEN o.state = 'queued' THEN (SELECT count(*) + 1 FROM operation q WHERE q.state = 'queued' " \
	"AND q.lane = o.lane AND q.id < o.id) END AS position, " \
	DB_US("o.created_at") " AS created_us, " DB_US("o.started_at") " AS started_us, " \
	DB_US("o.ended_at") " AS ended_us, " \
	"(SELECT json_agg(json_build_object('name', s.name, 'state', s.state, 'started_at', " \
	STEP_TIME("s.started_at") ", 'ended_at', " STEP_TIME("s.ended_at") ") ORDER BY s.n) " \
	"FROM operation_step s WHERE s.operation_id = o.id) AS steps"
/* clang-format on */

SQL(OPERATION_GET, "SELECT " OPERATION_COLUMNS " FROM operation o WHERE o.id = $1");

bool operation_get(struct db *db, int64_t id, PGresult **ret, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!db_query(db, &r, e, OPERATION_GET, I64(id)))
		return false;
	if (db_rows(r) == 0)
		return err_set(e, ERR_NOT_FOUND, "not_found", "there is no such thing");
	*ret = steal(&r);
	return true;
}

SQL(OPERATION_LIST,
	"SELECT " OPERATION_COLUMNS
	" FROM operation o WHERE o.tenant_id = $1 AND ($2::text IS NULL OR o.app = $2) "
	"AND ($3::text IS NULL OR o.state = $3) AND ($4::bigint = 0 OR o.id < $4) AND o.state <> "
	"'receiving' "
	"ORDER BY o.id DESC LIMIT $5");

bool operation_list(struct db *db, int64_t tenant, const char *app, const char *state,
	int64_t below, int64_t limit, PGresult **ret, struct err *e)
{
	return db_query(
		db, ret, e, OPERATION_LIST, I64(tenant), app, state, I64(below), I64(limit));
}

SQL(OPERATION_LINES,
	"SELECT seq, " DB_US("at") " AS at_us, line FROM operation_log WHERE operation_id = $1 AND "
				   "seq > $2 ORDER BY seq LIMIT $3");

bool operation_lines(
	struct db *db, int64_t id, int64_t after, int64_t limit, PGresult **ret, struct err *e)
{
	return db_query(db, ret, e, OPERATION_LINES, I64(id), I64(after), I64(limit));
}

void operation_line_json(struct buf *b, const PGresult *rows, int row)
{
	const char *line = db_text(rows, row, "line");
	char at[RFC3339_SIZE];

	clock_rfc3339(at, db_i64(rows, row, "at_us"), 3);
	buf_puts(b, "{\"seq\":");
	buf_i64(b, db_i64(rows, row, "seq"));
	buf_printf(b, ",\"at\":\"%s\",\"line\":", at);
	buf_json(b, line, strlen(line));
	buf_putc(b, '}');
}
