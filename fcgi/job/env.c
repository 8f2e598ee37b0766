#include "job/kinds.h"

#include "job/release.h"

/* The same once more with the variables that the app has now; what was built stays built. */
bool job_env(struct job *job, struct err *e)
{
	struct release_plan plan;
	struct job_app app;

	if (!job_app_load(job, &app, e))
		return false;
	if (!job->release_id && !app.current_release)
		return true; /* the first release will have them */
	if (!release_plan_of(
		    job, job->release_id ? job->release_id : app.current_release, 0, &plan, e))
		return false;
	plan.kind = "env";
	plan.env = NULL;
	return release_bring(job, &app, &plan, e);
}
