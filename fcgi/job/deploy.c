#include "job/kinds.h"

#include "base/text.h"
#include "job/release.h"
#include "job/tree.h"

/* args: {"ref"?: of this deploy only, "hint"?: true: a commit that serves already is left alone} */
static const char *wanted_ref(const struct job *job, const struct job_app *app)
{
	const char *ref = json_string_value(json_object_get(job->args, "ref"));

	return ref ? ref : app->ref;
}

static bool fetch(struct job *job, const struct job_app *app, const char **ret_commit,
	const char **ret_branch, struct err *e)
{
	const char *ref = wanted_ref(job, app);
	char commit[GIT_ID_SIZE];

	if (!app->url)
		return err_set(e, ERR_CONFLICT, "url_missing",
			"app \"%s\" has no URL to deploy from: push to it", job->app);
	if (!job_step(job, "fetch", e) || !git_ensure(job, e))
		return false;
	job_say(job, "fetching %s%s%s", app->url, ref ? ", " : "", ref ? ref : "");
	if (!git_fetch(job, app->url, app->url_secret, ref, commit, ret_branch, e))
		return false;
	*ret_commit = arena_strdup(&job->a, commit);
	return true;
}

SQL(DEPLOY_BRANCH, "UPDATE app SET branch = $2 WHERE id = $1 AND branch IS DISTINCT FROM $2");

void show_branch(struct job *job, const char *branch, const char *commit)
{
	struct err e;

	if (!job_goes_on(job))
		return;
	if (!git_set_branch(job, branch, commit, &e) ||
		!db_exec(job->db, NULL, &e, DEPLOY_BRANCH, I64(job->app_id), branch))
		job_say(job, "warning: branch \"%s\" could not be moved: %s", branch, e.msg);
}

static bool nothing_to_do(struct job *job, const struct job_app *app, const char *commit)
{
	if (!json_is_true(json_object_get(job->args, "hint")) || !app->current_commit ||
		!streq(app->current_commit, commit))
		return false;
	job_say(job, "nothing to do: commit %.12s is the one that is deployed", commit);
	return true;
}

bool job_deploy(struct job *job, struct err *e)
{
	const char *commit, *branch = NULL;
	struct release_plan plan;
	struct job_app app;

	if (!job_app_load(job, &app, e))
		return false;
	if (job->release_id) { /* of an earlier attempt */
		if (!release_plan_of(job, job->release_id, 0, &plan, e))
			return false;
		branch = app.branch ? app.branch : "master";
	} else {
		if (!fetch(job, &app, &commit, &branch, e))
			return false;
		if (nothing_to_do(job, &app, commit))
			return true;
		if (!job_step(job, "profile", e) || !release_plan(job, &app, commit, &plan, e))
			return false;
		plan.kind = "deploy";
		job_say(job, "commit %.12s: %s", commit, plan.subject);
	}
	if (!release_bring(job, &app, &plan, e))
		return false;
	show_branch(job, branch, plan.commit);
	return true;
}
