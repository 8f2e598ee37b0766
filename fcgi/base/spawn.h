/*
 * Starting a process, for those who wait for it themselves; base/proc.h waits and keeps what is printed. See
 * posix_spawn(3).
 */
#ifndef NAP_BASE_SPAWN_H
#define NAP_BASE_SPAWN_H

#include "base/err.h"

#include <sys/types.h>

#define SPAWN_NULL (-1) /* /dev/null */

struct spawn {
	const char *path; /* absolute, or searched in PATH of env */
	const char *const *argv, *const *env;
	const char *dir;     /* NULL: the caller's */
	int in;		     /* becomes descriptor 0; 0: /dev/null */
	int out, err;	     /* become 1 and 2; 0: the caller's; or SPAWN_NULL */
	int pass_fd;	     /* becomes descriptor 3; 0: none */
	bool session, group; /* of its own */
};

/*
 * All descriptors from 3 on are closed but pass_fd; signals are as at a program's start. ERR_UPSTREAM "not_started", and errno
 * says why.
 */
NODISCARD bool spawn_start(const struct spawn *s, pid_t *ret, struct err *e);

/* Starts it and waits at most timeout_ms, then kills it; ret_status as of waitpid(2). For short helpers (crun). */
NODISCARD bool spawn_wait(const struct spawn *s, int timeout_ms, int *ret_status, struct err *e);

#endif
