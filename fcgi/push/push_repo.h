/*
 * The bare repositories below $NAP_STATE/git: one an app, named by the app's id and never by its name, so that a
 * name given again never meets the old one's objects.
 *
 *	ID.git      2770, owned by whoever made it (nap-git on a push, nap on a deploy by URL), group nap-git
 *	empty.git   what info/refs of an app that does not exist yet shows
 *	hooks/      pre-receive and update: links to nap-hook
 *	slots/      locks that count a tenant's pushes and fetches
 */
#ifndef NAP_PUSH_REPO_H
#define NAP_PUSH_REPO_H

#include "base/err.h"

/*
 * Makes $state/git/NAME.git if it is missing: beside and renamed, under a lock, so that two first pushes at once
 * make one. NAME is an app's id or "empty". A repository that exists is left as it is.
 */
NODISCARD bool push_repo_make(const char *state, const char *name, struct err *e);

/* Makes $state/git/hooks, its links pointing to program. */
NODISCARD bool push_hooks_make(const char *state, const char *program, struct err *e);

/*
 * Takes one of a tenant's n places for what ("push", "fetch"), as a lock on a descriptor without O_CLOEXEC: it stays
 * taken until the last child that inherited it has ended, however it ends. ERR_BUSY "too_many_pushes" when all are taken.
 */
NODISCARD bool push_slot_take(
	const char *state, const char *tenant, const char *what, int n, struct err *e);

#endif
