/*
 * What git knows of a pushed commit, asked from inside a hook.
 *
 * git started from a hook keeps GIT_DIR, GIT_OBJECT_DIRECTORY, GIT_ALTERNATE_OBJECT_DIRECTORIES, GIT_QUARANTINE_PATH
 * (githooks(5), git-receive-pack(1) "Quarantine Environment"): without them pre-receive does not see the commit.
 */
#ifndef NAP_PUSH_SOURCE_H
#define NAP_PUSH_SOURCE_H

#include "base/arena.h"
#include "base/err.h"

#define MAX_TREE_ENTRIES 200000

struct push_source {
	int64_t entries, bytes; /* files and folders, and their size unpacked */
	bool too_many;		/* more than MAX_TREE_ENTRIES: the rest was not looked at */
	const char *profile;	/* NULL: there is none */
	size_t profile_len;
	bool run;	       /* has a file "run" */
	bool lfs;	       /* .gitattributes names the filter of git LFS */
	const char *submodule; /* path of the first one, NULL: none */
};

/*
 * Streams the tree of commit (never unpacks it) and reads its profile.
 * Errors: INVALID "profile_invalid" (not a file, over 1 MiB), "source_unreadable"; UPSTREAM.
 */
NODISCARD bool push_source_read(
	const char *commit, struct arena *a, struct push_source *ret, struct err *e);

/* One line of `git ls-tree -r -t -l`; exposed for its test. */
struct push_tree {
	struct push_source *source;
	char profile[65], attributes[65];
	int64_t profile_size, attributes_size;
	bool profile_is_file;
};
void push_tree_line(struct push_tree *t, struct arena *a, const char *line, size_t n);

/* Whether the two commits have one in common; true when git cannot tell (a shallow history). */
NODISCARD bool push_related(
	const char *one, const char *other, struct arena *a, bool *ret, struct err *e);

/* The branch that HEAD names, and the commit it is at: NULL if it has none yet. */
NODISCARD bool push_head(
	struct arena *a, const char **ret_ref, const char **ret_commit, struct err *e);
NODISCARD bool push_head_set(const char *ref, struct arena *a, struct err *e);

/* NULL: the ref does not exist */
NODISCARD bool push_ref_read(
	const char *ref, struct arena *a, const char **ret_commit, struct err *e);
NODISCARD bool push_is_ancestor(
	const char *old, const char *later, struct arena *a, bool *ret, struct err *e);

/* Compare and swap; a commit of zeros stands for no ref. CONFLICT "branch_moved". */
NODISCARD bool push_ref_move(
	const char *ref, const char *to, const char *from, struct arena *a, struct err *e);

bool push_is_zero(const char *commit);

#endif
