/*
 * Trees that somebody else wrote: copied, removed and handed over without ever following a link in them, beneath open
 * folders (openat(2)), to any depth, so that what a program leaves can neither lead root astray nor outlast it.
 */
#ifndef NAP_NODE_FILES_H
#define NAP_NODE_FILES_H

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"

#include <sys/types.h>

struct copy_rules {
	bool has_owner;
	uid_t owner; /* of all that is made */
	bool open;   /* files become 0666 or 0777, folders 0777: as prepared trees are */
	int64_t max_entries, max_bytes; /* 0: no limit; bytes as they lie on the disk */
};

/*
 * Makes to (which must not be there) a copy of the folder from: folders, files (shared blocks where the file system can,
 * holes kept), links as they are. Devices, pipes, sockets and set-user-ID bits are left out.
 * Errors: ERR_TOO_LARGE "result_too_large", ERR_INTERNAL.
 */
NODISCARD bool files_copy(
	const char *from, const char *to, const struct copy_rules *rules, struct err *e);

/* Removes path and all below it, mounts excepted; absent is fine. */
NODISCARD bool files_remove(const char *path, struct err *e);

/* Removes all below path, and leaves it. */
NODISCARD bool files_empty(const char *path, struct err *e);

/*
 * The room that a folder takes, as disk_count_add() counts it, but for what others write: no more than most bytes are
 * counted, so that no number of files makes it long; each name takes FILES_ENTRY bytes at least, for a machine can run
 * out of inodes too; and folders nested too deep to be walked count as all of most.
 */
#define FILES_ENTRY 4096
void files_measure(struct disk_count *c, const char *path, int64_t most);

/* All below path, and path, become uid's; links themselves, never what they name. */
NODISCARD bool files_give(const char *path, uid_t uid, struct err *e);

/* One small file beneath folder, written by an untrusted user: no links, regular, at most max bytes. NULL: none. */
char *files_read_untrusted(
	struct arena *a, const char *folder, const char *name, size_t max, size_t *ret_len);

#endif
