#include "job/import.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <locale.h>
#include <strings.h>

#define PIECE	 65536
#define MAX_HEAD (1024 * 1024)
#define REF	 "refs/nap/incoming"

enum place { AT_COMMIT, AT_ENTRY, IN_FILE, AT_END };

struct import {
	struct job *job;
	struct archive *archive;
	struct archive_entry *entry;
	const char *parent;
	enum place place;
	struct buf out; /* what goes to git next */
	int64_t left;	/* of the file whose content is under way */
	int64_t entries, files, bytes, skipped;
	char *piece;
	bool failed;
	struct err *e;
};

static bool part_is(const char *p, size_t n, const char *word)
{
	return n == strlen(word) && strncasecmp(p, word, n) == 0;
}

const char *import_path(struct arena *a, const char *path)
{
	size_t n;

	while (path[0] == '.' && path[1] == '/')
		for (path += 2; *path == '/'; path++)
			;
	n = strlen(path);
	while (n && path[n - 1] == '/')
		n--;
	if (n == 0 || n > 4095)
		return NULL;
	for (size_t at = 0; at <= n;) {
		const char *slash = memchr(path + at, '/', n - at);
		size_t part = slash ? (size_t)(slash - path) - at : n - at;

		if (part == 0 || part_is(path + at, part, ".") || part_is(path + at, part, "..") ||
			part_is(path + at, part, ".git"))
			return NULL;
		at += part + 1;
	}
	return arena_strndup(a, path, n);
}

/* the end of the stream without "done": git makes no commit */
static size_t give_up(struct import *im)
{
	im->failed = true;
	im->place = AT_END;
	return 0;
}

static size_t broken(struct import *im, const char *why)
{
	auto_arena struct arena a = { 0 };

	(void)err_set(im->e, ERR_INVALID, "source_broken", "the archive cannot be read: %s",
		why ? utf8_scrub(&a, why, strlen(why)) : "it is damaged");
	return give_up(im);
}

/* C's way, for any bytes: git-fast-import(1) "filemodify" */
static void put_path(struct buf *b, const char *path)
{
	buf_putc(b, '"');
	for (const unsigned char *p = (const unsigned char *)path; *p; p++)
		if (*p == '"' || *p == '\\')
			buf_printf(b, "\\%c", *p);
		else if (*p < 0x20 || *p == 0x7f)
			buf_printf(b, "\\%03o", *p);
		else
			buf_putc(b, (char)*p);
	buf_putc(b, '"');
}

static void put_commit(struct import *im)
{
	static const char message[] = "source uploaded\n";

	buf_printf(&im->out, "commit " REF "\ncommitter %s <%s@nap> %lld +0000\ndata %zu\n%s",
		im->job->tenant, im->job->tenant, (long long)clock_now(), strlen(message), message);
	if (im->parent)
		buf_printf(&im->out, "from %s\n", im->parent);
	buf_puts(&im->out, "deleteall\n");
}

/* a name as it stands in the archive: UTF-8 where it says so, else its bytes */
static const char *name_of(const char *utf8, const char *bytes)
{
	return utf8 ? utf8 : bytes;
}

static void put_blob(struct import *im, const char *mode, const char *path, int64_t size)
{
	buf_printf(&im->out, "M %s inline ", mode);
	put_path(&im->out, path);
	buf_printf(&im->out, "\ndata %lld\n", (long long)size);
}

static bool put_link(struct import *im, const char *path)
{
	const char *to =
		name_of(archive_entry_symlink_utf8(im->entry), archive_entry_symlink(im->entry));

	if (!to)
		return false;
	put_blob(im, "120000", path, (int64_t)strlen(to));
	buf_puts(&im->out, to);
	buf_putc(&im->out, '\n');
	return true;
}

static bool put_hard_link(struct import *im, const char *path, const char *to)
{
	const char *from = import_path(&im->job->a, to);

	if (!from)
		return false;
	buf_puts(&im->out, "C ");
	put_path(&im->out, from);
	buf_putc(&im->out, ' ');
	put_path(&im->out, path);
	buf_putc(&im->out, '\n');
	return true;
}

static bool put_file(struct import *im, const char *path)
{
	if (!archive_entry_size_is_set(im->entry))
		return false;
	im->left = archive_entry_size(im->entry);
	put_blob(im, archive_entry_perm(im->entry) & 0100 ? "100755" : "100644", path, im->left);
	if (im->left)
		im->place = IN_FILE;
	else
		buf_putc(&im->out, '\n');
	return true;
}

static bool too_large(struct import *im)
{
	const struct config *cfg = im->job->cfg;

	if (im->entries > cfg->source_max_entries)
		(void)err_set(im->e, ERR_TOO_LARGE, "source_too_large",
			"the source has more than %lld files and folders",
			(long long)cfg->source_max_entries);
	else if (im->bytes > cfg->source_max_bytes)
		(void)err_set(im->e, ERR_TOO_LARGE, "source_too_large",
			"the source has more than %lld MiB unpacked",
			(long long)(cfg->source_max_bytes >> 20));
	else
		return false;
	return true;
}

/* false: it was told what is wrong with it */
static bool put_entry(struct import *im)
{
	const char *name =
		name_of(archive_entry_pathname_utf8(im->entry), archive_entry_pathname(im->entry));
	const char *hard =
		name_of(archive_entry_hardlink_utf8(im->entry), archive_entry_hardlink(im->entry));
	mode_t type = archive_entry_filetype(im->entry);
	const char *path;
	bool ok = true;

	im->entries++;
	if (type == AE_IFDIR)
		return true;
	if (!hard && type == AE_IFREG &&
		__builtin_add_overflow(im->bytes, archive_entry_size(im->entry), &im->bytes))
		im->bytes = INT64_MAX;
	if (too_large(im))
		return false;
	path = name ? import_path(&im->job->a, name) : NULL;
	if (!path) {
		(void)broken(
			im, name ? "a path leads out of it, or into .git" : "a path is no text");
		return false;
	}
	im->files++;
	if (hard)
		ok = put_hard_link(im, path, hard);
	else if (type == AE_IFREG)
		ok = put_file(im, path);
	else if (type == AE_IFLNK)
		ok = put_link(im, path);
	else
		im->skipped++, im->files--;
	if (!ok)
		(void)broken(im, "an entry does not say what it holds");
	return ok;
}

static size_t next_entry(struct import *im)
{
	while (im->out.len == 0) {
		int rc = archive_read_next_header2(im->archive, im->entry);

		if (rc == ARCHIVE_EOF && im->files == 0) {
			(void)err_set(
				im->e, ERR_INVALID, "source_empty", "the archive holds no file");
			return give_up(im);
		}
		if (rc == ARCHIVE_EOF) {
			buf_puts(&im->out, "done\n");
			im->place = AT_END;
		} else if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN) {
			return broken(im, archive_error_string(im->archive));
		} else if (!put_entry(im)) {
			return give_up(im);
		}
	}
	return im->out.len;
}

static size_t next_piece(struct import *im)
{
	la_ssize_t n =
		archive_read_data(im->archive, im->piece, (size_t)MIN(im->left, (int64_t)PIECE));

	if (n <= 0)
		return broken(im, n ? archive_error_string(im->archive) : "a file ends too early");
	im->left -= n;
	buf_add(&im->out, im->piece, (size_t)n);
	if (im->left == 0) {
		buf_putc(&im->out, '\n');
		im->place = AT_ENTRY;
	}
	return im->out.len;
}

/* proc_spec.more */
static size_t more(void *ctx, const char **ret)
{
	struct import *im = ctx;
	size_t n = 0;

	buf_clear(&im->out);
	switch (im->place) {
	case AT_COMMIT:
		put_commit(im);
		im->place = AT_ENTRY;
		n = im->out.len;
		break;
	case AT_ENTRY:
		n = next_entry(im);
		break;
	case IN_FILE:
		n = next_piece(im);
		break;
	case AT_END:
		break;
	}
	*ret = im->out.data;
	return n;
}

static bool open_archive(struct import *im, const char *type, int fd)
{
	struct archive *r = im->archive;
	bool ok = true;

	if (streq(type, "application/zip"))
		ok = archive_read_support_format_zip_seekable(r) == ARCHIVE_OK;
	else
		ok = archive_read_support_format_tar(r) == ARCHIVE_OK;
	if (ok && streq(type, "application/gzip"))
		ok = archive_read_support_filter_gzip(r) == ARCHIVE_OK;
	if (ok && archive_read_open_fd(r, fd, PIECE) == ARCHIVE_OK)
		return true;
	(void)broken(im, archive_error_string(r));
	return false;
}

static bool feed_git(struct import *im, struct err *e)
{
	static const char *const args[] = { "fast-import", "--quiet", "--force", "--done", NULL };
	const struct git_run run = { .args = args,
		.more = more,
		.more_ctx = im,
		.max_file = im->job->cfg->source_max_bytes * 2 };
	struct proc_result r;
	struct err why;

	/* what more says is wrong is the reason, whatever git makes of the end of its input */
	im->e = &why;
	if (!git_run(im->job, &run, &r, e))
		return false;
	if (im->failed) {
		*e = why;
		return false;
	}
	if (r.status != 0)
		return err_set(e, ERR_UPSTREAM, "git_failed",
			"git could not take the source: %.200s", r.err);
	if (im->skipped)
		job_say(im->job, "warning: %lld entries that are no files were left out",
			(long long)im->skipped);
	job_say(im->job, "%lld files, %lld KiB", (long long)im->files,
		(long long)(im->bytes >> 10));
	return true;
}

bool import_archive(struct job *job, const char *path, const char *type, const char *parent,
	char ret_commit[GIT_ID_SIZE], struct err *e)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct import im = { .job = job,
		.parent = parent,
		.archive = archive_read_new(),
		.entry = archive_entry_new(),
		.piece = arena_alloc(&job->a, PIECE),
		.e = e };
	/* libarchive reads names as the locale has them */
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), before;
	const char *commit;
	bool ok;

	if (!im.archive || !im.entry || !utf8)
		abort();
	before = uselocale(utf8);
	buf_init(&im.out, MAX_HEAD);
	ok = fd >= 0 || err_errno(e, "could not open the uploaded source");
	ok = ok && open_archive(&im, type, fd) && feed_git(&im, e) &&
	     git_ask(job, &commit, e, "rev-parse", "--verify", REF);
	(void)archive_read_free(im.archive);
	archive_entry_free(im.entry);
	buf_release(&im.out);
	(void)uselocale(before);
	freelocale(utf8);
	if (ok)
		(void)snprintf(ret_commit, GIT_ID_SIZE, "%s", commit);
	return ok;
}
