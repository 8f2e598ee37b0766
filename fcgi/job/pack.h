/*
 * Repositories packed anew: every push and fetch adds a pack or loose objects, and what a refused push brought stays
 * until it is old. git gc does both, here alone (receive.autogc is off), one repository at a time, when
 *
 *	it has more than 20 packs, or about 2,000 loose objects; or
 *	something came since the last time, and that was a week ago.
 *
 * Not while a push of the tenant or an operation of the app is under way. One that begins meanwhile loses nothing: what
 * no ref reaches goes only when it is older than two days, longer than any push lives, and a pack goes only when another
 * holds all of it. A gc that is killed has removed nothing.
 */
#ifndef NAP_JOB_PACK_H
#define NAP_JOB_PACK_H

#include "job/job.h"

/* The repositories that need it, a few a sweep; self is no operation. A git that fails is logged. */
NODISCARD bool pack_sweep(struct job *self, struct err *e);

/*
 * The lock of a repository that is being packed, a descriptor, -1 where another has it: whoever packs holds it, and
 * whoever removes files that git has not finished (git.c).
 */
int pack_lock(struct job *job);
/* The same of any repository, and until it can be had: for who needs that no file of it goes meanwhile (pool.c). */
NODISCARD bool pack_lock_wait(struct job *job, const char *repo, int *ret, struct err *e);

#endif
