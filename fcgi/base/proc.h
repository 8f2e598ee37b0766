/*
 * Child processes that are waited for and whose output is kept (base/spawn.h starts them).
 *
 * No shell, no inherited environment, no inherited descriptor: 0 is /dev/null or the given input, all from 3 up
 * are closed (a worker's descriptor 0 is the FastCGI socket, and libfcgi's are not close-on-exec). The child
 * leads its own process group. See posix_spawn(3), pidfd_open(2).
 */
#ifndef NAP_BASE_PROC_H
#define NAP_BASE_PROC_H

#include "base/arena.h"
#include "base/err.h"

struct argv {
	const char **v; /* NULL-terminated */
	size_t n, size;
};

void argv_add(struct argv *v, struct arena *a, const char *word); /* word is kept, not copied */
void argv_addf(struct argv *v, struct arena *a, const char *fmt, ...) PRINTF(3, 4);

/* One line, without its newline, of what the child prints (stdout and stderr both, as it comes). */
typedef void proc_line_fn(void *ctx, const char *line, size_t n);

struct proc_spec {
	const char *const *argv; /* argv[0] is searched in PATH of env */
	const char *const *env;	 /* NULL: PATH, LANG=C.UTF-8, HOME=/nonexistent */
	const char *dir;	 /* NULL: the caller's */
	const char *input;	 /* to its stdin; NULL: /dev/null */
	size_t input_len;
	/* instead of input: the next piece of it, good until the next call, and its size; 0: there is no more */
	size_t (*more)(void *ctx, const char **ret);
	int stdin_fd, stdout_fd; /* given descriptors instead, if above 2; not closed here */
	int64_t timeout_ms;	 /* 1..; on expiry SIGTERM to its group, SIGKILL 2 s later */
	size_t max_bytes;	 /* kept per stream; more is read and dropped, and truncated set */
	proc_line_fn *on_line;	 /* NULL: none */
	void *ctx;
	/* asked at least each 500 ms; false ends the child as a timeout does, with ret->cancelled. NULL: none */
	bool (*go_on)(void *ctx);
};

struct proc_result {
	int status; /* exit code, or 128 + signal */
	bool timed_out, cancelled, truncated;
	char *out, *err; /* in the arena, may hold NUL bytes, terminated */
	size_t out_len, err_len;
};

/*
 * Runs spec->argv and waits for it to end. A non-zero exit is a success: see ret->status; so are a timeout and a
 * cancellation. When the child itself ends its pipes are drained once and left: a grandchild may hold them; then
 * its whole group is killed.
 * Errors: ERR_UPSTREAM "not_started". Never call it inside a database transaction.
 */
NODISCARD bool proc_run(
	const struct proc_spec *spec, struct arena *a, struct proc_result *ret, struct err *e);

#endif
