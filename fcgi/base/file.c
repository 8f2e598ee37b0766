#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <ftw.h>
#include <libgen.h>
#include <sys/stat.h>

bool file_read(
	const char *path, size_t max, struct arena *a, char **ret, size_t *ret_len, struct err *e)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	size_t len = 0, size;
	char *data;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_set(e, ERR_NOT_FOUND, "not_found", "file \"%s\" does not exist", path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, "could not open file \"%s\"", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "not_a_file", "\"%s\" is not a regular file", path);
	if (st.st_size > 0 && (size_t)st.st_size > max)
		return err_set(e, ERR_TOO_LARGE, "too_large",
			"file \"%s\" is larger than %zu bytes", path, max);
	size = MIN(max, (size_t)MAX(st.st_size, 4096)) + 2; /* /proc files have size 0 */
	data = arena_alloc(a, size);
	for (;;) {
		ssize_t n = read(fd, data + len, size - 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "could not read file \"%s\"", path);
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max || len == size - 1)
			return err_set(e, ERR_TOO_LARGE, "too_large",
				"file \"%s\" is larger than %zu bytes", path, size - 2);
	}
	data[len] = '\0';
	*ret = data;
	if (ret_len)
		*ret_len = len;
	return true;
}

bool file_write(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return true;
}

static void sync_folder_of(const char *path)
{
	auto_free char *copy = xstrdup(path);
	auto_fd int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		(void)fsync(fd);
}

bool file_replace(const char *path, const void *data, size_t len, unsigned int mode, struct err *e)
{
	auto_free char *tmp = xasprintf("%s.%d.tmp", path, (int)getpid());
	auto_fd int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_errno(e, "could not create file \"%s\"", tmp);
	if (!file_write(fd, data, len) || fchmod(fd, mode) < 0 || fsync(fd) < 0 ||
		rename(tmp, path) < 0) {
		(void)err_errno(e, "could not write file \"%s\"", path);
		(void)unlink(tmp);
		return false;
	}
	sync_folder_of(path);
	return true;
}

bool dir_make(const char *path, unsigned int mode, struct err *e)
{
	auto_free char *copy = xstrdup(path);
	struct stat st;

	for (char *p = copy + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return err_errno(e, "could not create folder \"%s\"", copy);
		*p = '/';
	}
	if (mkdir(copy, mode) < 0 && errno != EEXIST)
		return err_errno(e, "could not create folder \"%s\"", copy);
	if (stat(copy, &st) < 0 || !S_ISDIR(st.st_mode))
		return err_set(e, ERR_INTERNAL, "internal", "\"%s\" is not a folder", path);
	return true;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	return kind == FTW_DP || kind == FTW_DNR ? rmdir(path) : unlink(path);
}

bool is_dot(const char *name)
{
	return streq(name, ".") || streq(name, "..");
}

int folder_open(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
}

bool folder_has_any(int at, const char *path)
{
	int fd = folder_open(at, path);
	auto_dir DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *de;

	while (d && (de = readdir(d)))
		if (!is_dot(de->d_name))
			return true;
	return false;
}

bool tree_remove(const char *path, struct err *e)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT || err_errno(e, "could not look at \"%s\"", path);
	if (!S_ISDIR(st.st_mode))
		return unlink(path) == 0 || err_errno(e, "could not remove \"%s\"", path);
	if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0)
		return err_errno(e, "could not remove folder \"%s\"", path);
	return true;
}

/* one of the names of a file that has several */
struct disk_name {
	dev_t dev;
	ino_t ino;
	int64_t bytes;
};

void disk_count_name(struct disk_count *c, const struct stat *st)
{
	if (c->n == c->size) {
		c->size = MAX(c->size * 2, (size_t)64);
		c->name = xrealloc_array(c->name, c->size, sizeof *c->name);
	}
	c->name[c->n++] =
		(struct disk_name){ st->st_dev, st->st_ino, (int64_t)st->st_blocks * 512 };
}

void disk_count_add(struct disk_count *c, const char *path)
{
	auto_free char *copy = xstrdup(path);
	FTS *walk = fts_open((char *[]){ copy, NULL }, FTS_PHYSICAL | FTS_XDEV, NULL);
	const FTSENT *entry;

	while (walk && (entry = fts_read(walk))) {
		if (entry->fts_info == FTS_DP || entry->fts_info == FTS_NS ||
			entry->fts_info == FTS_ERR || entry->fts_info == FTS_DC)
			continue;
		if (entry->fts_info != FTS_D && entry->fts_statp->st_nlink > 1)
			disk_count_name(c, entry->fts_statp);
		else
			c->bytes += (int64_t)entry->fts_statp->st_blocks * 512;
	}
	if (walk)
		(void)fts_close(walk);
}

static int compare_names(const void *a, const void *b)
{
	const struct disk_name *x = a, *y = b;

	return x->dev != y->dev	  ? (x->dev < y->dev ? -1 : 1)
	       : x->ino != y->ino ? (x->ino < y->ino ? -1 : 1)
				  : 0;
}

int64_t disk_count_end(struct disk_count *c)
{
	int64_t sum = c->bytes;

	if (c->n)
		qsort(c->name, c->n, sizeof *c->name, compare_names);
	for (size_t i = 0; i < c->n; i++)
		if (i == 0 || compare_names(&c->name[i - 1], &c->name[i]) != 0)
			sum += c->name[i].bytes;
	free(c->name);
	*c = (struct disk_count){ 0 };
	return sum;
}
