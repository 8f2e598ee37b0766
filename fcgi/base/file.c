#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
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

static bool write_all(int fd, const char *p, size_t n)
{
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
	if (!write_all(fd, data, len) || fchmod(fd, mode) < 0 || fsync(fd) < 0 ||
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
