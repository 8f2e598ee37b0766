/*
 * The root's source for all members of its group, one after the other: each gets a commit with the root's files and its
 * own command lines on top of what it has, a release of it, and is waited for. args: {"action": "deploy", "group": name,
 * "back"?: true}.
 *
 * Sent again it goes on: a member that has the root's source already is passed by. back: members that have it go back to
 * their release before. A member with commits of its own is left alone and named.
 */
#include "job/kinds.h"

#include "base/text.h"
#include "job/pool.h"
#include "job/release.h"

struct root {
	int64_t id, family, number, at;
	const char *name, *commit, *tree, *source, *profile;
};

SQL(REDEPLOY_ROOT,
	"SELECT a.id, a.name, a.family_id, r.number, r.commit, r.source_tree, r.profile_text, "
	"extract(epoch FROM o.created_at)::bigint AS at FROM operation o, app a JOIN family f ON f.id = a.family_id "
	"JOIN release r ON r.id = a.release_id WHERE o.id = $1 AND f.tenant_id = $2 AND f.name = $3 AND a.name = f.name "
	"AND NOT a.deleting");

static bool load_root(struct job *job, struct root *ret, struct err *e)
{
	PGresult *r = NULL;
	const char *tree;

	if (!db_query(job->db, &r, e, REDEPLOY_ROOT, I64(job->id), I64(job->tenant_id), job->app))
		return false;
	r = db_keep(&job->a, &r);
	if (db_rows(r) == 0)
		return err_set(e, ERR_CONFLICT, "app_empty",
			"group \"%s\" has no root with a release that could be deployed", job->app);
	*ret = (struct root){ .id = db_i64(r, 0, "id"),
		.family = db_i64(r, 0, "family_id"),
		.number = db_i64(r, 0, "number"),
		.at = db_i64(r, 0, "at"),
		.name = db_text(r, 0, "name"),
		.commit = db_text(r, 0, "commit"),
		.source = db_text(r, 0, "source_tree"),
		.profile = db_text(r, 0, "profile_text") };
	if (!pool_share(job, ret->family, ret->id, e))
		return false;
	job->app_id = ret->id;
	if (!git_ask(job, &tree, e, "rev-parse", "--verify",
		    arena_printf(&job->a, "%s^{tree}", ret->commit)))
		return false;
	ret->tree = arena_strdup(&job->a, tree);
	return true;
}

/* made: its commit is one that nap made. before: the release that it can go back to; 0: none */
SQL(REDEPLOY_MEMBERS,
	"SELECT a.id, a.name, coalesce(a.branch, 'master') AS branch, r.id AS release, r.commit, r.profile_text, "
	"r.source_tree, EXISTS (SELECT 1 FROM release s WHERE s.app_id = a.id AND s.kind = 'similar' AND s.commit = r.commit) AS made, "
	"coalesce((SELECT max(p.number) FROM release p WHERE p.app_id = a.id AND p.number < r.number AND p.state = 'retired'), 0) AS before "
	"FROM app a JOIN family f ON f.id = a.family_id JOIN release r ON r.id = a.release_id "
	"WHERE f.tenant_id = $1 AND f.name = $2 AND a.name <> f.name AND NOT a.deleting ORDER BY a.turn, a.id");

static const char *command_of(struct job *job, const char *profile)
{
	struct profile p;
	struct err ignored;
	size_t n;

	(void)!profile_parse(profile, strlen(profile), &job->a, &p, &ignored);
	n = strlen(p.command);
	while (n && p.command[n - 1] == '\n')
		n--;
	return arena_strndup(&job->a, p.command, n);
}

static bool has_it(const struct root *root, const PGresult *r, int i, const char *profile)
{
	return streq(db_text(r, i, "source_tree"), root->source) &&
	       streq(db_text(r, i, "profile_text"), profile);
}

static bool bring(struct job *job, const struct job_app *app, struct release_plan *plan,
	const char *kind, struct err *e)
{
	plan->kind = kind;
	return release_bring(job, app, plan, e);
}

static bool forward(struct job *job, const struct root *root, const PGresult *r, int i,
	const char *profile, size_t profile_n, struct err *e)
{
	struct pool_commit c = { .from = db_text(r, i, "commit"),
		.tree = root->tree,
		.profile = profile,
		.profile_n = profile_n };
	struct release_plan plan;
	struct job_app app;

	c.message = arena_printf(&job->a,
		"%s: the source of %s, release %lld\n\nFiles as in commit %.12s; the profile's command is the member's own.\n",
		job->app, root->name, (long long)root->number, root->commit);
	if (!pool_commits(job, root->family, job->tenant, root->at, &c, 1, e) ||
		!job_app_load(job, &app, e) || !release_plan(job, &app, c.id, &plan, e) ||
		!bring(job, &app, &plan, "similar", e))
		return false;
	return git_set_branch(job, db_text(r, i, "branch"), c.id, e);
}

static bool back(struct job *job, int64_t number, struct err *e)
{
	struct release_plan plan;
	struct job_app app;

	return job_app_load(job, &app, e) && release_plan_of(job, 0, number, &plan, e) &&
	       bring(job, &app, &plan, "rollback", e);
}

SQL(REDEPLOY_OWNER,
	"SELECT app_id FROM release WHERE id = $1 AND state IN ('pending', 'starting')");
SQL(REDEPLOY_FORGET,
	"UPDATE operation SET release_id = NULL, release_number = NULL, switched = false WHERE id = $1 "
	"AND attempt = $2::integer AND state = 'running'");

/* what an earlier attempt was at goes on from its release */
static bool resume(struct job *job, const PGresult *r, struct err *e)
{
	int64_t owner = 0, release = job->release_id;
	struct release_plan plan;
	struct job_app app;

	job->release_id = 0;
	if (!release)
		return true;
	if (!db_one_i64(job->db, &owner, e, REDEPLOY_OWNER, I64(release)))
		return e->kind == ERR_NOT_FOUND;
	for (int i = 0; i < db_rows(r); i++)
		if (db_i64(r, i, "id") == owner)
			job->app = db_text(r, i, "name");
	job->app_id = owner;
	job->release_id = release;
	return job_app_load(job, &app, e) && release_plan_of(job, release, 0, &plan, e) &&
	       release_bring(job, &app, &plan, e);
}

static bool each(struct job *job, const struct root *root, const PGresult *r, int i, bool is_back,
	int *done, struct err *e)
{
	size_t n;
	const char *profile = profile_with_command(&job->a, root->profile, strlen(root->profile),
		command_of(job, db_text(r, i, "profile_text")), &n);
	bool has = has_it(root, r, i, profile);

	job->app_id = db_i64(r, i, "id");
	job->app = db_text(r, i, "name");
	job->release_id = 0;
	if (!db_bool(r, i, "made")) {
		job_say(job, "%s has commits of its own and is left as it is", job->app);
		return true;
	}
	if (is_back ? !has || db_i64(r, i, "before") == 0 : has)
		return true;
	job_say(job, "%s: %s", job->app,
		is_back ? "going back to the release before" : "the root's source");
	if (!db_exec(job->db, NULL, e, REDEPLOY_FORGET, I64(job->id), I64(job->attempt)) ||
		!(is_back ? back(job, db_i64(r, i, "before"), e)
			  : forward(job, root, r, i, profile, n, e)))
		return false;
	++*done;
	return true;
}

static bool failed(struct job *job, int done, int all, struct err *e)
{
	struct err why = *e, ignored;

	if (job->lost || job_passes(job, &why))
		return false;
	(void)!release_abandon(job, &why, &ignored);
	if (job->cancelled)
		return false;
	return err_set(e, ERR_INVALID, "members_failed",
		"%s did not get ready: %.100s; %d of %d were done before it", job->app, why.msg,
		done, all);
}

bool redeploy(struct job *job, struct err *e)
{
	bool is_back = json_is_true(json_object_get(job->args, "back")), ok;
	const char *group = job->app;
	PGresult *r = NULL;
	struct root root;
	int done = 0;

	if (!job_step(job, is_back ? "back" : "deploy", e))
		return false;
	job->one_step = true;
	ok = load_root(job, &root, e) &&
	     db_query(job->db, &r, e, REDEPLOY_MEMBERS, I64(job->tenant_id), group);
	if (!ok)
		return false;
	r = db_keep(&job->a, &r);
	ok = resume(job, r, e);
	for (int i = 0; i < db_rows(r) && ok; i++)
		ok = each(job, &root, r, i, is_back, &done, e) &&
		     job_progress(job, i + 1, db_rows(r), e);
	if (!ok)
		ok = failed(job, done, db_rows(r), e);
	job->app_id = 0;
	job->app = group;
	return ok;
}
