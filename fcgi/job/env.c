#include "job/kinds.h"

#include "job/release.h"

/*
 * args: {"settings"?: true}. The same once more with the variables that the app has now; what was built stays built.
 * Where its command, memory or profile has changed, the commit is read again with these.
 */
static bool plan_again(
	struct job *job, const struct job_app *app, struct release_plan *ret, struct err *e)
{
	if (!job->release_id && json_is_true(json_object_get(job->args, "settings")))
		return release_plan(job, app, app->current_commit, ret, e);
	return release_plan_of(
		job, job->release_id ? job->release_id : app->current_release, 0, ret, e);
}

bool job_env(struct job *job, struct err *e)
{
	struct release_plan plan;
	struct job_app app;

	if (!job_app_load(job, &app, e))
		return false;
	if (!job->release_id && !app.current_release)
		return true; /* the first release will have them */
	if (!plan_again(job, &app, &plan, e))
		return false;
	plan.kind = "env";
	plan.env = NULL;
	return release_bring(job, &app, &plan, e);
}
