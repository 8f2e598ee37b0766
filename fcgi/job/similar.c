/*
 * Similar apps: the request made their rows, all of them with names and quota; here they get a commit each, a repository,
 * a release and their instances. Steps source, tree, release and start; each may be done again by a later attempt.
 *
 * args: {"parent": app id, "release": id of the release they start from, "turns": whether they take turns,
 * "members": [app ids]}. What fails before they have releases undoes them: their names stay used, nothing else is left.
 */
#include "job/kinds.h"

#include "base/buf.h"
#include "base/file.h"
#include "job/pool.h"
#include "job/release.h"
#include "job/tree.h"

#define FEW \
	20 /* repositories that are synced one by one: a sync of all waits for whoever else writes */

struct similar {
	int64_t parent, release, family, number, at;
	const char *parent_name, *commit, *profile, *tree, *source, *ids, *run;
	bool turns;
	/* the members that have no release yet */
	PGresult *members;
	int n;
	struct pool_commit *commits;
};

static const char *ids_of(struct job *job)
{
	const json_t *list = json_object_get(job->args, "members");
	auto_buf struct buf b;
	size_t i;
	json_t *id;

	buf_init(&b, 1024 * 1024);
	buf_putc(&b, '{');
	json_array_foreach ((json_t *)(uintptr_t)list, i, id)
		buf_printf(&b, "%s%lld", i ? "," : "", (long long)json_integer_value(id));
	buf_putc(&b, '}');
	return arena_strdup(&job->a, b.data);
}

SQL(SIMILAR_SOURCE,
	"SELECT a.name, a.family_id, r.number, r.commit, r.profile_text, r.tree, r.source_tree, r.start, r.command, "
	"extract(epoch FROM o.created_at)::bigint AS at FROM operation o, app a JOIN release r ON r.app_id = a.id "
	"WHERE o.id = $1 AND a.id = $2 AND r.id = $3");
SQL(SIMILAR_FAMILY, "SELECT max(family_id) FROM app WHERE id = ANY ($1::bigint[])");
SQL(SIMILAR_MEMBERS,
	"SELECT id, name, command, branch FROM app WHERE id = ANY ($1::bigint[]) AND release_id IS NULL AND NOT deleting "
	"ORDER BY id");

/*
 * The source's own run file, which a start script begins with: what of the release's stands before its command lines. A
 * release without any has "sh run" as its command, and the run file alone as its script.
 */
static const char *run_of(struct job *job, const char *start, const char *command)
{
	const char *own = arena_printf(&job->a, "%s\n", command);

	return ends_with(start, own) ? arena_strndup(&job->a, start, strlen(start) - strlen(own))
				     : start;
}

static bool load(struct job *job, struct similar *s, struct err *e)
{
	PGresult *r = NULL;

	s->parent = json_integer_value(json_object_get(job->args, "parent"));
	s->release = json_integer_value(json_object_get(job->args, "release"));
	s->turns = json_is_true(json_object_get(job->args, "turns"));
	s->ids = ids_of(job);
	if (!db_query(job->db, &s->members, e, SIMILAR_MEMBERS, s->ids))
		return false;
	s->members = db_keep(&job->a, &s->members);
	s->n = db_rows(s->members);
	if (s->n == 0)
		return true; /* an earlier attempt made them, or they have gone again */
	if (!db_one_i64(job->db, &s->family, e, SIMILAR_FAMILY, s->ids) ||
		!db_query(job->db, &r, e, SIMILAR_SOURCE, I64(job->id), I64(s->parent),
			I64(s->release)))
		return false;
	r = db_keep(&job->a, &r);
	if (db_rows(r) == 0)
		return err_set(e, ERR_CONFLICT, "app_deleting",
			"app \"%s\" was destroyed before similar ones could be made of it",
			job->app);
	s->parent_name = db_text(r, 0, "name");
	s->number = db_i64(r, 0, "number");
	s->commit = db_text(r, 0, "commit");
	s->profile = db_text(r, 0, "profile_text");
	s->tree = db_text_null(r, 0, "tree");
	s->source = db_text_null(r, 0, "source_tree");
	s->at = db_i64(r, 0, "at");
	s->run = run_of(job, db_text(r, 0, "start"), db_text(r, 0, "command"));
	return true;
}

/* the first line of a command, short enough for a commit's subject */
static const char *subject_of(struct job *job, const char *name, const char *command)
{
	size_t n = MIN(strcspn(command, "\n"), (size_t)120);

	return utf8_scrub(&job->a, arena_printf(&job->a, "%s: %.*s", name, (int)n, command),
		strlen(name) + 2 + n);
}

static const char *message_of(
	struct job *job, const struct similar *s, const char *name, const char *command)
{
	return arena_printf(&job->a,
		"%s\n\nOnly the profile's command differs: \"%s\" is similar to \"%s\", release %lld.\n",
		subject_of(job, name, command), name, s->parent_name, (long long)s->number);
}

static bool make_commits(struct job *job, struct similar *s, struct err *e)
{
	s->commits = arena_alloc(&job->a, (size_t)s->n * sizeof *s->commits);
	for (int i = 0; i < s->n; i++) {
		const char *command = db_text(s->members, i, "command");
		struct pool_commit *c = &s->commits[i];

		c->from = s->commit;
		c->profile = profile_with_command(
			&job->a, s->profile, strlen(s->profile), command, &c->profile_n);
		c->message = message_of(job, s, db_text(s->members, i, "name"), command);
	}
	return pool_commits(job, s->family, job->tenant, s->at, s->commits, (size_t)s->n, e);
}

static bool make_sources(struct job *job, struct similar *s, struct err *e)
{
	if (!job_step(job, "source", e) || !pool_share(job, s->family, s->parent, e) ||
		!make_commits(job, s, e))
		return false;
	for (int i = 0; i < s->n; i++) {
		if (!pool_member(job, s->family, db_i64(s->members, i, "id"),
			    db_text(s->members, i, "branch"), s->commits[i].id, s->n <= FEW, e))
			return false;
		if (i % 50 == 49 && (!job_goes_on(job) || !job_progress(job, i + 1, s->n, e)))
			return job_goes_on(job) ? false : job_stopped(job, e);
	}
	return s->n <= FEW || pool_sync(job, e);
}

/* the one that the parent runs in: source and build are the same */
static bool need_tree(struct job *job, struct similar *s, struct err *e)
{
	bool ok = true;

	if (tree_is_there(job, s->tree))
		return true;
	if (!streq(s->tree, s->source))
		return err_set(e, ERR_CONFLICT, "release_unusable",
			"what release %lld of \"%s\" was built to is no longer kept: deploy it again",
			(long long)s->number, s->parent_name);
	if (!job_step(job, "tree", e))
		return false;
	/* unpacked from the first member's repository */
	job->app_id = db_i64(s->members, 0, "id");
	ok = tree_make(job, s->commits[0].id, s->tree, NULL, NULL, e);
	job->app_id = 0;
	return ok;
}

/* each member's number goes on where an app of its name stopped */
SQL(SIMILAR_RELEASES,
	"WITH m AS (SELECT * FROM json_to_recordset($1::json) AS x (id bigint, commit text, subject text, profile_text text, "
	"profile jsonb, start text)), "
	"a AS MATERIALIZED (SELECT a.* FROM app a JOIN m ON m.id = a.id WHERE a.release_id IS NULL AND NOT a.deleting "
	"ORDER BY a.id FOR UPDATE OF a), "
	"n AS (INSERT INTO app_counter AS c (tenant, app, release_no) SELECT $3, a.name, 1 FROM a ON CONFLICT (tenant, app) "
	"DO UPDATE SET release_no = c.release_no + 1 RETURNING app, release_no), "
	"r AS (INSERT INTO release (tenant_id, app_id, number, kind, commit, subject, tree, source_tree, profile_text, profile, env, "
	"start, command, memory_bytes, scale, health, restart, sidekick, main_unit, sidekick_unit, state, created_by, live_at) "
	"SELECT a.tenant_id, a.id, n.release_no, 'similar', m.commit, m.subject, s.tree, s.source_tree, m.profile_text, m.profile, "
	"a.env, m.start, a.command, s.memory_bytes, s.scale, s.health, s.restart, s.sidekick, s.main_unit, s.sidekick_unit, 'live', "
	"$4, now() FROM a JOIN m ON m.id = a.id JOIN n ON n.app = a.name, release s WHERE s.id = $2 ORDER BY a.id "
	"RETURNING id, app_id, commit) "
	"UPDATE app SET release_id = r.id, switched_at = now(), made_commit = r.commit, state = 'starting' "
	"FROM r WHERE app.id = r.app_id");

static json_t *member_json(struct job *job, const struct similar *s, int i)
{
	const struct pool_commit *c = &s->commits[i];
	const char *command = db_text(s->members, i, "command");
	struct profile p;
	struct err ignored;

	/* its lines are the old one's, which was without errors, and a command that the request has checked */
	(void)!profile_parse(c->profile, c->profile_n, &job->a, &p, &ignored);
	return json_pack("{s:I, s:s, s:s, s:s%, s:o, s:o}", "id",
		(json_int_t)db_i64(s->members, i, "id"), "commit", c->id, "subject",
		subject_of(job, db_text(s->members, i, "name"), command), "profile_text",
		c->profile, c->profile_n, "profile", profile_json(&p), "start",
		json_sprintf("%s%s%s\n", s->run, s->run[0] && !ends_with(s->run, "\n") ? "\n" : "",
			command));
}

static bool make_releases(struct job *job, struct similar *s, struct err *e)
{
	json_auto_t *list = json_array();
	auto_free char *text = NULL;
	auto_tx struct tx tx = { 0 };

	for (int i = 0; i < s->n; i++)
		(void)json_array_append_new(list, member_json(job, s, i));
	text = json_dumps(list, JSON_COMPACT);
	if (!text || json_array_size(list) != (size_t)s->n)
		return err_set(e, ERR_INTERNAL, "internal", "the members' profiles are no text");
	return job_step(job, "release", e) && tx_begin(job->db, &tx, e) && job_fence(job, e) &&
	       db_exec(job->db, NULL, e, SIMILAR_RELEASES, text, I64(s->release), job->tenant,
		       job->created_by) &&
	       tx_commit(&tx, e);
}

SQL(SIMILAR_UNDO,
	"DELETE FROM app a WHERE a.id = ANY ($1::bigint[]) AND a.release_id IS NULL AND NOT a.deleting "
	"AND NOT EXISTS (SELECT 1 FROM release r WHERE r.app_id = a.id) AND NOT EXISTS (SELECT 1 FROM instance i "
	"WHERE i.app_id = a.id) RETURNING a.id");

/* rows first: a repository without its row is found by the sweep */
static bool undo(struct job *job, const struct similar *s, struct err *e)
{
	auto_tx struct tx tx = { 0 };
	auto_result PGresult *r = NULL;

	if (!s->ids)
		return true;
	if (!tx_begin(job->db, &tx, e) || !job_fence(job, e) ||
		!db_query(job->db, &r, e, SIMILAR_UNDO, s->ids) || !tx_commit(&tx, e))
		return false;
	for (int i = 0; i < db_rows(r); i++) {
		const char *id = db_text(r, i, "id");
		const char *from = arena_printf(&job->a, "%s/git/%s.git", job->cfg->state, id);
		const char *to =
			arena_printf(&job->a, "%s/git/.trash-similar-%s", job->cfg->state, id);
		struct err ignored;

		if (rename(from, to) == 0)
			(void)!tree_remove(to, &ignored);
	}
	return true;
}

static bool bring(struct job *job, struct similar *s, struct err *e)
{
	if (!load(job, s, e))
		return false;
	if (s->n > 0 &&
		(!make_sources(job, s, e) || !need_tree(job, s, e) || !make_releases(job, s, e)))
		return false;
	if (s->turns) {
		job_say(job, "the members take turns; each starts when one before it has ended");
		return true;
	}
	return job_step(job, "start", e) && members_settle(job, s->ids, e);
}

bool job_similar(struct job *job, struct err *e)
{
	struct similar s = { 0 };
	struct err why;

	if (bring(job, &s, e))
		return true;
	why = *e;
	if (!job->lost && !job_passes(job, &why) && !undo(job, &s, e) && job_passes(job, e))
		return false; /* tried again, with the whole */
	*e = why;
	return false;
}
