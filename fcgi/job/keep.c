#include "job/keep.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "job/disk.h"
#include "job/git.h"
#include "job/pack.h"
#include "job/pool.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#define SWEEP_MS  (10 * 60 * 1000)
#define MIN_AGE_S 3600
#define PUSH_AGE  "15 seconds" /* between the end of a deploy and the moment git moves the branch */

/* -- pushes ------------------------------------------------------------------------------------------------------- */

SQL(KEEP_RECEIVING,
	"UPDATE operation SET state = 'cancelled', ended_at = now(), error_code = 'push_lost', "
	"error = 'the push ended before its branch was updated' WHERE state = 'receiving' "
	"AND created_at < now() - interval '10 minutes'");
SQL(KEEP_PUSHES,
	"SELECT o.id, o.app_id, o.args->>'push' AS push, o.args->>'ref' AS ref, o.args->>'old' AS old, o.args->>'new' AS new, "
	"NOT EXISTS (SELECT 1 FROM operation n WHERE n.app_id = o.app_id AND n.id > o.id AND n.kind IN ('push', 'deploy', 'upload') "
	"AND n.state IN ('running', 'succeeded')) AS newest FROM operation o JOIN app a ON a.id = o.app_id "
	"WHERE o.kind = 'push' AND o.state = 'succeeded' AND NOT o.args ? 'settled' AND NOT a.deleting "
	"AND o.ended_at < now() - interval '" PUSH_AGE "' ORDER BY o.id LIMIT 20");
SQL(KEEP_SETTLED, "UPDATE operation SET args = args || '{\"settled\": true}' WHERE id = $1");

static bool is_hex(const char *s)
{
	return *s && strspn(s, "0123456789abcdef") == strlen(s);
}

/* the hook holds it while it lives; a hook that ended by itself has removed it */
static bool hook_lives(const char *path)
{
	auto_fd int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return fd >= 0 && errno == EWOULDBLOCK;
	(void)unlink(path);
	return false;
}

static bool is_zero(const char *commit)
{
	return strspn(commit, "0") == strlen(commit);
}

/* by compare and swap from where the push found it; where it has moved since, it stays */
static bool move_branch(
	struct job *self, const char *ref, const char *old, const char *new, struct err *e)
{
	const char *now;

	if (!git_ask(self, &now, e, "rev-parse", "--verify", "--quiet", "--end-of-options", ref)) {
		if (e->kind != ERR_NOT_FOUND)
			return false;
		now = arena_strdup(&self->a, "0000000000000000000000000000000000000000");
	}
	if (streq(now, new) || (!streq(now, old) && !(is_zero(now) && is_zero(old))))
		return true;
	LOG(NOTICE, "push.branch_moved", KV("app", self->app_id), KV("ref", ref),
		KV("commit", new));
	return git_ask(self, NULL, e, "update-ref", "--end-of-options", ref, new, old);
}

bool keep_pushes(struct job *self, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!db_exec(self->db, NULL, e, KEEP_RECEIVING) || !db_query(self->db, &r, e, KEEP_PUSHES))
		return false;
	for (int i = 0; i < db_rows(r); i++) {
		const char *push = db_text(r, i, "push"), *ref = db_text(r, i, "ref"),
			   *old = db_text(r, i, "old"), *new = db_text(r, i, "new");
		struct err ignored;

		self->app_id = db_i64(r, i, "app_id");
		if (is_hex(push) &&
			hook_lives(arena_printf(&self->a, "%s/nap-push-%s", git_dir(self), push)))
			continue;
		if (db_bool(r, i, "newest") && is_hex(new) && is_hex(old) &&
			starts_with(ref, "refs/heads/") &&
			!move_branch(self, ref, old, new, &ignored))
			LOG(WARNING, "push.branch", KV("app", self->app_id),
				KV("error", ignored.msg));
		if (!db_exec(self->db, NULL, e, KEEP_SETTLED, db_text(r, i, "id")))
			return false;
	}
	return true;
}

/* -- trees -------------------------------------------------------------------------------------------------------- */

/* $1: releases kept of each app */
SQL(KEEP_TREES,
	"WITH kept AS (" KEPT_RELEASES ") "
	"SELECT tree FROM kept WHERE tree IS NOT NULL UNION SELECT source_tree FROM kept WHERE source_tree IS NOT NULL "
	"UNION SELECT source_tree FROM build WHERE state <> 'gone' UNION SELECT result_tree FROM build WHERE state <> 'gone' "
	"ORDER BY 1");

static int compare_text(const void *key, const void *entry)
{
	return strcmp(key, *(const char *const *)entry);
}

static bool is_old(int folder, const char *name, int64_t min_age_s)
{
	struct stat st;

	return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       clock_now() - st.st_mtime >= min_age_s;
}

/* the renamed is found by nobody; what could not be removed at once is found by the next sweep */
static void remove_aside(const char *folder, const char *name)
{
	auto_free char *from = xasprintf("%s/%s", folder, name);
	auto_free char *to = xasprintf("%s/.old-%s", folder, name);
	struct err e;

	if ((name[0] == '.' || rename(from, to) == 0) &&
		!tree_remove(name[0] == '.' ? from : to, &e))
		LOG(WARNING, "keep.remove", KV("path", from), KV("error", e.msg));
}

static bool sweep_trees(struct job *self, int64_t min_age_s, struct err *e)
{
	const char *folder = arena_printf(&self->a, "%s/tree", self->cfg->state), **kept;
	auto_dir DIR *d = opendir(folder);
	auto_result PGresult *r = NULL;
	const struct dirent *entry;
	int n;

	if (!db_query(self->db, &r, e, KEEP_TREES, I64(KEEP_RELEASES)))
		return false;
	n = db_rows(r);
	kept = arena_alloc(&self->a, ((size_t)n + 1) * sizeof *kept);
	for (int i = 0; i < n; i++)
		kept[i] = db_text(r, i, "tree");
	while (d && (entry = readdir(d))) {
		const char *name = entry->d_name;

		if (is_dot(name) || !is_old(dirfd(d), name, min_age_s) ||
			bsearch(name, kept, (size_t)n, sizeof *kept, compare_text))
			continue;
		if (name[0] == '.' || is_hex(name))
			remove_aside(folder, name);
	}
	return true;
}

/* -- releases that are over ---------------------------------------------------------------------------------------- */

SQL(KEEP_TOKENS,
	"DELETE FROM token k USING release r WHERE r.id = k.release_id AND r.state IN ('retired', 'failed') "
	"AND NOT EXISTS (SELECT 1 FROM instance i WHERE i.release_id = r.id) AND r.ended_at < now() - interval '10 minutes'");
/* of each app those beyond the last ones; a release that runs is never over */
SQL(KEEP_PINS,
	"SELECT app_id, number FROM (SELECT app_id, number, state, row_number() OVER (PARTITION BY app_id "
	"ORDER BY number DESC) AS n FROM release) r WHERE r.n > $1::integer AND r.state IN ('retired', 'failed') "
	"AND r.n <= $1::integer + 50 ORDER BY app_id, number");

static bool sweep_releases(struct job *self, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!db_exec(self->db, NULL, e, KEEP_TOKENS) ||
		!db_query(self->db, &r, e, KEEP_PINS, I64(KEEP_RELEASES)))
		return false;
	for (int i = 0; i < db_rows(r); i++) {
		const char *ref =
			arena_printf(&self->a, "refs/nap/releases/%s", db_text(r, i, "number"));
		struct err ignored;

		self->app_id = db_i64(r, i, "app_id");
		/* a loose ref is a file: git is started only for those that are there */
		if (access(arena_printf(&self->a, "%s/%s", git_dir(self), ref), F_OK) == 0)
			(void)!git_ask(self, NULL, &ignored, "update-ref", "-d", ref);
	}
	return true;
}

/* -- leftovers ----------------------------------------------------------------------------------------------------- */

SQL(KEEP_RUNNING,
	"SELECT count(*) FROM operation WHERE id = $1 AND attempt = $2 AND state = 'running'");

/* WHAT-OPERATION-ATTEMPT of an attempt that is over */
static bool is_over(struct job *self, const char *name)
{
	const char *last = strrchr(name, '-'), *first = last;
	int64_t operation, attempt, running;
	struct err e;

	while (first && first > name && isdigit((unsigned char)first[-1]))
		first--;
	return last && first != last &&
	       parse_slice_i64(
		       (struct slice){ first, (size_t)(last - first) }, 1, INT64_MAX, &operation) &&
	       parse_slice_i64((struct slice){ last + 1, strspn(last + 1, "0123456789") }, 1,
		       INT64_MAX, &attempt) &&
	       db_one_i64(self->db, &running, &e, KEEP_RUNNING, I64(operation), I64(attempt)) &&
	       running == 0;
}

static void sweep_work(struct job *self, int64_t min_age_s)
{
	const char *folder = arena_printf(&self->a, "%s/work", self->cfg->state);
	auto_dir DIR *d = opendir(folder);
	const struct dirent *entry;
	struct err e;

	while (d && (entry = readdir(d)))
		if (is_old(dirfd(d), entry->d_name, min_age_s) && is_over(self, entry->d_name) &&
			!tree_remove(arena_printf(&self->a, "%s/%s", folder, entry->d_name), &e))
			LOG(WARNING, "keep.remove", KV("path", entry->d_name), KV("error", e.msg));
}

SQL(KEEP_UPLOAD,
	"SELECT count(*) FROM operation WHERE kind = 'upload' AND state IN ('queued', 'running') AND args->>'file' = $1");

/* archives that were sent, and that no operation is going to read (serve/upload.h) */
static void sweep_uploads(struct job *self, int64_t min_age_s)
{
	const char *folder = arena_printf(&self->a, "%s/upload", self->cfg->state);
	auto_dir DIR *d = opendir(folder);
	const struct dirent *entry;
	int64_t needed;
	struct err e;

	while (d && (entry = readdir(d)))
		if ((is_hex(entry->d_name) || starts_with(entry->d_name, ".old-")) &&
			is_old(dirfd(d), entry->d_name, min_age_s) &&
			db_one_i64(self->db, &needed, &e, KEEP_UPLOAD, entry->d_name) && !needed)
			remove_aside(folder, entry->d_name);
}

static void sweep_trash(struct job *self, int64_t min_age_s)
{
	const char *folder = arena_printf(&self->a, "%s/git", self->cfg->state);
	auto_dir DIR *d = opendir(folder);
	const struct dirent *entry;

	while (d && (entry = readdir(d)))
		if (starts_with(entry->d_name, ".trash-") &&
			is_old(dirfd(d), entry->d_name, min_age_s))
			remove_aside(folder, entry->d_name);
}

/* ids kept for names whose first push was never good; the row's lock keeps a push of this moment out */
SQL(KEEP_NAMES,
	"DELETE FROM push_name WHERE at < now() - make_interval(hours => 24, secs => $1::integer) RETURNING app_id");

static bool sweep_push_names(struct job *self, int64_t min_age_s, struct err *e)
{
	auto_tx struct tx tx = { 0 };
	auto_result PGresult *r = NULL;

	if (!tx_begin(self->db, &tx, e) || !db_query(self->db, &r, e, KEEP_NAMES, I64(min_age_s)))
		return false;
	for (int i = 0; i < db_rows(r); i++) {
		const char *id = db_text(r, i, "app_id");
		const char *folder = arena_printf(&self->a, "%s/git", self->cfg->state);

		/* often there is none; the next sweep empties the trash */
		(void)rename(arena_printf(&self->a, "%s/%s.git", folder, id),
			arena_printf(&self->a, "%s/.trash-push-%s", folder, id));
	}
	return tx_commit(&tx, e);
}

bool keep_sweep(struct job *self, int64_t min_age_s, struct err *e)
{
	sweep_work(self, min_age_s);
	sweep_trash(self, min_age_s);
	sweep_uploads(self, min_age_s);
	return sweep_push_names(self, min_age_s, e) && pool_sweep(self, min_age_s, e) &&
	       sweep_releases(self, e) && sweep_trees(self, min_age_s, e) && disk_sweep(self, e) &&
	       pack_sweep(self, e);
}

static const char SWEEP_LOCK[] = "SELECT pg_try_advisory_lock(hashtext('nap sweep'))::integer";
static const char SWEEP_UNLOCK[] = "SELECT pg_advisory_unlock(hashtext('nap sweep'))";

void keep_order(
	struct keep *k, struct db *db, const struct config *cfg, const volatile sig_atomic_t *stop)
{
	/* no operation: the fence of git's children is the end of this process alone */
	struct job self = { .cfg = cfg, .db = db, .stop = stop };
	int64_t now = clock_mono_ms(), won = 0;
	struct err e;
	bool ok = keep_pushes(&self, &e);

	if (ok && (k->swept_at == 0 || now - k->swept_at >= SWEEP_MS)) {
		k->swept_at = now;
		ok = db_one_i64(db, &won, &e, SWEEP_LOCK);
		ok = ok && (!won || (keep_sweep(&self, MIN_AGE_S, &e) &&
					    db_exec(db, NULL, &e, SWEEP_UNLOCK)));
	}
	if (!ok)
		LOG(WARNING, "keep", KV("error", e.msg), KV("detail", e.detail));
	arena_clear(&self.a);
}
