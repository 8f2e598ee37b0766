#include "job/kinds.h"

#include "job/release.h"

SQL(ROLLBACK_STATE,
	"SELECT (r.state IN ('live', 'retired'))::integer + 2 * (a.release_id = r.id)::integer FROM release r "
	"JOIN app a ON a.id = r.app_id WHERE r.app_id = $1 AND r.number = $2");

/* args: {"release": n}: a new release of that one's source, command and environment */
bool job_rollback(struct job *job, struct err *e)
{
	int64_t number = json_integer_value(json_object_get(job->args, "release")), state = 0;
	struct release_plan plan;
	struct job_app app;
	bool brought;

	if (!job_app_begin(job, &app, &brought, e))
		return false;
	if (brought)
		return true;
	if (!release_plan_of(job, 0, number, &plan, e) ||
		!db_one_i64(job->db, &state, e, ROLLBACK_STATE, I64(job->app_id), I64(number)))
		return false;
	if (state >= 2)
		return err_set(e, ERR_CONFLICT, "release_current",
			"release %lld is the one that runs", (long long)number);
	if (state == 0)
		return err_set(e, ERR_INVALID, "release_unusable", "release %lld was never live",
			(long long)number);
	plan.kind = "rollback";
	job_say(job, "going back to release %lld, commit %.12s", (long long)number, plan.commit);
	return release_bring(job, &app, &plan, e);
}
