#include "store/group.h"

SQL(SOURCE,
	"SELECT a.id, a.name, a.group_name, coalesce(a.branch, 'master') AS branch, r.id AS release_id, r.number, "
	"r.memory_bytes AS memory, r.scale FROM app a LEFT JOIN LATERAL "
	"(SELECT * FROM release r WHERE r.app_id = a.id AND (CASE WHEN $3::bigint > 0 THEN r.number = $3 "
	"ELSE r.state IN ('live', 'retired') END) ORDER BY r.id IS DISTINCT FROM a.release_id, r.number DESC LIMIT 1) r ON true "
	"WHERE a.tenant_id = $1 AND a.name = $2");

bool similar_source_of(struct db *db, struct arena *a, int64_t tenant, const char *app,
	int64_t number, struct similar_source *ret, struct err *e)
{
	PGresult *r = NULL;

	if (!db_query(db, &r, e, SOURCE, I64(tenant), app, I64(number)))
		return false;
	r = db_keep(a, &r);
	if (db_rows(r) == 0)
		return err_set(
			e, ERR_NOT_FOUND, "not_found", "application \"%s\" does not exist", app);
	if (db_is_null(r, 0, "release_id") && number)
		return err_set(e, ERR_NOT_FOUND, "not_found",
			"application \"%s\" has no release %lld", app, (long long)number);
	if (db_is_null(r, 0, "release_id"))
		return err_set(e, ERR_CONFLICT, "app_empty",
			"application \"%s\" has no release that similar ones could start from",
			app);
	*ret = (struct similar_source){ .app_id = db_i64(r, 0, "id"),
		.release_id = db_i64(r, 0, "release_id"),
		.release = db_i64(r, 0, "number"),
		.app = db_text(r, 0, "name"),
		.group = db_text(r, 0, "group_name"),
		.branch = db_text(r, 0, "branch"),
		.memory = db_i64(r, 0, "memory"),
		.scale = (int)db_i64(r, 0, "scale") };
	return true;
}

#define LEFT_COLUMNS \
	"SELECT quota_memory - used_memory AS memory, quota_instances - used_instances AS instances, " \
	"quota_apps - used_apps AS apps, quota_memory, quota_instances, quota_apps FROM tenant WHERE id = $1 "
SQL(LEFT, LEFT_COLUMNS);
SQL(LEFT_LOCKED, LEFT_COLUMNS "FOR NO KEY UPDATE");

bool quota_lock(struct db *db, int64_t tenant, bool lock, struct quota_left *ret, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!db_query(db, &r, e, lock ? LEFT_LOCKED : LEFT, I64(tenant)))
		return false;
	*ret = (struct quota_left){ MAX(db_i64(r, 0, "memory"), 0),
		MAX(db_i64(r, 0, "instances"), 0), MAX(db_i64(r, 0, "apps"), 0),
		db_i64(r, 0, "quota_memory"), db_i64(r, 0, "quota_instances"),
		db_i64(r, 0, "quota_apps") };
	return true;
}

SQL(PREVIEW, "SELECT name FROM nap_similar_preview($1, $2, $3::integer) ORDER BY ord");

bool similar_preview(struct db *db, const char *tenant, const char *app, int64_t n, PGresult **ret,
	struct err *e)
{
	return db_query(db, ret, e, PREVIEW, tenant, app, I64(n));
}

SQL(FAMILY,
	"INSERT INTO family AS f (tenant_id, name, parallel) VALUES ($1, $2, nullif($3::integer, 0)) "
	"ON CONFLICT ON CONSTRAINT family_name_key DO UPDATE SET parallel = coalesce(excluded.parallel, f.parallel) RETURNING id");
SQL(FAMILY_ROOT,
	"UPDATE app SET family_id = $3 WHERE tenant_id = $1 AND name = $2 AND family_id IS NULL AND group_name = $2");
/* clang-format off */
#define SIMILAR(names) \
	"INSERT INTO app (tenant_id, name, group_name, family_id, parent, params, turn, wave, branch, memory_bytes, " \
	"memory_override, scale_profile, command, env, deployed, state) SELECT s.tenant_id, w.name, s.group_name, $2, s.name, " \
	"w.params, nextval('member_turn'), CASE WHEN $3::boolean THEN 'held' END, $4, $5, s.memory_override, $6::integer, w.command, " \
	"s.env, true, 'starting' FROM app s, (" names ") w WHERE s.id = $1 ORDER BY w.ord ON CONFLICT DO NOTHING RETURNING id, name"
/* clang-format on */
SQL(SIMILAR_NEXT,
	SIMILAR("SELECT n.name, v.command, v.params, n.ord FROM nap_similar_names($8, $9::integer) n "
		"JOIN (SELECT x.ord, x.m->>'command' AS command, x.m->'params' AS params FROM json_array_elements($7::json) "
		"WITH ORDINALITY x (m, ord)) v ON v.ord = n.ord"));
SQL(SIMILAR_NAMED,
	SIMILAR("SELECT x.m->>'name' AS name, x.m->>'command' AS command, x.m->'params' AS params, x.ord "
		"FROM json_array_elements($7::json) WITH ORDINALITY x (m, ord)"));
SQL(SIMILAR_TAKEN,
	"SELECT x.m->>'name' AS name FROM json_array_elements($2::json) WITH ORDINALITY x (m, ord) "
	"WHERE EXISTS (SELECT 1 FROM app a WHERE a.tenant_id = $1 AND a.label = replace(x.m->>'name', '_', '-')) "
	"OR EXISTS (SELECT 1 FROM family f WHERE f.tenant_id = $1 AND f.name = x.m->>'name') ORDER BY x.ord LIMIT 1");

static bool insert(struct db *db, const struct similar_source *s, int64_t family,
	const char *members, int64_t n, bool named, bool held, PGresult **ret, struct err *e)
{
	const char *id = I64(s->app_id), *fam = I64(family), *memory = I64(s->memory);
	const char *scale = I64(s->scale), *turns = BOOL(held);

	if (named)
		return db_query(db, ret, e, SIMILAR_NAMED, id, fam, turns, s->branch, memory, scale,
			members);
	return db_query(db, ret, e, SIMILAR_NEXT, id, fam, turns, s->branch, memory, scale, members,
		s->app, I64(n));
}

bool similar_insert(struct db *db, struct arena *a, int64_t tenant, const struct similar_source *s,
	const char *members, int64_t n, bool named, int64_t parallel, PGresult **ret,
	const char **ret_taken, struct err *e)
{
	auto_result PGresult *r = NULL, *taken = NULL;
	int64_t family;

	*ret_taken = NULL;
	if (named && !db_query(db, &taken, e, SIMILAR_TAKEN, I64(tenant), members))
		return false;
	if (named && db_rows(taken)) {
		*ret_taken = arena_strdup(a, db_text(taken, 0, "name"));
		return err_set(
			e, ERR_CONFLICT, "name_taken", "the name \"%s\" is taken", *ret_taken);
	}
	if (!db_one_i64(db, &family, e, FAMILY, I64(tenant), s->group, I64(parallel)) ||
		!db_exec(db, NULL, e, FAMILY_ROOT, I64(tenant), s->group, I64(family)) ||
		!insert(db, s, family, members, n, named, parallel > 0, &r, e))
		return false;
	if (db_rows(r) < n) /* taken since the look above */
		return err_set(e, ERR_BUSY, "retry", "a name was taken meanwhile");
	*ret = steal(&r);
	return true;
}

const struct row_field GROUP_FIELDS[] = {
	{ "name", ROW_TEXT },
	{ "root", ROW_TEXT },
	{ "members", ROW_NUMBER },
	{ "running", ROW_NUMBER },
	{ "starting", ROW_NUMBER },
	{ "degraded", ROW_NUMBER },
	{ "failed", ROW_NUMBER },
	{ "finished", ROW_NUMBER },
	{ "stopped", ROW_NUMBER },
	{ "waiting", ROW_NUMBER },
	{ "parallel", ROW_NUMBER },
	{ "created_at", ROW_TIME },
};
const size_t GROUP_FIELDS_N = ARRAY_SIZE(GROUP_FIELDS);

/* clang-format off */
#define STATE_COUNT(state) "count(a.id) FILTER (WHERE a.state = '" state "' AND a.wave IS DISTINCT FROM 'held') AS " state ", "
#define GROUP_COLUMNS \
	"SELECT f.name, max(a.name) FILTER (WHERE a.name = f.name) AS root, count(a.id) AS members, " \
	STATE_COUNT("running") STATE_COUNT("starting") STATE_COUNT("degraded") STATE_COUNT("failed") \
	STATE_COUNT("finished") STATE_COUNT("stopped") \
	"count(a.id) FILTER (WHERE a.wave = 'held') AS waiting, f.parallel, " DB_US("f.created_at") " AS created_at " \
	"FROM family f JOIN app a ON a.family_id = f.id WHERE f.tenant_id = $1 "
/* clang-format on */
SQL(GROUPS, GROUP_COLUMNS "AND f.name > $2 GROUP BY f.id ORDER BY f.name LIMIT $3::integer");
SQL(GROUP_ONE, GROUP_COLUMNS "AND f.name = $2 GROUP BY f.id");

bool group_list(struct db *db, int64_t tenant, const char *after, int64_t limit, PGresult **ret,
	struct err *e)
{
	return db_query(db, ret, e, GROUPS, I64(tenant), after, I64(limit));
}

bool group_get(struct db *db, int64_t tenant, const char *name, PGresult **ret, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!db_query(db, &r, e, GROUP_ONE, I64(tenant), name))
		return false;
	if (db_rows(r) == 0)
		return err_set(e, ERR_NOT_FOUND, "not_found", "group \"%s\" does not exist", name);
	*ret = steal(&r);
	return true;
}

const struct row_field MEMBER_FIELDS[] = {
	{ "name", ROW_TEXT },
	{ "parent", ROW_TEXT },
	{ "command", ROW_TEXT },
	{ "params", ROW_JSON },
	{ "state", ROW_TEXT },
	{ "wave", ROW_TEXT },
	{ "desired_instances", ROW_NUMBER },
	{ "running_instances", ROW_NUMBER },
	{ "memory", ROW_NUMBER },
	{ "release", ROW_NUMBER },
	{ "commit", ROW_TEXT },
	{ "exit_code", ROW_NUMBER },
	{ "exit_signal", ROW_NUMBER },
	{ "end", ROW_TEXT },
	{ "seconds", ROW_JSON },
	{ "started_at", ROW_TIME },
	{ "ended_at", ROW_TIME },
	{ "runs", ROW_NUMBER },
	{ "values", ROW_JSON },
};
const size_t MEMBER_FIELDS_N = ARRAY_SIZE(MEMBER_FIELDS);

/* the result is that of the last end of instance 1 of the release that serves */
/* clang-format off */
SQL(MEMBERS,
	"SELECT a.id, coalesce(a.turn, 0) AS place, a.name, a.parent, a.command, a.params, a.state, a.wave, "
	"a.instances AS desired_instances, "
	"a.running_instances, a.memory_bytes AS memory, r.number AS release, r.commit, u.exit_code, u.exit_signal, "
	"u.result AS \"end\", round(extract(epoch FROM u.ended_at - u.started_at)::numeric, 3) AS seconds, " DB_US(
		"u.started_at") " AS started_at, " DB_US("u.ended_at") " AS ended_at, "
	"(SELECT count(*) FROM run x WHERE x.app_id = a.id) AS runs, u.result_values AS \"values\" "
	"FROM app a LEFT JOIN release r ON r.id = a.release_id LEFT JOIN LATERAL (SELECT * FROM run u "
	"WHERE u.app_id = a.id AND u.release_id = a.release_id AND u.result <> 'stopped' "
	"ORDER BY u.recorded_at DESC LIMIT 1) u ON true "
	"WHERE a.tenant_id = $1 AND a.family_id = (SELECT id FROM family WHERE tenant_id = $1 AND name = $2) "
	"AND coalesce(a.turn, 0) > $3 ORDER BY coalesce(a.turn, 0), a.id LIMIT $4::integer");
/* clang-format on */

bool group_members(struct db *db, int64_t tenant, const char *name, int64_t after, int64_t limit,
	PGresult **ret, struct err *e)
{
	return db_query(db, ret, e, MEMBERS, I64(tenant), name, I64(after), I64(limit));
}

/* clang-format off */
#define OF_GROUP \
	"WHERE tenant_id = $1 AND family_id = (SELECT id FROM family WHERE tenant_id = $1 AND name = $2) AND NOT deleting "
/* clang-format on */
/* in one order, so that two groups' operations never wait for each other */
SQL(LOCK_GROUP, "SELECT id FROM app " OF_GROUP "ORDER BY id FOR UPDATE");
SQL(STOPPED,
	"UPDATE app SET stopped = $3::boolean, routed_release_id = CASE WHEN $3::boolean THEN routed_release_id END " OF_GROUP
	"AND ($3::boolean OR release_id IS NOT NULL)");
SQL(STARTED,
	"UPDATE instance SET want = 'restart', want_at = now() WHERE want = 'run' AND state IN ('failed', 'finished') "
	"AND app_id IN (SELECT id FROM app " OF_GROUP "AND NOT stopped AND wave IS NULL)");
SQL(SCALE, "UPDATE app SET scale_override = nullif($3::integer, -1), "
	   "routed_release_id = CASE WHEN instances > 0 THEN routed_release_id END " OF_GROUP);
SQL(DELETING, "UPDATE app SET deleting = true, state = 'deleting' " OF_GROUP);
/* what goes on with members, and what makes more of them: as the destroying of one app ends its operations */
/* clang-format off */
#define MEMBERS_OPERATIONS \
	"AND (app_id IN (SELECT a.id FROM app a JOIN family f ON f.id = a.family_id WHERE f.tenant_id = $1 AND f.name = $2) " \
	"OR (tenant_id = $1 AND kind = 'group' AND args->>'group' = $2) OR (tenant_id = $1 AND kind = 'similar' " \
	"AND args->>'parent' IN (SELECT a.id::text FROM app a JOIN family f ON f.id = a.family_id WHERE f.tenant_id = $1 AND f.name = $2)))"
/* clang-format on */
SQL(DROP_QUEUED,
	"UPDATE operation SET state = 'cancelled', cancel = true, ended_at = now(), error_code = 'app_deleting', "
	"error = 'the app is being destroyed' WHERE state IN ('queued', 'receiving') " MEMBERS_OPERATIONS);
SQL(DROP_RUNNING,
	"UPDATE operation SET cancel = true WHERE state = 'running' AND kind <> 'destroy' " MEMBERS_OPERATIONS);
SQL(PARALLEL,
	"UPDATE family SET parallel = nullif($3::integer, 0) WHERE tenant_id = $1 AND name = $2");

static bool lock_members(struct db *db, int64_t tenant, const char *name, struct err *e)
{
	return db_exec(db, NULL, e, LOCK_GROUP, I64(tenant), name);
}

bool group_set_stopped(struct db *db, int64_t tenant, const char *name, bool stopped,
	int64_t *ret_n, struct err *e)
{
	/* of those that are not stopped the ended ones run again, as with one app */
	return lock_members(db, tenant, name, e) &&
	       (stopped || db_exec(db, NULL, e, STARTED, I64(tenant), name)) &&
	       db_exec(db, ret_n, e, STOPPED, I64(tenant), name, BOOL(stopped));
}

bool group_set_scale(
	struct db *db, int64_t tenant, const char *name, int n, int64_t *ret_n, struct err *e)
{
	return lock_members(db, tenant, name, e) &&
	       db_exec(db, ret_n, e, SCALE, I64(tenant), name, I64(n));
}

bool group_set_deleting(
	struct db *db, int64_t tenant, const char *name, int64_t *ret_n, struct err *e)
{
	return lock_members(db, tenant, name, e) &&
	       db_exec(db, ret_n, e, DELETING, I64(tenant), name) &&
	       db_exec(db, NULL, e, DROP_QUEUED, I64(tenant), name) &&
	       db_exec(db, NULL, e, DROP_RUNNING, I64(tenant), name);
}

bool group_set_parallel(
	struct db *db, int64_t tenant, const char *name, int64_t parallel, struct err *e)
{
	return db_exec(db, NULL, e, PARALLEL, I64(tenant), name, I64(parallel));
}

SQL(RERUN_TURNS, "UPDATE app SET wave = 'held', state = 'starting' " OF_GROUP
		 "AND wave = 'over' AND NOT stopped AND (NOT $3::boolean OR state = 'failed')");
SQL(RERUN,
	"UPDATE instance SET want = 'restart', want_at = now() WHERE want = 'run' AND state IN ('failed', 'finished') "
	"AND (state = 'failed' OR NOT $3::boolean) AND app_id IN (SELECT id FROM app " OF_GROUP
	"AND NOT stopped AND wave IS NULL)");

bool group_rerun(struct db *db, int64_t tenant, const char *name, bool failed_only, int64_t *ret_n,
	struct err *e)
{
	int64_t turns, instances;

	if (!lock_members(db, tenant, name, e) ||
		!db_exec(db, &turns, e, RERUN_TURNS, I64(tenant), name, BOOL(failed_only)) ||
		!db_exec(db, &instances, e, RERUN, I64(tenant), name, BOOL(failed_only)))
		return false;
	*ret_n = turns + instances;
	return true;
}
