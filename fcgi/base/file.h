/*
 * Whole files, and folders, without races and half-written results.
 */
#ifndef NAP_BASE_FILE_H
#define NAP_BASE_FILE_H

#include "base/arena.h"
#include "base/err.h"

#include <sys/stat.h>

/* The regular file's whole content, terminated; longer than max is ERR_TOO_LARGE, absent ERR_NOT_FOUND. */
NODISCARD bool file_read(
	const char *path, size_t max, struct arena *a, char **ret, size_t *ret_len, struct err *e);

/* Replaces path by data: written beside it (0600 & mode), fsynced, renamed, folder fsynced (rename(2)). */
NODISCARD bool file_replace(
	const char *path, const void *data, size_t len, unsigned int mode, struct err *e);

/* All of data into fd, in as many calls as it takes; false, and errno. */
NODISCARD bool file_write(int fd, const void *data, size_t n);

/* Makes path and its missing parents with mode; an existing folder is fine. */
NODISCARD bool dir_make(const char *path, unsigned int mode, struct err *e);

/*
 * The room that folders take on the disk: blocks, not lengths, of all that is below them, without following links or
 * crossing into other file systems. What has several names counts once over all that is added to one count.
 * What cannot be read counts nothing. Not for two threads (it changes folders).
 */
struct disk_count {
	int64_t bytes;
	struct disk_name *name;
	size_t n, size;
};
void disk_count_add(struct disk_count *c, const char *path);
void disk_count_name(struct disk_count *c, const struct stat *st); /* one file, of any name */
int64_t disk_count_end(struct disk_count *c);			   /* the sum; c is as new */

/* "." and ".." of readdir(3) */
bool is_dot(const char *name);

/* The folder name below at, open, if it is one and no link; -1 and errno. */
int folder_open(int at, const char *name);

/* There is something in the folder path below at; false: nothing, or it cannot be read. */
bool folder_has_any(int at, const char *path);

/* Removes path and all below it, never following a link; absent is fine. */
NODISCARD bool tree_remove(const char *path, struct err *e);

#endif
