#include "unit/run.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "unit/command.h"
#include "unit/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>

struct run {
	struct unit *u;
	struct waiter w;
	struct sandbox main;
	bool main_alive;
	bool main_started; /* it ever was */
	int64_t restarts;
	struct unit_end end;
};

static void phase(const struct run *r, const char *name)
{
	unit_phase(r->u, name, &r->end, r->restarts, r->main_alive ? r->main.pid : 0);
}

static bool failed(struct run *r, const char *result, int code, int sig)
{
	r->end = (struct unit_end){ result, code, sig };
	return false;
}

/* ---- before the start ---- */

static bool new_invocation(const struct unit *u, struct err *e)
{
	unsigned char random[16];
	char hex[2 * sizeof random + 1];

	if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
		return err_errno(e, "could not get random bytes");
	hex_encode(hex, random, sizeof random);
	return file_replace(unit_path(u, "invocation"), hex, strlen(hex), 0600, e);
}

/* the starts within the interval; this one is added unless there are too many already */
static bool within_start_limit(const struct unit *u)
{
	const struct unit_options *o = &u->options;
	int64_t now = clock_now_us(), n = 0, at;
	const char *path = unit_path(u, "starts");
	auto_buf struct buf b = { 0 };
	struct slice rest = { "", 0 }, line;
	struct err e;
	char *text;
	size_t len;

	buf_init(&b, 65536);
	if (o->start_limit_interval_us == 0 || o->start_limit_burst == 0)
		return true;
	if (file_read(path, 65536, u->a, &text, &len, &e))
		rest = (struct slice){ text, len };
	while (slice_line(&rest, &line))
		if (parse_slice_i64(line, 0, now, &at) && at > now - o->start_limit_interval_us) {
			n++;
			buf_printf(&b, "%lld\n", (long long)at);
		}
	if (n >= o->start_limit_burst)
		return false;
	buf_printf(&b, "%lld\n", (long long)now);
	if (!file_replace(path, b.data, b.len, 0600, &e))
		(void)die(&e);
	return true;
}

static void count_restarts(struct run *r)
{
	struct unit_state before;

	if (!unit_state_read(r->u, &before))
		return;
	/* ended and to be started again, or its runsv died in the middle: the same row of starts */
	if (streq(before.phase, "failed") || streq(before.phase, "dead"))
		(void)unlink(unit_path(r->u, "starts"));
	else
		r->restarts = before.restarts;
}

/* ---- commands beside the main process ---- */

/* false: one failed; r->end says how. A stop that is ordered meanwhile ends the row. */
static bool run_commands(struct run *r, const struct unit_commands *list, const char *what,
	int64_t deadline_ms, bool stoppable)
{
	for (size_t i = 0; i < list->n; i++) {
		struct unit_end end;

		if (command_run(r->u, &r->w, &list->v[i], r->main_alive ? &r->main : NULL, NULL,
			    deadline_ms, stoppable, &end))
			continue;
		if (stoppable && r->w.stop)
			return failed(r, "success", 0, 0);
		if (list->v[i].ignore_failure)
			continue;
		unit_event(r->u, "%s: %s, code=%s, status=%s", r->u->name, what,
			unit_exit_code(&end), unit_exit_status(r->u->a, &end));
		return failed(r, end.result, end.code, end.signal);
	}
	return true;
}

/* ---- the main process ---- */

static void end_of_main(struct run *r, int outer)
{
	struct unit *u = r->u;
	int status = sandbox_status(&r->main, outer);
	struct unit_end end = { "success", 0, 0 };
	int64_t killed = sandbox_oom_kills(u);
	bool fine;

	r->main_alive = false;
	if (WIFSIGNALED(status)) {
		end.code = -1;
		end.signal = WTERMSIG(status);
	} else {
		end.code = WEXITSTATUS(status);
	}
	fine = command_success(u, &end, true);
	if (!fine)
		end.result = end.code < 0 ? "signal" : "exit-code";
	if (!fine && killed > 0) {
		end.result = "oom-kill";
		unit_event(u, "%s: A process of this unit has been killed by the OOM killer.",
			u->name);
	}
	if (!fine || end.code != 0)
		unit_event(u, "%s: Main process exited, code=%s, status=%s", u->name,
			unit_exit_code(&end), command_status_text(u->a, &end));
	/* a stop or a timeout has the last word over how it ended */
	if (streq(r->end.result, "timeout"))
		end.result = "timeout";
	r->end = end;
}

static bool start_main(struct run *r, const struct unit_command *c)
{
	struct unit_words env = unit_environment(r->u, false);
	struct err e = { 0 };

	if (!c->privileged && !unit_environment_there(r->u))
		return failed(r, "resources", 0, 0);
	if (!(c->privileged ? command_start_privileged(r->u, c, NULL, &r->main, &e)
			    : sandbox_start(r->u, c, &env, &r->main, &e))) {
		unit_event(r->u, "%s: Failed to start: %s", r->u->name, e.msg);
		(void)die(&e);
		return failed(r, "resources", 226, 0);
	}
	r->main_alive = r->main_started = true;
	return true;
}

/* until the main process ends, a stop is ordered or the deadline has passed */
static enum waited wait_main(struct run *r, int64_t deadline_ms)
{
	int outer;
	enum waited what = waiter_wait(&r->w, r->main.pid, deadline_ms, true, &outer);

	if (what == WAITED_ENDED)
		end_of_main(r, outer);
	return what;
}

/* TERM, TimeoutStopSec=, KILL */
static void kill_main(struct run *r)
{
	const struct unit_options *o = &r->u->options;
	int64_t deadline = waiter_deadline(o->timeout_stop_us);
	int outer;

	if (!r->main_alive || o->kill_mode == UNIT_KILL_NONE)
		return;
	if (o->kill_mode == UNIT_KILL_CONTROL_GROUP)
		sandbox_signal_all(r->u, &r->main, o->kill_signal);
	else
		sandbox_signal(&r->main, o->kill_signal);
	if (waiter_wait(&r->w, r->main.pid, deadline, false, &outer) != WAITED_ENDED) {
		unit_event(r->u, "%s: State 'stop-sigterm' timed out. Killing.", r->u->name);
		unit_event(r->u, "%s: Killing process %d with signal SIGKILL.", r->u->name,
			(int)r->main.pid);
		r->end.result = "timeout";
		sandbox_signal(&r->main, SIGKILL);
		(void)kill(r->main.pid, SIGKILL);
		(void)waiter_wait(&r->w, r->main.pid, INT64_MAX, false, &outer);
	}
	end_of_main(r, outer);
}

/* ordered, or because the unit's time is over */
static void stop(struct run *r)
{
	const struct unit_options *o = &r->u->options;
	struct unit_end before = r->end;

	if (r->w.stop)
		unit_event(r->u, "Stopping %s...", r->u->title);
	phase(r, "stop");
	if (r->main_alive || o->remain_after_exit)
		(void)run_commands(r, &o->stop, "Control process exited",
			waiter_deadline(o->timeout_stop_us), false);
	r->end = before;
	kill_main(r);
	/* what TERM made of it is no failure */
	if (r->w.stop && streq(r->end.result, "signal") && r->end.signal == o->kill_signal)
		r->end.result = "success";
}

static bool start_oneshot(struct run *r, int64_t deadline)
{
	const struct unit_options *o = &r->u->options;

	for (size_t i = 0; i < o->start.n; i++) {
		enum waited what;

		if (!start_main(r, &o->start.v[i]))
			return false;
		phase(r, "start");
		what = wait_main(r, deadline);
		if (what == WAITED_STOP)
			return true;
		if (what == WAITED_TIMEOUT) {
			unit_event(r->u, "%s: start operation timed out. Terminating.", r->u->name);
			r->end.result = "timeout";
			kill_main(r);
			r->end.result = "timeout";
			return false;
		}
		if (!streq(r->end.result, "success") && !o->start.v[i].ignore_failure)
			return false;
		if (o->start.v[i].ignore_failure)
			r->end.result = "success";
		/* the next one is a sandbox of the same name */
		(void)sandbox_clear(r->u);
	}
	return true;
}

static bool begin(struct run *r)
{
	const struct unit_options *o = &r->u->options;
	int64_t deadline = waiter_deadline(o->timeout_start_us);

	phase(r, o->start_pre.n ? "start-pre" : "start");
	if (o->start_pre.n || o->type == UNIT_ONESHOT)
		unit_event(r->u, "Starting %s...", r->u->title);
	if (!run_commands(r, &o->start_pre, "Control process exited", deadline, true))
		return false;
	if (o->type == UNIT_ONESHOT) {
		if (!start_oneshot(r, deadline) || r->w.stop)
			return false;
	} else if (o->start.n) {
		phase(r, "start");
		if (!start_main(r, &o->start.v[0]))
			return false;
		if (r->w.stop)
			return true;
	}
	if (!o->start_post.n)
		return true;
	phase(r, "start-post");
	return run_commands(r, &o->start_post, "Control process exited", deadline, true);
}

static void serve(struct run *r)
{
	const struct unit_options *o = &r->u->options;
	enum waited what = WAITED_ENDED;

	phase(r, "running");
	unit_event(r->u, o->type == UNIT_ONESHOT ? "Finished %s." : "Started %s.", r->u->title);
	if (r->main_alive)
		what = wait_main(r, waiter_deadline(o->runtime_max_us));
	if (what == WAITED_TIMEOUT) {
		unit_event(r->u, "%s: Service reached runtime time limit. Stopping.", r->u->name);
		r->end.result = "timeout";
		stop(r);
		r->end.result = "timeout";
	} else if (what == WAITED_ENDED && o->remain_after_exit &&
		   streq(r->end.result, "success")) {
		phase(r, "exited");
		(void)waiter_wait(&r->w, 0, INT64_MAX, true, NULL);
	}
	if (r->w.stop)
		stop(r);
}

/*
 * A unit of privileged commands only (a sidekick) needs no one to stand beside it: nap-unit becomes its program. What
 * it ends with comes to finish by runsv.
 */
static void become(struct run *r)
{
	const struct unit_options *o = &r->u->options;

	if (o->type == UNIT_ONESHOT || o->start.n != 1 || !o->start.v[0].privileged ||
		o->start_pre.n || o->start_post.n || o->stop.n ||
		o->runtime_max_us != UNIT_INFINITY)
		return;
	unit_phase(r->u, "running", NULL, r->restarts, getpid());
	unit_event(r->u, "Started %s.", r->u->title);
	command_exec_privileged(r->u, &o->start.v[0]);
}

static int leave(struct run *r)
{
	unit_end_write(r->u, &r->end);
	return r->end.code < 0 ? 128 + r->end.signal : r->end.code;
}

int unit_run(struct unit *u)
{
	struct run r = { .u = u, .end = { "success", 0, 0 }, .main = { .status = -1 } };
	struct err e = { 0 };

	waiter_init(&r.w);
	count_restarts(&r);
	(void)unlink(unit_path(u, "end"));
	(void)unlink(unit_path(u, "over"));
	if (u->options.bad) {
		unit_event(u, "%s: %s", u->name, u->options.bad);
		(void)failed(&r, "resources", 0, 0);
		return leave(&r);
	}
	if (!within_start_limit(u)) {
		unit_event(u, "%s: Start request repeated too quickly.", u->name);
		(void)failed(&r, "start-limit-hit", 0, 0);
		return leave(&r);
	}
	if (!new_invocation(u, &e)) {
		(void)die(&e);
		(void)failed(&r, "resources", 0, 0);
		return leave(&r);
	}
	if (r.restarts == 0)
		for (size_t i = 0; i < u->options.warnings.n; i++)
			unit_event(u, "%s: %s", u->name, u->options.warnings.v[i]);
	become(&r);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L);
	sandbox_prepare_mounts();
	/* an earlier run of the unit may have been killed beside its program */
	if (!sandbox_clear(u)) {
		unit_event(u, "%s: what ran before does not end", u->name);
		(void)failed(&r, "resources", 0, 0);
		return leave(&r);
	}
	if (begin(&r) && !r.w.stop)
		serve(&r);
	else if (r.main_alive)
		stop(&r);
	return leave(&r);
}
