#include "job/kinds.h"

#include "job/release.h"
#include "job/tree.h"

SQL(PUSH_BRANCH, "UPDATE app SET branch = $2 WHERE id = $1 AND branch IS NULL");

/*
 * args: {"push","ref","branch","old","new","options"}. The commit is in the repository; its hook waits for this
 * operation's end and lets git move the branch then (push/push_hook.h). Where that hook has died, keep.h moves it.
 */
bool job_push(struct job *job, struct err *e)
{
	const char *commit = json_string_value(json_object_get(job->args, "new")), *type;
	const char *branch = json_string_value(json_object_get(job->args, "branch"));
	struct release_plan plan;
	struct job_app app;
	bool brought;

	if (!job_app_begin(job, &app, &brought, e))
		return false;
	if (brought)
		return true;
	if (!commit || !branch)
		return err_set(e, ERR_INTERNAL, "internal", "the push names no commit or branch");
	if (!job_step(job, "profile", e))
		return false;
	if (!git_ask(job, &type, e, "cat-file", "-t", commit) || !streq(type, "commit"))
		return err_set(e, ERR_INVALID, "commit_missing",
			"commit %.12s is not in the repository: push it again", commit);
	if (!release_plan(job, &app, commit, &plan, e) ||
		!db_exec(job->db, NULL, e, PUSH_BRANCH, I64(job->app_id), branch))
		return false;
	plan.kind = "push";
	job_say(job, "commit %.12s: %s", commit, plan.subject);
	return release_bring(job, &app, &plan, e);
}
