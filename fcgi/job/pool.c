#include "job/pool.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "job/pack.h"
#include "model/repository.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#define MAX_STREAM (64 * 1024 * 1024)

static const char POOL_CONFIG[] = "[core]\n"
				  "\trepositoryformatversion = 1\n"
				  "\tbare = true\n"
				  "\tsharedRepository = 0640\n"
				  "[extensions]\n"
				  "\tpreciousObjects = true\n"
				  "[gc]\n"
				  "\tauto = 0\n";

/* a push is told of none of the pool's refs, however many there are */
static const char MEMBER_CONFIG[] = "[core]\n"
				    "\talternateRefsPrefixes = refs/none/\n";

const char *pool_dir(struct job *job, int64_t family)
{
	return arena_printf(&job->a, "%s/git/pool/%lld.git", job->cfg->state, (long long)family);
}

static const char *repository(struct job *job, int64_t app_id)
{
	return arena_printf(&job->a, "%s/git/%lld.git", job->cfg->state, (long long)app_id);
}

/* modes are set, not left to the umask; a folder's setgid bit hands on the group */
static bool folder(const char *path, mode_t mode, struct err *e)
{
	if (mkdir(path, 0700) == 0 ? chmod(path, mode) == 0 : errno == EEXIST)
		return true;
	return err_errno(e, "could not make folder \"%s\"", path);
}

static bool text_file(const char *path, mode_t mode, const char *text, struct err *e)
{
	auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	size_t n = strlen(text);

	if (fd < 0 || write(fd, text, n) != (ssize_t)n || fchmod(fd, mode) < 0)
		return err_errno(e, "could not write \"%s\"", path);
	return true;
}

/* one maker at a time, of pools and of members */
static bool lock_pools(struct job *job, int *ret, struct err *e)
{
	const char *pools = arena_printf(&job->a, "%s/git/pool", job->cfg->state);
	auto_fd int fd = -1;

	if (!folder(pools, 02750, e))
		return false;
	fd = open(pools, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "could not open \"%s\"", pools);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_errno(e, "could not lock \"%s\"", pools);
	*ret = steal_fd(&fd);
	return true;
}

static bool make_pool(struct job *job, int64_t family, struct err *e)
{
	static const char *const folders[] = { "", "/objects", "/objects/info", "/objects/pack",
		"/refs" };
	const char *path = pool_dir(job, family);
	const char *fresh =
		arena_printf(&job->a, "%s/git/pool/.new-%lld", job->cfg->state, (long long)family);

	if (access(path, F_OK) == 0)
		return true;
	if (!tree_remove(fresh, e))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (!folder(arena_printf(&job->a, "%s%s", fresh, folders[i]), 02750, e))
			return false;
	if (!text_file(arena_printf(&job->a, "%s/config", fresh), 0640, POOL_CONFIG, e) ||
		!text_file(
			arena_printf(&job->a, "%s/HEAD", fresh), 0640, "ref: refs/heads/none\n", e))
		return false;
	return rename(fresh, path) == 0 || err_errno(e, "could not make pool \"%s\"", path);
}

static bool borrow(struct job *job, const char *repo, int64_t family, struct err *e)
{
	const char *path = arena_printf(&job->a, "%s/objects/info/alternates", repo);
	const char *line =
		arena_printf(&job->a, "../../pool/%lld.git/objects\n", (long long)family);

	if (access(path, F_OK) == 0)
		return true;
	return folder(arena_printf(&job->a, "%s/objects/info", repo), 02770, e) &&
	       text_file(path, 0660, line, e);
}

/* A link where that is allowed; objects that a push wrote belong to another user, and can be moved only. */
static bool share_file(int from, int to, const char *name, bool *moved, struct err *e)
{
	if (linkat(from, name, to, name, 0) == 0 || errno == EEXIST)
		return true;
	if ((errno == EPERM || errno == EMLINK) && renameat(from, name, to, name) == 0) {
		*moved = true;
		return true;
	}
	return errno == ENOENT || err_errno(e, "could not share object \"%s\"", name);
}

static bool is_object(const char *name)
{
	return strlen(name) >= 38 && strspn(name, "0123456789abcdef") == strlen(name);
}

/* a pack's index comes last, as git itself puts them: without it the pack is not seen */
static bool is_pack(const char *name, int pass)
{
	return starts_with(name, "pack-") && ends_with(name, ".idx") == (pass == 1) &&
	       !ends_with(name, ".keep");
}

static bool share_folder(const char *from, const char *to, bool packs, bool *moved, struct err *e)
{
	for (int pass = 0; pass < (packs ? 2 : 1); pass++) {
		auto_dir DIR *d = opendir(from);
		auto_fd int target = -1;
		const struct dirent *entry;

		if (!d)
			return errno == ENOENT || err_errno(e, "could not read \"%s\"", from);
		if (!folder(to, 02750, e))
			return false;
		target = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (target < 0)
			return err_errno(e, "could not open \"%s\"", to);
		while ((entry = readdir(d)))
			if ((packs ? is_pack(entry->d_name, pass) : is_object(entry->d_name)) &&
				!share_file(dirfd(d), target, entry->d_name, moved, e))
				return false;
	}
	return true;
}

static bool share_all(struct job *job, const char *from, const char *to, bool *moved, struct err *e)
{
	auto_free char *packs = xasprintf("%s/objects/pack", from);
	auto_free char *pool_packs = xasprintf("%s/objects/pack", to);

	for (int i = 0; i < 256; i++) {
		auto_free char *loose = xasprintf("%s/objects/%02x", from, i);
		auto_free char *pool_loose = xasprintf("%s/objects/%02x", to, i);

		if (access(loose, F_OK) == 0 && !share_folder(loose, pool_loose, false, moved, e))
			return false;
	}
	(void)job;
	return share_folder(packs, pool_packs, true, moved, e);
}

bool pool_share(struct job *job, int64_t family, int64_t app_id, struct err *e)
{
	const char *repo = repository(job, app_id), *pool = pool_dir(job, family);
	/* a gc would take packs away between their listing and their links */
	auto_fd int packs = -1, lock = -1;
	bool moved = false;
	struct stat st;

	if (!pack_lock_wait(job, repo, &packs, e) || !lock_pools(job, &lock, e) ||
		!make_pool(job, family, e))
		return false;
	if (stat(repo, &st) < 0)
		return err_errno(e, "could not read repository \"%s\"", repo);
	/* before anything moves: who looks for an object finds it in one of both */
	if (st.st_uid != geteuid() && !borrow(job, repo, family, e))
		return false;
	if (!share_all(job, repo, pool, &moved, e))
		return false;
	return !moved || borrow(job, repo, family, e);
}

static void put_commit(struct buf *b, const struct pool_commit *c, const char *author, int64_t at)
{
	buf_printf(b, "commit refs/nap/made\nmark :1\ncommitter %s <%s@nap> %lld +0000\ndata %zu\n",
		author, author, (long long)at, strlen(c->message));
	buf_puts(b, c->message);
	buf_printf(b, "\nfrom %s\n", c->from);
	if (c->tree)
		buf_printf(b, "M 040000 %s \"\"\n", c->tree);
	buf_printf(b, "M 100644 inline profile\ndata %zu\n", c->profile_n);
	buf_add(b, c->profile, c->profile_n);
	buf_puts(b, "\nget-mark :1\n");
}

bool pool_commits(struct job *job, int64_t family, const char *author, int64_t at,
	struct pool_commit *commits, size_t n, struct err *e)
{
	static const char *const args[] = { "fast-import", "--quiet", "--force", "--done", NULL };
	struct slice rest, line;
	struct proc_result r;
	auto_buf struct buf b;

	buf_init(&b, MAX_STREAM);
	for (size_t i = 0; i < n; i++)
		put_commit(&b, &commits[i], author, at);
	buf_puts(&b, "done\n");
	if (b.failed)
		return err_set(
			e, ERR_TOO_LARGE, "too_large", "the members' profiles are too large");
	if (!git_run(job,
		    &(struct git_run){ .args = args,
			    .dir = pool_dir(job, family),
			    .input = b.data,
			    .input_len = b.len,
			    .max = n * GIT_ID_SIZE + 4096 },
		    &r, e))
		return false;
	rest = (struct slice){ r.out, r.out_len };
	for (size_t i = 0; i < n && r.status == 0; i++) {
		if (!slice_line(&rest, &line) || line.n >= GIT_ID_SIZE || line.n < 40)
			r.status = 1;
		else
			memcpy(commits[i].id, line.p, line.n);
	}
	return r.status == 0 || err_set(e, ERR_INTERNAL, "git_failed",
					"could not make the members' commits: %.300s", r.err);
}

static bool make_member(struct job *job, const char *fresh, int64_t family, const char *branch,
	const char *commit, struct err *e)
{
	static const char *const folders[] = { "", "/objects", "/objects/info", "/refs" };
	const char *refs = arena_printf(&job->a,
		"# pack-refs with: peeled fully-peeled sorted \n%s refs/heads/%s\n%s refs/nap/releases/1\n",
		commit, branch, commit);

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (!folder(arena_printf(&job->a, "%s%s", fresh, folders[i]), 02770, e))
			return false;
	return text_file(arena_printf(&job->a, "%s/config", fresh), 0660,
		       arena_printf(&job->a, "%s%s", repository_config, MEMBER_CONFIG), e) &&
	       text_file(arena_printf(&job->a, "%s/HEAD", fresh), 0660,
		       arena_printf(&job->a, "ref: refs/heads/%s\n", branch), e) &&
	       text_file(arena_printf(&job->a, "%s/packed-refs", fresh), 0660, refs, e) &&
	       borrow(job, fresh, family, e);
}

static bool sync_path(const char *path, struct err *e)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	return (fd >= 0 && fsync(fd) == 0) ||
	       err_errno(e, "could not write \"%s\" to the disk", path);
}

static bool sync_member(struct job *job, const char *fresh, struct err *e)
{
	static const char *const parts[] = { "config", "HEAD", "packed-refs",
		"objects/info/alternates", "objects/info", "objects", "" };

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (!sync_path(arena_printf(&job->a, "%s/%s", fresh, parts[i]), e))
			return false;
	return true;
}

bool pool_member(struct job *job, int64_t family, int64_t app_id, const char *branch,
	const char *commit, bool sync, struct err *e)
{
	const char *path = repository(job, app_id);
	const char *fresh = arena_printf(
		&job->a, "%s/git/.new-similar-%lld", job->cfg->state, (long long)app_id);
	struct git_run run = { .dir = path };
	struct proc_result r;

	if (access(path, F_OK) < 0) {
		if (!tree_remove(fresh, e) || !make_member(job, fresh, family, branch, commit, e))
			return false;
		if (sync && !sync_member(job, fresh, e))
			return false;
		if (rename(fresh, path) == 0)
			return !sync ||
			       sync_path(arena_printf(&job->a, "%s/git", job->cfg->state), e);
		if (errno != EEXIST && errno != ENOTEMPTY)
			return err_errno(e, "could not make repository \"%s\"", path);
		if (!tree_remove(fresh, e))
			return false;
	}
	/* an earlier attempt made it, or a push that came before */
	if (!borrow(job, path, family, e))
		return false;
	run.args = (const char *const[]){ "rev-parse", "-q", "--verify",
		arena_printf(&job->a, "refs/heads/%s", branch), NULL };
	if (!git_run(job, &run, &r, e))
		return false;
	if (r.status == 0)
		return true;
	run.args = (const char *const[]){ "update-ref",
		arena_printf(&job->a, "refs/heads/%s", branch), commit, NULL };
	return git_run(job, &run, &r, e) &&
	       (r.status == 0 || err_set(e, ERR_INTERNAL, "git_failed",
					 "could not set a member's branch: %.300s", r.err));
}

bool pool_sync(struct job *job, struct err *e)
{
	const char *path = arena_printf(&job->a, "%s/git", job->cfg->state);
	auto_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return (fd >= 0 && syncfs(fd) == 0) ||
	       err_errno(e, "could not write \"%s\" to the disk", path);
}

SQL(POOL_FAMILY, "SELECT count(*) FROM family WHERE id = $1");
SQL(POOL_APP,
	"SELECT (SELECT count(*) FROM app WHERE id = $1) + (SELECT count(*) FROM push_name WHERE app_id = $1)");

/* ID.git whose row is gone for a while */
static bool sweep_one(struct job *job, const char *folder_path, int folder_fd, const char *name,
	const char *sql, int64_t min_age_s, struct err *e)
{
	struct slice number = { name, strspn(name, "0123456789") };
	const char *from, *to;
	int64_t id, n;
	struct stat st;

	if (!streq(name + number.n, ".git") || !parse_slice_i64(number, 1, INT64_MAX, &id) ||
		fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		clock_now() - st.st_mtime < min_age_s)
		return true;
	if (!db_one_i64(job->db, &n, e, sql, I64(id)))
		return false;
	if (n > 0)
		return true;
	from = arena_printf(&job->a, "%s/%s", folder_path, name);
	to = arena_printf(&job->a, "%s/git/.trash-swept-%s", job->cfg->state, name);
	if (rename(from, to) < 0)
		return errno == ENOENT || err_errno(e, "could not move \"%s\" away", from);
	return tree_remove(to, e);
}

bool pool_sweep(struct job *job, int64_t min_age_s, struct err *e)
{
	const char *git = arena_printf(&job->a, "%s/git", job->cfg->state);
	const char *const folders[] = { git, arena_printf(&job->a, "%s/pool", git) };
	static const char *const questions[] = { POOL_APP, POOL_FAMILY };

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		auto_dir DIR *d = opendir(folders[i]);
		const struct dirent *entry;

		while (d && (entry = readdir(d)))
			if (!sweep_one(job, folders[i], dirfd(d), entry->d_name, questions[i],
				    min_age_s, e))
				return false;
	}
	return true;
}
