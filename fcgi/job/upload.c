#include "job/kinds.h"

#include "job/import.h"
#include "job/release.h"

/*
 * args: {"file","type"}: an archive in $NAP_STATE/upload (serve/upload.h), which is this operation's. It becomes a commit on
 * top of the app's branch, and that a release, through the same gates as a push.
 */
static bool bring_in(struct job *job, const char *path, const char *branch, const char **ret_commit,
	struct err *e)
{
	const char *type = json_string_value(json_object_get(job->args, "type"));
	const char *tip = arena_printf(&job->a, "refs/heads/%s^{commit}", branch), *parent = NULL;
	char commit[GIT_ID_SIZE];

	if (!type)
		return err_set(e, ERR_INTERNAL, "internal", "the upload has no type");
	if (!job_step(job, "import", e) || !git_ensure(job, e))
		return false;
	if (!git_ask(job, &parent, e, "rev-parse", "--verify", "--quiet", tip)) {
		if (e->kind != ERR_NOT_FOUND)
			return false;
		parent = NULL;
	}
	if (!import_archive(job, path, type, parent, commit, e))
		return false;
	*ret_commit = arena_strdup(&job->a, commit);
	return true;
}

static bool upload(struct job *job, const char *path, struct err *e)
{
	const char *commit, *branch;
	struct release_plan plan;
	struct job_app app;

	if (!job_app_load(job, &app, e))
		return false;
	branch = app.branch ? app.branch : "main";
	if (job->release_id) { /* of an earlier attempt */
		if (!release_plan_of(job, job->release_id, 0, &plan, e))
			return false;
	} else {
		if (!bring_in(job, path, branch, &commit, e) || !job_step(job, "profile", e) ||
			!release_plan(job, &app, commit, &plan, e))
			return false;
		plan.kind = "upload";
		job_say(job, "commit %.12s: %s", commit, plan.subject);
	}
	if (!release_bring(job, &app, &plan, e))
		return false;
	show_branch(job, branch, plan.commit);
	return true;
}

bool job_upload(struct job *job, struct err *e)
{
	const char *file = json_string_value(json_object_get(job->args, "file")), *path;
	bool ok;

	if (!file || strchr(file, '/'))
		return err_set(e, ERR_INTERNAL, "internal", "the upload names no file");
	path = arena_printf(&job->a, "%s/upload/%s", job->cfg->state, file);
	ok = upload(job, path, e);
	/* as long as another attempt may need it, it stays */
	if (!job->lost && (ok || !job_passes(job, e)))
		(void)unlink(path);
	return ok;
}
