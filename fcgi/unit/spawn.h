/*
 * Starting a process that nap-unit itself will wait for, beside base/proc.h, which waits and keeps what is printed: here
 * the child writes to the unit's log (descriptors 1 and 2 are handed on) and may be any length of time away.
 */
#ifndef NAP_UNIT_SPAWN_H
#define NAP_UNIT_SPAWN_H

#include "base/err.h"

#include <sys/types.h>

struct spawn {
	const char *path; /* absolute, or searched in PATH of env */
	const char *const *argv, *const *env;
	const char *dir; /* NULL: / */
	int pass_fd;	 /* becomes descriptor 3; 0: none */
	bool session;	 /* a session of its own */
};

/* Standard input is /dev/null; all from 3 on are closed but pass_fd; signals are as at a program's start. */
NODISCARD bool spawn_start(const struct spawn *s, pid_t *ret, struct err *e);

/* Starts it and waits at most timeout_ms, then kills it; ret_status as of waitpid(2). For short helpers (crun). */
NODISCARD bool spawn_wait(const struct spawn *s, int timeout_ms, int *ret_status, struct err *e);

#endif
