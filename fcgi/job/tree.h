/*
 * Prepared trees: what an instance sees as /app, once for all who need it.
 *
 *	$NAP_STATE/tree/ID    ID = SHA-256 (hex) of the tenant and the source's tree without its profile; of what a build
 *	                      makes: of that ID, the build's lines and its environment (build.h)
 *
 * Made beside and renamed, so that a tree that is there is whole. Files are 0666 or 0777 and folders 0777: an
 * instance's view of it is an overlay or a copy that its own user may write; the folder above is closed to all but
 * nap. A new release's tree is the former one's by hard links with the changed files replaced by new ones: never
 * written in place.
 */
#ifndef NAP_JOB_TREE_H
#define NAP_JOB_TREE_H

#include "job/git.h"

#define TREE_ID_SIZE 65

/* The id of commit's tree. Also checks its limits: ERR_TOO_LARGE "source_too_large", and
 * where there is no such tree yet ERR_INVALID "quota_disk". */
NODISCARD bool tree_id(struct job *job, const char *commit, char ret[TREE_ID_SIZE], struct err *e);

/* It is there, and will not be thrown away within the hour. */
bool tree_is_there(struct job *job, const char *id);

/* Makes it unless it is there. before: a commit and id of a tree that may be linked from, or NULL. */
NODISCARD bool tree_make(struct job *job, const char *commit, const char *id,
	const char *before_commit, const char *before_id, struct err *e);

#endif
