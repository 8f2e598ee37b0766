#include "store/build.h"

SQL(BUILD_INSERT,
	"INSERT INTO build (tenant_id, app_id, release_id, operation_id, unit, unit_options, source_tree, result_tree, "
	"script, env, memory_bytes, seconds) VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8, $9, $10::jsonb, $11, $12) "
	"ON CONFLICT ON CONSTRAINT build_release_key DO UPDATE SET operation_id = excluded.operation_id");

bool build_ensure(struct db *db, const struct build_new *n, struct err *e)
{
	return db_exec(db, NULL, e, BUILD_INSERT, I64(n->tenant), I64(n->app), I64(n->release),
		I64(n->operation), n->unit, n->unit_options, n->source_tree, n->result_tree,
		n->script, n->env, I64(n->memory), I64(n->seconds));
}

SQL(BUILD_LOOK,
	"SELECT state = 'running' AS running, state IN ('ended', 'gone') AS ended, reason, machine, "
	"result, exit_code, exit_signal FROM build WHERE release_id = $1");

bool build_look(
	struct db *db, struct arena *a, int64_t release, struct build_view *ret, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!db_query(db, &r, e, BUILD_LOOK, I64(release)))
		return false;
	if (db_rows(r) == 0)
		return err_set(e, ERR_NOT_FOUND, "not_found", "there is no such build");
	*ret = (struct build_view){
		.running = db_bool(r, 0, "running"),
		.ended = db_bool(r, 0, "ended"),
		.reason = arena_strdup(a, db_text(r, 0, "reason")),
		.machine = arena_strdup(a, db_text(r, 0, "machine")),
		.result = arena_strdup(a, db_text(r, 0, "result")),
		.exit_code = (int)db_i64(r, 0, "exit_code"),
		.exit_signal = (int)db_i64(r, 0, "exit_signal"),
	};
	return true;
}

SQL(BUILD_LEAVE, "UPDATE build SET want = 'gone' WHERE release_id = $1 AND want <> 'gone'");

bool build_leave(struct db *db, int64_t release, struct err *e)
{
	return db_exec(db, NULL, e, BUILD_LEAVE, I64(release));
}

SQL(BUILD_WANTED,
	"SELECT unit, unit_options, CASE WHEN state = 'ended' THEN 'gone' ELSE want END AS want, state, memory_bytes, "
	"tenant_id, app_id FROM build WHERE state <> 'gone' ORDER BY id");

bool build_wanted(struct db *db, PGresult **ret, struct err *e)
{
	return db_query(db, ret, e, BUILD_WANTED);
}

SQL(BUILD_SEEN,
	"UPDATE build SET state = CASE WHEN $2::boolean AND state = 'waiting' THEN 'running' ELSE state END, "
	"machine = coalesce($3, machine), reason = $4 WHERE unit = $1 AND state IN ('waiting', 'running') "
	"AND (state, coalesce(machine, ''), coalesce(reason, '')) IS DISTINCT FROM "
	"(CASE WHEN $2::boolean THEN 'running' ELSE state END, coalesce($3, machine, ''), coalesce($4, ''))");

bool build_seen(struct db *db, const char *unit, bool running, const char *machine,
	const char *reason, struct err *e)
{
	return db_exec(db, NULL, e, BUILD_SEEN, unit, BOOL(running), machine, reason);
}

SQL(BUILD_LOST,
	"UPDATE build SET state = 'ended', result = 'lost', ended_at = now() WHERE unit = $1 "
	"AND state IN ('waiting', 'running')");

bool build_lost(struct db *db, const char *unit, struct err *e)
{
	return db_exec(db, NULL, e, BUILD_LOST, unit);
}

SQL(BUILD_GONE,
	"UPDATE build SET state = 'gone' WHERE unit = $1 AND (want = 'gone' OR state = 'ended')");

bool build_gone(struct db *db, const char *unit, struct err *e)
{
	return db_exec(db, NULL, e, BUILD_GONE, unit);
}

SQL(BUILD_NODE, "SELECT * FROM nap_node_build($1)");

bool build_node(struct db *db, const char *unit, PGresult **ret, struct err *e)
{
	return db_query(db, ret, e, BUILD_NODE, unit);
}
