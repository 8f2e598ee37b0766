/*
 * A folder as one archive, for POST /apps/{app}/source: gzipped tar, made by libarchive into a file without a name.
 *
 * Regular files and symbolic links in the order of their names, 0644 or 0755, owned by nobody; without .git, and without what
 * .napignore (ignore.h) leaves out. Nothing is followed. Sockets and devices are skipped.
 */
#ifndef NAP_CLI_ARCHIVE_H
#define NAP_CLI_ARCHIVE_H

#include "base/err.h"

struct archive_made {
	int file; /* open at its beginning, the caller's to close */
	int64_t bytes, files;
};

/* Errors: ERR_INVALID "empty_folder", "unreadable"; ERR_INTERNAL. */
NODISCARD bool archive_folder(const char *folder, struct archive_made *ret, struct err *e);

#endif
