/*
 * What stands behind both doors of git, HTTP (push_cgi.h) and SSH (push_shell.h): the environment that git and the
 * hooks of a push get, and what is made and taken before git starts.
 */
#ifndef NAP_PUSH_GIT_H
#define NAP_PUSH_GIT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/proc.h"

/*
 * state, bin    $NAP_STATE; the folder of nap's programs
 * repo          the app's id, "12", or "empty"
 * actor         who, as operations tell it: "token:7", "key:3"
 * protocol      GIT_PROTOCOL as the client sent it, or NULL
 * max_bytes     of one push, a number; NULL: 4 GiB
 * place         "push" or "fetch": one of the tenant's places of that kind is taken; NULL: none is
 * places        so many of them it has
 */
struct push_git {
	const char *state, *bin;
	const char *tenant, *app, *repo, *actor, *request_id;
	const char *protocol, *max_bytes, *place;
	int places;
};

#define PUSHES_A_TENANT	 2 /* whatever door they come by */
#define FETCHES_A_TENANT 8 /* over SSH, where each has a process from its first byte on */

/* KEY=VALUE texts for git and nap-hook, and nothing of the caller's environment, in memory of a */
void push_git_env(const struct push_git *g, struct arena *a, struct argv *ret);

/*
 * Makes the repository and the links of the hooks where they are missing, takes a place where one is named, and sets
 * the limits of the processes to come: file modes for the group, memory. ERR_BUSY "too_many_pushes".
 */
NODISCARD bool push_git_ready(const struct push_git *g, struct err *e);

/* the folder of this program: nap's others stand beside it; in memory of a */
NODISCARD bool push_git_bin(struct arena *a, const char **ret, struct err *e);

#endif
