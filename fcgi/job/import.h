/*
 * An archive becomes a commit: read by libarchive and written, as it is read, into git fast-import. No file of it is ever
 * unpacked (RULES 23).
 *
 * The commit holds the archive's regular files, 0644 or 0755, its symbolic links and what hard links name, and nothing of the
 * parent's. What is none of these (devices, sockets) is left out with a warning. A path that leads out of the source, or
 * into .git, refuses the whole. See git-fast-import(1), libarchive(3).
 */
#ifndef NAP_JOB_IMPORT_H
#define NAP_JOB_IMPORT_H

#include "job/git.h"

/*
 * type: "application/gzip" (a tar), "application/x-tar" or "application/zip". parent: a commit, or NULL.
 * Errors: ERR_INVALID "source_broken", "source_empty"; ERR_TOO_LARGE "source_too_large"; those of git_run.
 */
NODISCARD bool import_archive(struct job *job, const char *path, const char *type,
	const char *parent, char ret_commit[GIT_ID_SIZE], struct err *e);

/* The path of an entry as git has it, without "./" and a slash at its end; NULL: it is none. Exposed for its test. */
const char *import_path(struct arena *a, const char *path);

#endif
