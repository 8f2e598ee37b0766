/*
 * What is done to all members of a group by one operation. args: {"action": …, "group": name}; what is wanted stands in
 * the members' rows already.
 */
#include "job/kinds.h"

#include "base/clock.h"
#include "base/text.h"

/* Of each member: how many instances it is to have, how many run or have ended well, failed, have to go. */
#define MEMBER_COUNTS \
	"FROM app a CROSS JOIN LATERAL (SELECT CASE WHEN a.stopped OR a.deleting OR a.release_id IS NULL " \
	"OR a.wave IN ('held', 'over') THEN 0 ELSE a.instances END AS want) w CROSS JOIN LATERAL (SELECT " \
	"count(*) FILTER (WHERE i.release_id = a.release_id AND i.want = 'run' AND i.number <= w.want " \
	"AND i.state IN ('ready', 'finished')) AS ready, " \
	"count(*) FILTER (WHERE i.release_id = a.release_id AND i.want = 'run' AND i.number <= w.want AND i.state = 'failed') AS failed, " \
	"count(*) FILTER (WHERE (i.release_id = a.release_id OR w.want = 0) AND i.number > w.want) AS surplus, " \
	"min(i.reason) FILTER (WHERE i.want <> 'gone' AND i.state = 'waiting') AS reason " \
	"FROM instance i WHERE i.app_id = a.id) c "
SQL(MEMBERS_LOOK,
	"SELECT count(*) AS all, count(*) FILTER (WHERE ready >= want AND surplus = 0) AS settled, "
	"count(*) FILTER (WHERE ready < want AND ready + failed >= want) AS failed, coalesce(sum(ready), 0) AS ready, "
	"coalesce(sum(surplus), 0) AS surplus, min(reason) AS reason, (SELECT reachable FROM engine) AS reachable, "
	"(array_agg(name ORDER BY turn) FILTER (WHERE ready < want AND ready + failed >= want))[1:10] AS failed_names, "
	"(array_agg(name ORDER BY turn) FILTER (WHERE (ready < want OR surplus > 0) AND ready + failed < want))[1:10] "
	"AS late_names " MEMBER_COUNTS "WHERE a.id = ANY ($1::bigint[])");

/* "{a,b}" as people read it */
static const char *names_of(struct job *job, const PGresult *r, const char *column)
{
	char *text = arena_strdup(&job->a, db_text(r, 0, column));
	size_t n = strlen(text);
	const char *list = "";

	if (n < 2)
		return "";
	text[n - 1] = '\0';
	for (char *p = text + 1; *p;) {
		size_t len = strcspn(p, ",");

		list = arena_printf(&job->a, "%s%s%.*s", list, list[0] ? ", " : "", (int)len, p);
		p += len + (p[len] == ',');
	}
	return list;
}

static bool not_all(struct job *job, const PGresult *r, const char *column, const char *what,
	int64_t n, struct err *e)
{
	return err_set(e, ERR_INVALID, "members_failed", "%lld of %lld members %s: %.120s",
		(long long)n, (long long)db_i64(r, 0, "all"), what, names_of(job, r, column));
}

bool members_settle(struct job *job, const char *ids, struct err *e)
{
	int64_t patience = (job->cfg->drain + job->cfg->ready_timeout + 15) * 1000,
		since = clock_mono_ms(), best = -1;

	for (;;) {
		auto_result PGresult *r = NULL;
		int64_t settled, failed, all, here;

		if (!db_query(job->db, &r, e, MEMBERS_LOOK, ids))
			return false;
		settled = db_i64(r, 0, "settled");
		failed = db_i64(r, 0, "failed");
		all = db_i64(r, 0, "all");
		here = (settled + failed + db_i64(r, 0, "ready")) * 1000 - db_i64(r, 0, "surplus");
		if (here != best || !db_bool(r, 0, "reachable")) {
			since = clock_mono_ms();
			if (here != best &&
				!job_progress(job, (int)(settled + failed), (int)all, e))
				return false;
			best = here;
		}
		job_waiting(job, !db_bool(r, 0, "reachable")  ? "the engine is away"
				 : db_is_null(r, 0, "reason") ? NULL
							      : db_text(r, 0, "reason"));
		if (settled + failed >= all) {
			job_waiting(job, NULL);
			return failed == 0 || not_all(job, r, "failed_names", "failed", failed, e);
		}
		if (clock_mono_ms() - since > patience)
			return not_all(job, r, "late_names", "are not ready yet",
				all - settled - failed, e);
		if (!job_wait(job, 500))
			return job_stopped(job, e);
	}
}

SQL(MEMBERS_OF,
	"SELECT a.id, a.name FROM app a JOIN family f ON f.id = a.family_id WHERE f.tenant_id = $1 AND f.name = $2 "
	"ORDER BY coalesce(a.turn, 0), a.id");

/* the members as a PostgreSQL array, too */
static bool members_of(struct job *job, PGresult **ret, const char **ret_ids, struct err *e)
{
	const char *group = json_string_value(json_object_get(job->args, "group"));
	const char *ids = "{";

	*ret = NULL;
	if (!db_query(job->db, ret, e, MEMBERS_OF, I64(job->tenant_id), group ? group : job->app))
		return false;
	*ret = db_keep(&job->a, ret);
	for (int i = 0; i < db_rows(*ret); i++)
		ids = arena_printf(&job->a, "%s%s%s", ids, i ? "," : "", db_text(*ret, i, "id"));
	*ret_ids = arena_printf(&job->a, "%s}", ids);
	return true;
}

static bool settle(struct job *job, const char *step, struct err *e)
{
	PGresult *members;
	const char *ids;

	return job_step(job, step, e) && members_of(job, &members, &ids, e) &&
	       members_settle(job, ids, e);
}

/* those that an earlier attempt of this operation restarted are done */
SQL(MEMBERS_RESTART,
	"UPDATE instance i SET want = 'restart', want_at = now() FROM app a, operation o WHERE a.id = i.app_id AND o.id = $2 "
	"AND a.id = ANY ($1::bigint[]) AND i.release_id = a.release_id AND i.number = $3::integer AND i.number <= a.instances "
	"AND i.want = 'run' AND i.want_at < o.started_at AND NOT a.stopped AND NOT a.deleting");
SQL(MEMBERS_MOST,
	"SELECT coalesce(max(instances) FILTER (WHERE NOT stopped), 0) FROM app WHERE id = ANY ($1::bigint[])");

/* Instance 1 of all members, then instance 2: each member goes on. */
static bool restart(struct job *job, struct err *e)
{
	PGresult *members;
	int64_t most;
	const char *ids;

	if (!job_step(job, "restart", e) || !members_of(job, &members, &ids, e) ||
		!db_one_i64(job->db, &most, e, MEMBERS_MOST, ids))
		return false;
	for (int64_t n = 1; n <= most; n++) {
		auto_tx struct tx tx = { 0 };

		if (!tx_begin(job->db, &tx, e) || !job_fence(job, e) ||
			!db_exec(job->db, NULL, e, MEMBERS_RESTART, ids, I64(job->id), I64(n)) ||
			!tx_commit(&tx, e) || !members_settle(job, ids, e))
			return false;
	}
	return true;
}

SQL(MEMBERS_BUSY,
	"SELECT count(*) FROM operation WHERE app_id = ANY ($1::bigint[]) AND state = 'running'");

/* their own operations were told to end by the request */
static bool wait_idle(struct job *job, const char *ids, struct err *e)
{
	int64_t busy;

	for (;;) {
		if (!db_one_i64(job->db, &busy, e, MEMBERS_BUSY, ids))
			return false;
		if (busy == 0)
			return true;
		if (!job_wait(job, 500))
			return job_stopped(job, e);
	}
}

/* One after the other; the leader ends the units of all meanwhile. Who is gone is not asked for again. */
static bool destroy(struct job *job, struct err *e)
{
	const char *own = job->app, *ids;
	PGresult *members;
	bool ok = true;

	if (!job_step(job, "stop", e) || !members_of(job, &members, &ids, e) ||
		!wait_idle(job, ids, e) || !job_step(job, "destroy", e))
		return false;
	for (int i = 0; i < db_rows(members) && ok; i++) {
		job->app_id = db_i64(members, i, "id");
		job->app = db_text(members, i, "name");
		ok = destroy_app(job, e) && job_progress(job, i + 1, db_rows(members), e);
	}
	job->app_id = 0;
	job->app = own;
	return ok;
}

bool job_group(struct job *job, struct err *e)
{
	const char *action = json_string_value(json_object_get(job->args, "action"));

	if (action && streq(action, "restart"))
		return restart(job, e);
	if (action && streq(action, "deploy"))
		return redeploy(job, e);
	if (action && streq(action, "destroy"))
		return destroy(job, e);
	return settle(job, action ? action : "settle", e);
}
