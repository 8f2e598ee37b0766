#include "unit/run.h"
#include "base/clock.h"
#include "base/file.h"
#include "unit/command.h"
#include "unit/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/prctl.h>

/* What nap-unit run did not live to tell: runsv saw it end by itself. */
static struct unit_end end_from_runsv(const struct unit *u, int code, int signal_number)
{
	struct unit_end end = { "success", code, code < 0 ? signal_number : 0 };

	if (!command_success(u, &end, true))
		end.result = code < 0 ? "signal" : "exit-code";
	if (!streq(end.result, "success") && sandbox_oom_kills(u) > 0)
		end.result = "oom-kill";
	return end;
}

/* byte 17 of supervise/status: u, or d and x (runsv(8)) ; the service's folder is where runsv starts us */
static bool runsv_wants_it(void)
{
	char status[20];
	auto_fd int fd = open("supervise/status", O_RDONLY | O_CLOEXEC);

	return fd < 0 || read(fd, status, sizeof status) != (ssize_t)sizeof status ||
	       status[17] == 'u';
}

static void tell_runsv(char letter)
{
	auto_fd int fd = open("supervise/control", O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || write(fd, &letter, 1) != 1)
		(void)fprintf(stderr, "<3>nap-unit: runsv does not listen\n");
}

/*
 * Down: runsv shall not start it again. Not where it is leaving already, for d would make it stay; and where the agent's
 * x came just before our d it is said again: the agent writes its order to the unit's folder first.
 */
static void runsv_down(const struct unit *u)
{
	if (!runsv_wants_it())
		return;
	tell_runsv('d');
	if (unit_stop_ordered(u))
		tell_runsv('x');
}

static bool wanted(const struct unit *u)
{
	return runsv_wants_it() && !unit_stop_ordered(u);
}

static bool restarts(const struct unit *u, const struct unit_end *end)
{
	const struct unit_options *o = &u->options;
	bool by_signal = end->code < 0;
	int number = by_signal ? end->signal : end->code;
	bool clean = streq(end->result, "success");
	bool abnormal = streq(end->result, "signal") || streq(end->result, "timeout") ||
			streq(end->result, "oom-kill") || streq(end->result, "watchdog");

	if (u->options.bad || streq(end->result, "start-limit-hit") || streq(end->result, "disk"))
		return false;
	if (unit_exits_has(&o->restart_prevent, by_signal, number))
		return false;
	if (unit_exits_has(&o->restart_force, by_signal, number))
		return true;
	switch (o->restart) {
	case UNIT_RESTART_NO:
	case UNIT_RESTART_ON_WATCHDOG:
		return false;
	case UNIT_RESTART_ON_SUCCESS:
		return clean;
	case UNIT_RESTART_ON_FAILURE:
		return !clean;
	case UNIT_RESTART_ON_ABNORMAL:
		return abnormal;
	case UNIT_RESTART_ON_ABORT:
		return streq(end->result, "signal");
	case UNIT_RESTART_ALWAYS:
		return true;
	}
	return false;
}

/* RestartSec=, cut short by an order to stop: runsv replaces its status file, the agent writes "desired" before */
static bool wait_to_restart(const struct unit *u)
{
	int64_t deadline = clock_mono_ms() + MIN(u->options.restart_us / 1000, (int64_t)86400000);
	auto_fd int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (watch >= 0) {
		(void)inotify_add_watch(watch, "supervise", IN_MOVED_TO);
		(void)inotify_add_watch(watch, u->dir, IN_MOVED_TO);
	}
	for (;;) {
		struct pollfd p = { watch, POLLIN, 0 };
		int64_t left = deadline - clock_mono_ms();
		char events[4096];

		if (!wanted(u))
			return false;
		if (left <= 0)
			return true;
		(void)poll(&p, 1, (int)left);
		while (watch >= 0 && read(watch, events, sizeof events) > 0)
			;
	}
}

static void stop_post(const struct unit *u, const struct unit_end *end, const char *reason)
{
	const struct unit_options *o = &u->options;
	struct unit_words env = { 0 };
	struct waiter w;

	if (o->stop_post.n == 0)
		return;
	unit_words_add(&env, u->a, arena_printf(u->a, "SERVICE_RESULT=%s", end->result));
	unit_words_add(&env, u->a, arena_printf(u->a, "EXIT_CODE=%s", unit_exit_code(end)));
	unit_words_add(
		&env, u->a, arena_printf(u->a, "EXIT_STATUS=%s", unit_exit_status(u->a, end)));
	if (reason)
		unit_words_add(&env, u->a, arena_printf(u->a, "NAP_REASON=%s", reason));
	waiter_init(&w);
	for (size_t i = 0; i < o->stop_post.n; i++) {
		struct unit_end ignored;

		(void)command_run(u, &w, &o->stop_post.v[i], NULL, &env,
			waiter_deadline(o->timeout_stop_us), false, &ignored);
	}
}

/* Why the agent ended it; NULL: it did not, or it had only begun to when the unit ended by itself. */
static const char *ended_by_agent(const struct unit *u, const struct unit_end *end)
{
	/* of a sandbox that was killed from within, crun and bwrap make a status */
	bool killed = end->code < 0 ? end->signal == SIGKILL : end->code == 128 + SIGKILL;
	struct err ignored;
	char *text;

	if (!file_read(unit_path(u, "over"), 256, u->a, &text, NULL, &ignored))
		return NULL;
	(void)unlink(unit_path(u, "over"));
	if (!killed)
		return NULL;
	text[strcspn(text, "\n")] = '\0';
	return text;
}

/* where the log does not move the stop goes on without it */
static void end_log_line(void)
{
	static const char mark[] = UNIT_LOG_MARK "\n";
	struct pollfd p = { STDOUT_FILENO, POLLOUT, 0 };

	if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT))
		(void)!write(STDOUT_FILENO, mark, sizeof mark - 1);
}

int unit_finish(struct unit *u, int code, int signal_number)
{
	struct unit_state before = { .restarts = 0 };
	struct unit_end end;
	bool ordered = !wanted(u), told = unit_end_take(u, &end);
	const char *reason;

	(void)unit_state_read(u, &before);
	if (!told)
		end = end_from_runsv(u, code, signal_number);
	reason = ended_by_agent(u, &end);
	if (reason) {
		end.result = "disk";
		unit_event(u, "%s: %s", u->name, reason);
	}
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L);
	sandbox_prepare_mounts();
	unit_phase(u, "stop-post", &end, before.restarts, 0);
	if (!sandbox_clear(u))
		unit_event(u, "%s: processes of the unit do not end", u->name);
	end_log_line();
	stop_post(u, &end, reason);
	(void)sandbox_clear(u);
	if (!streq(end.result, "success"))
		unit_event(u, "%s: Failed with result '%s'.", u->name, end.result);
	else
		unit_event(u, "%s: Deactivated successfully.", u->name);
	ordered = ordered || !wanted(u);
	if (!ordered && restarts(u, &end)) {
		unit_phase(u, "auto-restart", &end, before.restarts, 0);
		if (wait_to_restart(u)) {
			unit_event(u, "%s: Scheduled restart job, restart counter is at %lld.",
				u->name, (long long)before.restarts + 1);
			unit_phase(u, "auto-restart", &end, before.restarts + 1, 0);
			return 0;
		}
		ordered = true;
	}
	if (ordered)
		unit_event(u, "Stopped %s.", u->title);
	/* before the phase: who sees that one may send x at once */
	runsv_down(u);
	unit_phase(u, streq(end.result, "success") ? "dead" : "failed", &end, before.restarts, 0);
	return 0;
}
