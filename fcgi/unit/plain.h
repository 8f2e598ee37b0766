/*
 * Units where crun cannot run: bubblewrap, or only another uid, or nothing.
 *
 * Limits are setrlimit(2), set by nap-run -i before it changes the user: RLIMIT_DATA in place of the memory limit
 * (address space that is only reserved, as Java, Go and Node do, is not counted), RLIMIT_NPROC for TasksMax=.
 */
#ifndef NAP_UNIT_PLAIN_H
#define NAP_UNIT_PLAIN_H

#include "unit/sandbox.h"

NODISCARD bool plain_start(const struct unit *u, const struct unit_command *c,
	const struct unit_words *env, int status_fd, struct sandbox *ret, struct err *e);

/* to b's processes, where they have no uid of their own */
void plain_signal_all(const struct sandbox *b, int number);

/* SIGKILL to all processes of the unit's uid, by a child that has taken it */
void plain_kill_user(const struct unit *u);

#endif
