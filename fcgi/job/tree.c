#include "job/tree.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/text.h"
#include "job/disk.h"
#include "job/link.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sodium.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define MAX_CHANGES (64 * 1024 * 1024)

struct count {
	int64_t entries, bytes, submodules;
};

/* "MODE TYPE OBJECT SIZE\tPATH"; names with odd bytes are quoted, so a line is an entry */
static void count_entry(void *ctx, const char *line, size_t n)
{
	struct count *c = ctx;
	const char *tab = memchr(line, '\t', n);
	const char *size = tab ? memrchr(line, ' ', (size_t)(tab - line)) : NULL;
	int64_t bytes = 0;

	c->entries++;
	if (n > 6 && memcmp(line, "160000", 6) == 0)
		c->submodules++;
	if (size && parse_slice_i64((struct slice){ size + 1, (size_t)(tab - size - 1) }, 0,
			    INT64_MAX, &bytes))
		c->bytes += bytes;
}

static bool check_limits(struct job *job, const char *commit, int64_t *ret_bytes, struct err *e)
{
	struct count c = { 0 };
	const char *const args[] = { "ls-tree", "-r", "-t", "-l", commit, NULL };
	const char *attributes;
	struct proc_result r;
	struct err ignored;
	size_t n;

	if (!git_run(job,
		    &(struct git_run){
			    .args = args, .on_line = count_entry, .line_ctx = &c, .max = 1 },
		    &r, e))
		return false;
	if (r.status != 0)
		return err_set(e, ERR_INTERNAL, "git_failed", "could not list the source's files");
	if (c.entries > job->cfg->source_max_entries)
		return err_set(e, ERR_TOO_LARGE, "source_too_large",
			"the source has %lld files and folders; at most %lld are allowed",
			(long long)c.entries, (long long)job->cfg->source_max_entries);
	if (c.bytes > job->cfg->source_max_bytes)
		return err_set(e, ERR_TOO_LARGE, "source_too_large",
			"the source has %lld MiB unpacked; at most %lld are allowed",
			(long long)(c.bytes >> 20), (long long)(job->cfg->source_max_bytes >> 20));
	if (git_blob(job, commit, ".gitattributes", 65536, &attributes, &n, &ignored) &&
		memmem(attributes, n, "filter=lfs", 10))
		job_say(job, "warning: files kept in git LFS are deployed as their pointers");
	if (c.submodules)
		job_say(job, "warning: %lld submodules are not fetched; their folders are empty",
			(long long)c.submodules);
	*ret_bytes = c.bytes;
	return true;
}

bool tree_id(struct job *job, const char *commit, char ret[TREE_ID_SIZE], struct err *e)
{
	const char *const args[] = { "ls-tree", "-z", commit, NULL };
	unsigned char hash[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state sha;
	struct proc_result r;
	int64_t bytes;

	if (!check_limits(job, commit, &bytes, e) ||
		!git_run(job, &(struct git_run){ .args = args, .max = 64 * 1024 * 1024 }, &r, e))
		return false;
	if (r.status != 0)
		return err_set(e, ERR_INTERNAL, "git_failed", "could not list the source's files");
	(void)crypto_hash_sha256_init(&sha);
	(void)crypto_hash_sha256_update(
		&sha, (const unsigned char *)job->tenant, strlen(job->tenant) + 1);
	for (size_t at = 0; at < r.out_len;) {
		const char *entry = r.out + at, *tab = strchr(entry, '\t');
		size_t n = strlen(entry) + 1;

		if (!tab || !streq(tab + 1, "profile"))
			(void)crypto_hash_sha256_update(&sha, (const unsigned char *)entry, n);
		at += n;
	}
	(void)crypto_hash_sha256_final(&sha, hash);
	hex_encode(ret, hash, sizeof hash);
	return tree_is_there(job, ret) || disk_admit(job, bytes, e);
}

/* what comes out of git is 0644 or 0755 less the umask; what is linked already has its mode and is left alone */
static int open_mode(const char *path, const struct stat *st)
{
	mode_t want = S_ISDIR(st->st_mode) || (st->st_mode & 0100) ? 0777 : 0666;

	if (S_ISLNK(st->st_mode) || (st->st_mode & 07777) == want)
		return 0;
	return chmod(path, want);
}

static int open_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)kind;
	(void)ftw;
	return open_mode(path, st);
}

static bool open_modes(const char *root, struct err *e)
{
	return nftw(root, open_entry, 16, FTW_PHYS) == 0 ||
	       err_errno(e, "could not set modes below \"%s\"", root);
}

/* git says that a file could not be written, and not why: a full disk is by far the most likely */
static bool unpack_failed(struct job *job, const struct proc_result *r, struct err *e)
{
	struct statvfs fs = { 0 };

	if (!memmem(r->err, r->err_len, "No space left", 13) &&
		!memmem(r->err, r->err_len, "unable to write file", 20))
		return err_set(e, ERR_INTERNAL, "git_failed", "could not unpack the source: %.200s",
			r->err);
	(void)statvfs(arena_printf(&job->a, "%s/tree", job->cfg->state), &fs);
	return err_set(e, ERR_UPSTREAM, "disk_full",
		"the source could not be written: nap's disk has %lld MiB left",
		(long long)(fs.f_bavail * fs.f_frsize >> 20));
}

static bool export_all(
	struct job *job, const char *commit, const char *to, const char *index, struct err *e)
{
	const char *const env[] = { arena_printf(&job->a, "GIT_INDEX_FILE=%s", index),
		arena_printf(&job->a, "GIT_WORK_TREE=%s", to), NULL };
	const char *const read[] = { "read-tree", commit, NULL };
	const char *const out[] = { "-c", "checkout.workers=4", "checkout-index", "--all",
		"--force", arena_printf(&job->a, "--prefix=%s/", to), NULL };
	struct proc_result r;

	if (!git_run(job, &(struct git_run){ .args = read, .env = env }, &r, e))
		return false;
	if (r.status == 0 &&
		!git_run(job, &(struct git_run){ .args = out, .env = env, .say = true }, &r, e))
		return false;
	return r.status == 0 || unpack_failed(job, &r, e);
}

/* what differs between two commits: each path ended by NUL, all of them and those that are still there */
struct changes {
	struct buf all, kept;
	bool attributes; /* .gitattributes among them: other files may come out differently too */
};

static void changes_release(struct changes *c)
{
	buf_release(&c->all);
	buf_release(&c->kept);
}

/* git diff-tree --raw -z: ":MODE MODE ID ID STATUS" NUL PATH NUL */
static bool read_changes(
	struct job *job, const char *from, const char *commit, struct changes *ret, struct err *e)
{
	const char *const args[] = { "diff-tree", "-r", "-z", "--raw", "--no-renames", from, commit,
		NULL };
	struct proc_result r;

	if (!git_run(job, &(struct git_run){ .args = args, .max = MAX_CHANGES }, &r, e))
		return false;
	if (r.status != 0 || r.truncated)
		return err_set(e, ERR_INTERNAL, "git_failed", "could not compare two commits");
	for (size_t at = 0; at < r.out_len;) {
		const char *what = r.out + at, *path = what + strlen(what) + 1;

		buf_add(&ret->all, path, strlen(path) + 1);
		if (!ends_with(what, " D"))
			buf_add(&ret->kept, path, strlen(path) + 1);
		ret->attributes = ret->attributes || streq(path, ".gitattributes") ||
				  ends_with(path, "/.gitattributes");
		at = (size_t)(path - r.out) + strlen(path) + 1;
	}
	return true;
}

/* new files and the folders above them: what comes out of git is 0644 or 0755 less the umask */
static bool open_path(struct job *job, const char *root, const char *path, struct err *e)
{
	char *whole = arena_printf(&job->a, "%s/%s", root, path);
	struct stat st;

	for (char *slash = whole + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		if (chmod(whole, 0777) < 0)
			return err_errno(e, "could not set modes below \"%s\"", root);
		*slash = '/';
	}
	/* a submodule is no file */
	if (lstat(whole, &st) < 0)
		return errno == ENOENT || err_errno(e, "could not read \"%s\"", whole);
	return open_mode(whole, &st) == 0 || err_errno(e, "could not set modes below \"%s\"", root);
}

static bool export_changed(struct job *job, const char *commit, const struct changes *c,
	const char *before_tree, const char *to, const char *index, struct err *e)
{
	const char *const env[] = { arena_printf(&job->a, "GIT_INDEX_FILE=%s", index),
		arena_printf(&job->a, "GIT_WORK_TREE=%s", to), NULL };
	const char *const read[] = { "read-tree", commit, NULL };
	const char *const out[] = { "checkout-index", "--force", "-z", "--stdin",
		arena_printf(&job->a, "--prefix=%s/", to), NULL };
	struct proc_result r;

	if (!link_folder(before_tree, to, e))
		return false;
	for (size_t at = 0; at < c->all.len; at += strlen(c->all.data + at) + 1)
		if (!tree_remove(arena_printf(&job->a, "%s/%s", to, c->all.data + at), e))
			return false;
	if (c->kept.len == 0)
		return true;
	if (!git_run(job, &(struct git_run){ .args = read, .env = env }, &r, e) ||
		(r.status == 0 && !git_run(job,
					  &(struct git_run){ .args = out,
						  .env = env,
						  .input = c->kept.data,
						  .input_len = c->kept.len },
					  &r, e)))
		return false;
	if (r.status != 0)
		return unpack_failed(job, &r, e);
	for (size_t at = 0; at < c->kept.len; at += strlen(c->kept.data + at) + 1)
		if (!open_path(job, to, c->kept.data + at, e))
			return false;
	return true;
}

static bool sync_all(const char *path, struct err *e)
{
	auto_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return (fd >= 0 && syncfs(fd) == 0) ||
	       err_errno(e, "could not write \"%s\" to the disk", path);
}

bool tree_is_there(struct job *job, const char *id)
{
	const char *path = arena_printf(&job->a, "%s/tree/%s", job->cfg->state, id);

	/* its time says that somebody is about to need it: what is thrown away is old (job/keep.h) */
	return utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW) == 0 || access(path, F_OK) == 0;
}

bool tree_make(struct job *job, const char *commit, const char *id, const char *before_commit,
	const char *before_id, struct err *e)
{
	const char *to = arena_printf(&job->a, "%s/tree/%s", job->cfg->state, id);
	const char *made = arena_printf(&job->a, "%s/tree/.new-%lld-%lld", job->cfg->state,
		(long long)job->id, (long long)job->attempt);
	const char *index = arena_printf(&job->a, "%s.index", made);
	const char *before =
		before_id ? arena_printf(&job->a, "%s/tree/%s", job->cfg->state, before_id) : NULL;
	struct changes c = { 0 };
	struct err ignored;
	bool ok;

	if (tree_is_there(job, id))
		return true;
	buf_init(&c.all, MAX_CHANGES);
	buf_init(&c.kept, MAX_CHANGES);
	ok = tree_remove(made, e);
	if (ok && before && before_commit && access(before, F_OK) == 0) {
		ok = read_changes(job, before_commit, commit, &c, e);
		if (ok && !c.attributes)
			ok = export_changed(job, commit, &c, before, made, index, e);
		else
			before = NULL;
	} else {
		before = NULL;
	}
	if (ok && !before)
		ok = dir_make(made, 0777, e) && export_all(job, commit, made, index, e) &&
		     open_modes(made, e);
	ok = ok && tree_remove(arena_printf(&job->a, "%s/profile", made), e) && sync_all(made, e);
	changes_release(&c);
	if (ok && rename(made, to) < 0 && errno != EEXIST && errno != ENOTEMPTY)
		ok = err_errno(e, "could not put tree \"%s\" in place", id);
	(void)!tree_remove(index, &ignored);
	(void)!tree_remove(made, &ignored);
	return ok;
}
