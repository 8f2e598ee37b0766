#include "node/files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define MAX_DEPTH 500 /* open folders at a time, two of them in a copy */

/* a DIR of its own description, so that closing it leaves fd alone */
static DIR *list_of(int fd)
{
	int again = folder_open(fd, ".");
	DIR *d = again >= 0 ? fdopendir(again) : NULL;

	if (!d && again >= 0)
		(void)close(again);
	return d;
}

/* ---- copying ---- */

struct copy {
	const struct copy_rules *rules;
	int64_t entries, bytes;
	struct err *e;
};

static bool count(struct copy *c, int64_t bytes)
{
	c->entries++;
	c->bytes += bytes;
	if (c->rules->max_entries && c->entries > c->rules->max_entries)
		return err_set(c->e, ERR_TOO_LARGE, "result_too_large",
			"more than %lld files and folders", (long long)c->rules->max_entries);
	if (c->rules->max_bytes && c->bytes > c->rules->max_bytes)
		return err_set(c->e, ERR_TOO_LARGE, "result_too_large", "more than %lld MiB",
			(long long)(c->rules->max_bytes >> 20));
	return true;
}

static bool copy_range(int in, int out, off_t from, off_t to)
{
	char chunk[65536];

	while (from < to) {
		off_t at = from;
		ssize_t n = copy_file_range(in, &from, out, &at, (size_t)(to - from), 0);

		if (n > 0)
			continue;
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			return true; /* it became shorter meanwhile */
		if (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS)
			return false;
		n = pread(in, chunk, MIN(sizeof chunk, (size_t)(to - from)), from);
		if (n <= 0)
			return n == 0;
		if (pwrite(out, chunk, (size_t)n, from) != n)
			return false;
		from += n;
	}
	return true;
}

static bool copy_content(int in, int out, off_t size)
{
	off_t at = 0;

	if (ioctl(out, FICLONE, in) == 0)
		return true;
	while (at < size) {
		off_t data = lseek(in, at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			break;
		if (data < 0)
			data = at; /* the file system knows of no holes */
		hole = lseek(in, data, SEEK_HOLE);
		if (hole < 0 || hole > size)
			hole = size;
		if (!copy_range(in, out, data, hole))
			return false;
		at = hole;
	}
	return ftruncate(out, size) == 0;
}

static mode_t mode_of(const struct copy *c, const struct stat *st)
{
	if (c->rules->open)
		return S_ISDIR(st->st_mode) || (st->st_mode & 0100) ? 0777 : 0666;
	return st->st_mode & 0777;
}

static bool finish_copy(struct copy *c, int out, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (c->rules->has_owner && fchown(out, c->rules->owner, c->rules->owner) < 0)
		return false;
	return fchmod(out, mode_of(c, st)) == 0 && futimens(out, times) == 0;
}

static bool copy_file(struct copy *c, int from, int to, const char *name)
{
	auto_fd int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	auto_fd int out = -1;
	struct stat st;

	/* looked at again behind open: what was listed may have been replaced */
	if (in < 0 || fstat(in, &st) < 0 || !S_ISREG(st.st_mode))
		return err_errno(c->e, "could not read \"%s\"", name);
	if (!count(c, (int64_t)st.st_blocks * 512))
		return false;
	out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0 || !copy_content(in, out, st.st_size) || !finish_copy(c, out, &st))
		return err_errno(c->e, "could not write \"%s\"", name);
	return true;
}

static bool copy_link(struct copy *c, int from, int to, const char *name)
{
	char target[4097];
	ssize_t n = readlinkat(from, name, target, sizeof target - 1);

	if (n < 0)
		return err_errno(c->e, "could not read link \"%s\"", name);
	target[n] = '\0';
	if (!count(c, 0))
		return false;
	if (symlinkat(target, to, name) < 0 ||
		(c->rules->has_owner && fchownat(to, name, c->rules->owner, c->rules->owner,
						AT_SYMLINK_NOFOLLOW) < 0))
		return err_errno(c->e, "could not make link \"%s\"", name);
	return true;
}

static bool copy_folder(struct copy *c, int from, int to, int depth);

static bool copy_entry(struct copy *c, int from, int to, const char *name, int depth)
{
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || err_errno(c->e, "could not look at \"%s\"", name);
	if (S_ISREG(st.st_mode))
		return copy_file(c, from, to, name);
	if (S_ISLNK(st.st_mode))
		return copy_link(c, from, to, name);
	if (S_ISDIR(st.st_mode)) {
		auto_fd int in = folder_open(from, name);
		auto_fd int out = -1;

		if (in < 0 || mkdirat(to, name, 0700) < 0)
			return err_errno(c->e, "could not make folder \"%s\"", name);
		out = folder_open(to, name);
		return count(c, 4096) && copy_folder(c, in, out, depth + 1) &&
		       (finish_copy(c, out, &st) ||
			       err_errno(c->e, "could not finish folder \"%s\"", name));
	}
	return true;
}

static bool copy_folder(struct copy *c, int from, int to, int depth)
{
	auto_dir DIR *d = list_of(from);
	struct dirent *de;

	if (!d || to < 0)
		return err_errno(c->e, "could not list a folder");
	if (depth > MAX_DEPTH / 2)
		return err_set(c->e, ERR_TOO_LARGE, "result_too_large",
			"more than %d folders inside each other", MAX_DEPTH / 2);
	while ((de = readdir(d)))
		if (!is_dot(de->d_name) && !copy_entry(c, from, to, de->d_name, depth))
			return false;
	return true;
}

bool files_copy(const char *from, const char *to, const struct copy_rules *rules, struct err *e)
{
	struct copy c = { .rules = rules, .e = e };
	auto_fd int in = folder_open(AT_FDCWD, from);
	auto_fd int out = -1;
	struct stat st;

	if (in < 0 || fstat(in, &st) < 0)
		return err_errno(e, "could not open folder \"%s\"", from);
	if (mkdir(to, 0700) < 0)
		return err_errno(e, "could not create folder \"%s\"", to);
	out = folder_open(AT_FDCWD, to);
	if (!copy_folder(&c, in, out, 0))
		return false;
	return finish_copy(&c, out, &st) || err_errno(e, "could not finish folder \"%s\"", to);
}

/* ---- removing ---- */

struct removal {
	int top; /* where folders that lie too deep are moved to, to be removed from there */
	dev_t device;
	int moved;
	int faults;
	struct err *e;
};

static void fault(struct removal *r, const char *name)
{
	if (r->faults++ == 0)
		(void)err_errno(r->e, "could not remove \"%s\"", name);
}

static void remove_entry(struct removal *r, int at, const char *name, int depth);

static void remove_content(struct removal *r, int fd, int depth)
{
	auto_dir DIR *d = list_of(fd);
	struct dirent *de;

	while (d && (de = readdir(d)))
		if (!is_dot(de->d_name))
			remove_entry(r, fd, de->d_name, depth);
}

static void remove_entry(struct removal *r, int at, const char *name, int depth)
{
	auto_fd int fd = -1;
	struct stat st;
	char moved[32];

	if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
		return;
	if (errno != EISDIR && errno != EPERM) {
		fault(r, name);
		return;
	}
	if (unlinkat(at, name, AT_REMOVEDIR) == 0)
		return;
	if (depth > MAX_DEPTH) {
		(void)snprintf(moved, sizeof moved, ".deep-%d", ++r->moved);
		if (renameat(at, name, r->top, moved) < 0)
			fault(r, name);
		return;
	}
	fd = folder_open(at, name);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_dev != r->device) {
		fault(r, name);
		return;
	}
	/* its owner may have taken the right to write from it; as root that does not matter */
	(void)fchmod(fd, 0700);
	remove_content(r, fd, depth + 1);
	if (unlinkat(at, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		fault(r, name);
}

/* false: faults, the first of them in e */
static bool remove_all(int fd, struct err *e)
{
	struct removal r = { .e = e, .top = fd };
	struct stat st;
	int moved;

	if (fstat(fd, &st) < 0)
		return err_errno(e, "could not look at a folder");
	r.device = st.st_dev;
	do {
		moved = r.moved;
		r.faults = 0;
		remove_content(&r, fd, 1);
	} while (r.moved != moved);
	return r.faults == 0;
}

bool files_remove(const char *path, struct err *e)
{
	auto_fd int fd = folder_open(AT_FDCWD, path);
	bool fine;

	if (fd < 0)
		return errno == ENOENT || unlink(path) == 0 ||
		       err_errno(e, "could not remove \"%s\"", path);
	(void)fchmod(fd, 0700);
	fine = remove_all(fd, e);
	if (rmdir(path) == 0)
		return true;
	return fine ? err_errno(e, "could not remove folder \"%s\"", path) : false;
}

bool files_empty(const char *path, struct err *e)
{
	auto_fd int fd = folder_open(AT_FDCWD, path);

	return fd >= 0 ? remove_all(fd, e) : err_errno(e, "could not open folder \"%s\"", path);
}

/* ---- measuring ---- */

static void measure(struct disk_count *c, int fd, int64_t most, int depth)
{
	auto_dir DIR *d = list_of(fd);
	struct dirent *de;

	if (depth > MAX_DEPTH)
		c->bytes += most;
	while (d && c->bytes <= most && (de = readdir(d))) {
		struct stat st;

		if (is_dot(de->d_name) || fstatat(fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
			disk_count_name(c, &st);
			c->bytes += FILES_ENTRY / 16; /* of its folder */
			continue;
		}
		c->bytes += MAX((int64_t)st.st_blocks * 512, (int64_t)FILES_ENTRY);
		if (S_ISDIR(st.st_mode)) {
			auto_fd int sub = folder_open(fd, de->d_name);

			if (sub >= 0)
				measure(c, sub, most, depth + 1);
			else if (errno == EMFILE)
				c->bytes += most;
		}
	}
}

void files_measure(struct disk_count *c, const char *path, int64_t most)
{
	auto_fd int fd = folder_open(AT_FDCWD, path);

	if (fd >= 0)
		measure(c, fd, most, 1);
}

/* ---- handing over ---- */

static bool give(int fd, uid_t uid, int depth)
{
	auto_dir DIR *d = list_of(fd);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		struct stat st;

		if (is_dot(de->d_name) || fstatat(fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (st.st_uid != uid && fchownat(fd, de->d_name, uid, uid, AT_SYMLINK_NOFOLLOW) < 0)
			return false;
		if (S_ISDIR(st.st_mode) && depth < MAX_DEPTH) {
			auto_fd int sub = folder_open(fd, de->d_name);

			if (sub >= 0 && !give(sub, uid, depth + 1))
				return false;
		}
	}
	return true;
}

bool files_give(const char *path, uid_t uid, struct err *e)
{
	auto_fd int fd = folder_open(AT_FDCWD, path);

	/* the folder itself last: it tells that all below was handed over */
	return (fd >= 0 && give(fd, uid, 0) && fchown(fd, uid, uid) == 0) ||
	       err_errno(e, "could not hand over \"%s\"", path);
}

char *files_read_untrusted(
	struct arena *a, const char *folder, const char *name, size_t max, size_t *ret_len)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV };
	auto_fd int at = folder_open(AT_FDCWD, folder);
	auto_fd int fd = -1;
	struct stat st;
	size_t len = 0;
	char *data;

	if (at < 0)
		return NULL;
	fd = (int)syscall(SYS_openat2, at, name, &how, sizeof how);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < 0 ||
		(size_t)st.st_size > max)
		return NULL;
	data = arena_alloc(a, max + 1);
	while (len < max) {
		ssize_t n = read(fd, data + len, max - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	data[len] = '\0';
	*ret_len = len;
	return data;
}
