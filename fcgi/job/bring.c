#include "base/clock.h"
#include "job/build.h"
#include "store/applog.h"

static const char *env_of(const struct job_app *app, const struct release_plan *plan)
{
	return plan->env ? plan->env : app->env;
}

/* the ids of the trees; those of a release that was made before are known */
static bool name_trees(
	struct job *job, const struct job_app *app, struct release_plan *plan, struct err *e)
{
	char source[TREE_ID_SIZE], tree[TREE_ID_SIZE];

	if (!plan->source) {
		if (!tree_id(job, plan->commit, source, e))
			return false;
		plan->source = arena_strdup(&job->a, source);
	}
	if (!plan->tree && !plan->profile.build[0])
		plan->tree = plan->source;
	if (!plan->tree) {
		build_key(plan->source, plan->profile.build, env_of(app, plan), tree);
		plan->tree = arena_strdup(&job->a, tree);
	}
	return true;
}

bool release_bring(
	struct job *job, const struct job_app *app, struct release_plan *plan, struct err *e)
{
	if (!name_trees(job, app, plan, e) || !job_step(job, "release", e) ||
		!release_create(job, plan, e))
		return false;
	if (!tree_is_there(job, plan->tree)) {
		if (!job_step(job, "tree", e) ||
			!tree_make(job, plan->commit, plan->source, app->current_commit,
				app->current_source, e))
			return false;
		job_say(job, "source prepared");
	}
	if (plan->profile.build[0] &&
		(!job_step(job, "build", e) || !build_make(job, plan, env_of(app, plan), e)))
		return false;
	return release_roll_out(job, e);
}
