#include "job/tree.h"

#include "base/file.h"
#include "base/text.h"
#include "job/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sodium.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

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
static int open_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	mode_t want = S_ISDIR(st->st_mode) || (st->st_mode & 0100) ? 0777 : 0666;

	(void)kind;
	(void)ftw;
	if (S_ISLNK(st->st_mode) || (st->st_mode & 07777) == want)
		return 0;
	return chmod(path, want);
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

/* the paths that differ, each ended by NUL, deleted ones removed from the linked copy before */
static bool changed_paths(struct job *job, const char *from, const char *commit, const char *to,
	struct proc_result *ret, struct err *e)
{
	const char *const gone[] = { "diff-tree", "-r", "-z", "--name-only", "--no-renames", from,
		commit, NULL };
	const char *const kept[] = { "diff-tree", "-r", "-z", "--name-only", "--no-renames",
		"--diff-filter=d", from, commit, NULL };
	struct proc_result r;

	if (!git_run(job, &(struct git_run){ .args = gone, .max = 64 * 1024 * 1024 }, &r, e))
		return false;
	if (r.status != 0 || r.truncated)
		return err_set(e, ERR_INTERNAL, "git_failed", "could not compare two commits");
	for (size_t at = 0; at < r.out_len; at += strlen(r.out + at) + 1)
		if (!tree_remove(arena_printf(&job->a, "%s/%s", to, r.out + at), e))
			return false;
	if (!git_run(job, &(struct git_run){ .args = kept, .max = 64 * 1024 * 1024 }, ret, e))
		return false;
	return (ret->status == 0 && !ret->truncated) ||
	       err_set(e, ERR_INTERNAL, "git_failed", "could not compare two commits");
}

static bool export_changed(struct job *job, const char *commit, const char *before_commit,
	const char *before_tree, const char *to, const char *index, struct err *e)
{
	const char *const copy[] = { "cp", "-al", "--", before_tree, to, NULL };
	struct argv link = { 0 };
	const char *const env[] = { arena_printf(&job->a, "GIT_INDEX_FILE=%s", index),
		arena_printf(&job->a, "GIT_WORK_TREE=%s", to), NULL };
	const char *const read[] = { "read-tree", commit, NULL };
	const char *const out[] = { "checkout-index", "--force", "-z", "--stdin",
		arena_printf(&job->a, "--prefix=%s/", to), NULL };
	struct proc_result r, paths;

	job_child(job, &link);
	for (const char *const *p = copy; *p; p++)
		argv_add(&link, &job->a, *p);
	if (!proc_run(&(struct proc_spec){ .argv = link.v,
			      .timeout_ms = 600000,
			      .max_bytes = 4096,
			      .go_on = job_goes_on,
			      .ctx = job },
		    &job->a, &r, e))
		return false;
	if (r.cancelled)
		return job_stopped(job, e);
	if (r.status != 0)
		return unpack_failed(job, &r, e);
	if (!changed_paths(job, before_commit, commit, to, &paths, e) ||
		!git_run(job, &(struct git_run){ .args = read, .env = env }, &r, e))
		return false;
	if (r.status == 0 && paths.out_len &&
		!git_run(job,
			&(struct git_run){ .args = out,
				.env = env,
				.input = paths.out,
				.input_len = paths.out_len },
			&r, e))
		return false;
	return r.status == 0 || unpack_failed(job, &r, e);
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
	bool linked = before && before_commit && access(before, F_OK) == 0, ok;
	struct err ignored;

	if (tree_is_there(job, id))
		return true;
	if (!tree_remove(made, e))
		return false;
	if (linked)
		ok = export_changed(job, commit, before_commit, before, made, index, e);
	else
		ok = dir_make(made, 0777, e) && export_all(job, commit, made, index, e);
	ok = ok && tree_remove(arena_printf(&job->a, "%s/profile", made), e) &&
	     open_modes(made, e) && sync_all(made, e);
	if (ok && rename(made, to) < 0 && errno != EEXIST && errno != ENOTEMPTY)
		ok = err_errno(e, "could not put tree \"%s\" in place", id);
	(void)!tree_remove(index, &ignored);
	(void)!tree_remove(made, &ignored);
	return ok;
}
