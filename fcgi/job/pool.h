/*
 * The objects that a family of similar apps shares: $NAP_STATE/git/pool/FAMILY_ID.git, which only nap writes. The
 * members' repositories borrow from it (gitrepository-layout(5), objects/info/alternates), so that a member costs a few
 * small files however large its source is, and destroying one member, the root too, harms no other.
 *
 * Nothing in a pool is ever pruned: extensions.preciousObjects makes git refuse (git-config(1)). It goes as a whole when
 * the last member has gone (pool_sweep).
 */
#ifndef NAP_JOB_POOL_H
#define NAP_JOB_POOL_H

#include "job/git.h"

const char *pool_dir(struct job *job, int64_t family);

/*
 * Gives the pool all objects of the app's repository: by hard links, and where those are not allowed by moving them, after
 * which the app borrows them as its members do. Costs as much as the repository has packs and loose objects, not as they
 * are large. Done again it adds what is new.
 */
NODISCARD bool pool_share(struct job *job, int64_t family, int64_t app_id, struct err *e);

/* One commit that differs from another one in its file profile; or in its whole tree, too. */
struct pool_commit {
	const char *from;    /* the commit that it stands on */
	const char *tree;    /* its tree before the profile is put; NULL: that of from */
	const char *profile; /* the file's new text */
	size_t profile_n;
	const char *message;
	char id[GIT_ID_SIZE]; /* out */
};

/*
 * Makes n commits in the pool by one git process, without a work tree or an index. author: the tenant's name; at: seconds
 * since 1970. Done again with the same they have the same ids.
 */
NODISCARD bool pool_commits(struct job *job, int64_t family, const char *author, int64_t at,
	struct pool_commit *commits, size_t n, struct err *e);

/*
 * The repository of a member: its branch and its release 1 are commit. Four small files. One that is there already borrows
 * from the pool afterwards, and keeps its branch if it has it. sync: it is on the disk afterwards.
 */
NODISCARD bool pool_member(struct job *job, int64_t family, int64_t app_id, const char *branch,
	const char *commit, bool sync, struct err *e);

/* all that was written is on the disk */
NODISCARD bool pool_sync(struct job *job, struct err *e);

/* Removes the pools of families that are no more, and the repositories of apps that are no more, older than min_age_s. */
NODISCARD bool pool_sweep(struct job *job, int64_t min_age_s, struct err *e);

#endif
