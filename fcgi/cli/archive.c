#include "cli/archive.h"

#include "base/file.h"
#include "cli/ignore.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>

#define IGNORE_MAX (1024 * 1024)
#define CHUNK	   65536

struct packing {
	struct arena a;
	struct ignore ignore;
	struct archive *tar;
	struct archive_entry *entry;
	char *chunk;
	int64_t files;
	struct err *e;
};

static bool archive_fails(const struct packing *p)
{
	return err_set(p->e, ERR_INTERNAL, "internal", "could not write the archive: %s",
		archive_error_string(p->tar));
}

static bool pack_content(const struct packing *p, const char *path, const FTSENT *f)
{
	auto_fd int fd = open(f->fts_accpath, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int64_t left = f->fts_statp->st_size;

	if (fd < 0)
		return err_set(p->e, ERR_INVALID, "unreadable", "could not read \"%s\": %s", path,
			strerror(errno));
	while (left) {
		ssize_t n = read(fd, p->chunk, (size_t)MIN(left, (int64_t)CHUNK));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(p->e, ERR_INVALID, "unreadable",
				"\"%s\" became shorter while it was read: once more, please", path);
		if (archive_write_data(p->tar, p->chunk, (size_t)n) != n)
			return archive_fails(p);
		left -= n;
	}
	return true;
}

static bool set_link(struct packing *p, const char *path, const FTSENT *f)
{
	char to[4096];
	ssize_t n = readlink(f->fts_accpath, to, sizeof to);

	if (n < 0 || (size_t)n == sizeof to)
		return err_set(p->e, ERR_INVALID, "unreadable", "could not read link \"%s\"", path);
	archive_entry_set_filetype(p->entry, AE_IFLNK);
	archive_entry_set_symlink(p->entry, arena_strndup(&p->a, to, (size_t)n));
	return true;
}

static bool pack_one(struct packing *p, const char *path, const FTSENT *f)
{
	bool link = f->fts_info == FTS_SL || f->fts_info == FTS_SLNONE;

	archive_entry_clear(p->entry);
	archive_entry_set_pathname(p->entry, path);
	archive_entry_set_perm(p->entry, f->fts_statp->st_mode & 0100 ? 0755 : 0644);
	archive_entry_set_mtime(p->entry, f->fts_statp->st_mtime, 0);
	if (link) {
		if (!set_link(p, path, f))
			return false;
	} else {
		archive_entry_set_filetype(p->entry, AE_IFREG);
		archive_entry_set_size(p->entry, f->fts_statp->st_size);
	}
	if (archive_write_header(p->tar, p->entry) != ARCHIVE_OK)
		return archive_fails(p);
	p->files++;
	return link || pack_content(p, path, f);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static bool pack_entry(struct packing *p, FTS *walk, FTSENT *f, size_t skip)
{
	const char *path = f->fts_path + skip;

	if (f->fts_level == 0)
		return f->fts_info == FTS_D || f->fts_info == FTS_DP ||
		       err_set(p->e, ERR_INVALID, "unreadable", "could not read folder \"%s\"",
			       f->fts_path);
	switch (f->fts_info) {
	case FTS_D:
		if (streq(f->fts_name, ".git") || ignore_matches(&p->ignore, path, true))
			(void)fts_set(walk, f, FTS_SKIP);
		return true;
	case FTS_F:
	case FTS_SL:
	case FTS_SLNONE:
		/* .git is a file in a work tree of git's */
		if (streq(f->fts_name, ".git") || ignore_matches(&p->ignore, path, false))
			return true;
		return pack_one(p, path, f);
	case FTS_DNR:
	case FTS_NS:
	case FTS_ERR:
		return err_set(p->e, ERR_INVALID, "unreadable", "could not read \"%s\": %s", path,
			strerror(f->fts_errno));
	default:
		return true;
	}
}

static bool pack_all(struct packing *p, const char *folder)
{
	auto_free char *root = xstrdup(folder);
	FTS *walk = fts_open((char *[]){ root, NULL }, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	size_t skip = strlen(root) + !ends_with(root, "/");
	FTSENT *f;
	bool ok = true;

	while (ok && walk && (f = fts_read(walk)))
		ok = pack_entry(p, walk, f, skip);
	if (walk)
		(void)fts_close(walk);
	return ok && (p->files || err_set(p->e, ERR_INVALID, "empty_folder",
					  "folder \"%s\" has no file to deploy", folder));
}

static bool read_ignore(struct packing *p, const char *folder)
{
	char *text;
	size_t n;

	if (file_read(arena_printf(&p->a, "%s/.napignore", folder), IGNORE_MAX, &p->a, &text, &n,
		    p->e))
		ignore_parse(&p->ignore, &p->a, text, n);
	else if (p->e->kind != ERR_NOT_FOUND)
		return false;
	return true;
}

static int nameless(void)
{
	const char *folder = getenv("TMPDIR");

	return open(folder && *folder ? folder : "/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
}

static bool pack_into(struct packing *p, const char *folder, int file)
{
	bool open = archive_write_add_filter_gzip(p->tar) == ARCHIVE_OK &&
		    archive_write_set_format_pax_restricted(p->tar) == ARCHIVE_OK &&
		    archive_write_open_fd(p->tar, file) == ARCHIVE_OK;

	if (!open)
		return archive_fails(p);
	return pack_all(p, folder) &&
	       (archive_write_close(p->tar) == ARCHIVE_OK || archive_fails(p));
}

bool archive_folder(const char *folder, struct archive_made *ret, struct err *e)
{
	auto_fd int file = nameless();
	auto_free char *chunk = xmalloc(CHUNK);
	struct packing p = {
		.tar = archive_write_new(), .entry = archive_entry_new(), .chunk = chunk, .e = e
	};
	bool ok;

	if (!p.tar || !p.entry)
		abort();
	ok = (file >= 0 || err_errno(e, "could not make a temporary file")) &&
	     read_ignore(&p, folder) && pack_into(&p, folder, file);
	(void)archive_write_free(p.tar);
	archive_entry_free(p.entry);
	if (ok) {
		ret->files = p.files;
		ret->bytes = lseek(file, 0, SEEK_END);
		ret->file = steal_fd(&file);
	}
	arena_clear(&p.a);
	return ok;
}
