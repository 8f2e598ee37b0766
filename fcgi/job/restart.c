#include "job/kinds.h"

#include "base/clock.h"

/* those that are to be restarted and were not by an earlier attempt of this operation */
SQL(RESTART_LIST,
	"SELECT i.id, i.number, i.want = 'run' AND i.want_at >= o.started_at AS done FROM instance i "
	"JOIN app a ON a.id = i.app_id AND a.release_id = i.release_id, operation o WHERE i.app_id = $1 AND o.id = $2 "
	"AND i.want <> 'gone' AND i.number <= a.instances AND ($3::integer = 0 OR i.number = $3::integer) ORDER BY i.number");
SQL(RESTART_ASK,
	"UPDATE instance SET want = 'restart', want_at = now() WHERE id = $1 AND want = 'run'");
SQL(RESTART_LOOK,
	"SELECT i.want, i.state, i.reason, e.reachable FROM instance i, engine e WHERE i.id = $1");

static bool ask(struct job *job, const char *id, struct err *e)
{
	auto_tx struct tx tx = { 0 };

	return tx_begin(job->db, &tx, e) && job_fence(job, e) &&
	       db_exec(job->db, NULL, e, RESTART_ASK, id) && tx_commit(&tx, e);
}

/* until it runs again; an instance that has left meanwhile is no failure */
static bool wait_back(struct job *job, const char *id, int64_t number, struct err *e)
{
	int64_t patience = (job->cfg->drain + job->cfg->ready_timeout + 30) * 1000,
		since = clock_mono_ms();

	for (;;) {
		auto_result PGresult *r = NULL;
		const char *want, *state;

		if (!db_query(job->db, &r, e, RESTART_LOOK, id))
			return false;
		if (db_rows(r) == 0)
			return true;
		want = db_text(r, 0, "want");
		state = db_text(r, 0, "state");
		if (streq(want, "gone") ||
			(streq(want, "run") && (streq(state, "ready") || streq(state, "finished"))))
			return true;
		if (!db_bool(r, 0, "reachable"))
			since = clock_mono_ms();
		job_waiting(job, db_bool(r, 0, "reachable") ? NULL : "the engine is away");
		if ((streq(want, "run") && streq(state, "failed")) ||
			clock_mono_ms() - since > patience)
			return err_set(e, ERR_INVALID, "instances_not_ready",
				"instance %lld did not come back%s%s; the others were left as they are",
				(long long)number, db_is_null(r, 0, "reason") ? "" : ": ",
				db_text(r, 0, "reason"));
		if (!job_wait(job, 250))
			return job_stopped(job, e);
	}
}

/* args: {"instance"?: n}. One after the other, so that the app goes on. */
bool job_restart(struct job *job, struct err *e)
{
	int64_t number = json_integer_value(json_object_get(job->args, "instance"));
	auto_result PGresult *r = NULL;

	if (!job_step(job, "restart", e) || !db_query(job->db, &r, e, RESTART_LIST,
						    I64(job->app_id), I64(job->id), I64(number)))
		return false;
	if (db_rows(r) == 0 && number)
		return err_set(e, ERR_NOT_FOUND, "instance_not_found",
			"app \"%s\" has no instance %lld", job->app, (long long)number);
	for (int i = 0; i < db_rows(r); i++) {
		const char *id = db_text(r, i, "id");

		if (!job_progress(job, i, db_rows(r), e) ||
			(!db_bool(r, i, "done") && !ask(job, id, e)) ||
			!wait_back(job, id, db_i64(r, i, "number"), e))
			return false;
	}
	return job_progress(job, db_rows(r), db_rows(r), e);
}
