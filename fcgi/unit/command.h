/*
 * The single commands of a unit, and waiting for processes: the end of one, an ordered stop (TERM) or a deadline,
 * whichever comes first.
 */
#ifndef NAP_UNIT_COMMAND_H
#define NAP_UNIT_COMMAND_H

#include "unit/sandbox.h"

struct waiter {
	int signals; /* signalfd(2); all signals are blocked */
	bool stop;   /* TERM or INT came */
};

enum waited { WAITED_ENDED, WAITED_STOP, WAITED_TIMEOUT };

void waiter_init(struct waiter *w);
/* milliseconds of CLOCK_MONOTONIC; INT64_MAX for UNIT_INFINITY */
int64_t waiter_deadline(int64_t us);
/* Reaps whatever ends meanwhile. pid 0: only a stop or the deadline. ret_status may be NULL. */
enum waited waiter_wait(
	struct waiter *w, pid_t pid, int64_t deadline_ms, bool stoppable, int *ret_status);

/*
 * Runs c to its end: privileged outside, else in the sandbox, beside main if there is one. more: "K=v" for its
 * environment, or NULL. False: it could not be started, failed, took too long or was stopped; ret says how.
 */
bool command_run(const struct unit *u, struct waiter *w, const struct unit_command *c,
	const struct sandbox *main, const struct unit_words *more, int64_t deadline_ms,
	bool stoppable, struct unit_end *ret);

/* c with + in front, as root, outside: nap's own helper only (RULES 5). ERR_FORBIDDEN "not_ours". */
NODISCARD bool command_start_privileged(const struct unit *u, const struct unit_command *c,
	const struct unit_words *more, struct sandbox *ret, struct err *e);
/* The same in place of this process; returns only on failure, which it has told. */
void command_exec_privileged(const struct unit *u, const struct unit_command *c);

/* status 0, SuccessExitStatus=, and for a main process the signals that systemd takes for a clean end */
bool command_success(const struct unit *u, const struct unit_end *end, bool main);

/* "1/FAILURE", "203/EXEC", "15/TERM": as systemd writes a status in its messages */
const char *command_status_text(struct arena *a, const struct unit_end *end);

#endif
