#include "unit/command.h"
#include "base/clock.h"
#include "base/spawn.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

void waiter_init(struct waiter *w)
{
	sigset_t all;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	*w = (struct waiter){ .signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK) };
	if (w->signals < 0)
		abort();
}

int64_t waiter_deadline(int64_t us)
{
	return us == UNIT_INFINITY ? INT64_MAX : clock_mono_ms() + us / 1000;
}

static void take_signals(struct waiter *w)
{
	struct signalfd_siginfo si;

	while (read(w->signals, &si, sizeof si) == (ssize_t)sizeof si)
		if (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT || si.ssi_signo == SIGHUP)
			w->stop = true;
}

enum waited waiter_wait(
	struct waiter *w, pid_t pid, int64_t deadline_ms, bool stoppable, int *ret_status)
{
	for (;;) {
		struct pollfd p = { w->signals, POLLIN, 0 };
		int64_t left;
		int status;
		pid_t ended;

		take_signals(w);
		while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
			if (ended == pid) {
				if (ret_status)
					*ret_status = status;
				return WAITED_ENDED;
			}
		}
		if (stoppable && w->stop)
			return WAITED_STOP;
		left = deadline_ms == INT64_MAX ? -1 : deadline_ms - clock_mono_ms();
		if (deadline_ms != INT64_MAX && left <= 0)
			return WAITED_TIMEOUT;
		(void)poll(&p, 1, (int)MIN(left, (int64_t)3600000));
	}
}

/* A + command is root: only nap's helper, by its own path, may be one. Nothing of a tenant stands in its words. */
static bool is_ours(const struct unit *u, const struct unit_command *c, struct err *e)
{
	const char *folder = arena_printf(u->a, "%s/nap/bin/", u->place.lib);

	if (starts_with(c->path, folder) && !strstr(c->path, "/../") &&
		c->path[strlen(folder)] != '\0')
		return true;
	return err_set(e, ERR_FORBIDDEN, "not_ours",
		"\"+%s\" is refused: only programs in %s run outside the sandbox", c->path, folder);
}

static struct unit_words privileged_env(const struct unit *u, const struct unit_words *more)
{
	struct unit_words env = unit_environment(u, true);

	(void)unit_env_set(&env, u->a, arena_printf(u->a, "NAP_UID=%u", u->uid));
	(void)unit_env_set(
		&env, u->a, arena_printf(u->a, "NAP_ISOLATION=%s", isolation_word(u->isolation)));
	/* where nothing can be mounted, paths inside are these: unit/plain.c */
	if (u->isolation == ISOLATION_SETPRIV || u->isolation == ISOLATION_NONE)
		(void)unit_env_set(
			&env, u->a, arena_printf(u->a, "NAP_ROOT=%s/root/%s", u->agent, u->folder));
	for (size_t i = 0; more && i < more->n; i++)
		(void)unit_env_set(&env, u->a, more->v[i]);
	return env;
}

bool command_start_privileged(const struct unit *u, const struct unit_command *c,
	const struct unit_words *more, struct sandbox *ret, struct err *e)
{
	struct unit_words env = privileged_env(u, more), argv = unit_expand(&c->argv, &env, u->a);
	struct sandbox b = { .status = -1 };

	if (!is_ours(u, c, e) || !spawn_start(&(struct spawn){ .path = c->path,
						      .argv = argv.v,
						      .env = env.v,
						      .dir = "/",
						      .session = true },
					 &b.pid, e))
		return false;
	b.init = b.pid;
	*ret = b;
	return true;
}

void command_exec_privileged(const struct unit *u, const struct unit_command *c)
{
	struct unit_words env = privileged_env(u, NULL), argv = unit_expand(&c->argv, &env, u->a);
	struct err e = { 0 };
	sigset_t none, before;

	if (is_ours(u, c, &e)) {
		(void)sigemptyset(&none);
		(void)sigprocmask(SIG_SETMASK, &none, &before);
		(void)execve(
			c->path, (char *const *)(uintptr_t)argv.v, (char *const *)(uintptr_t)env.v);
		(void)err_errno(&e, "could not execute \"%s\"", c->path);
		(void)sigprocmask(SIG_SETMASK, &before, NULL);
	}
	unit_event(u, "%s: %s", u->name, e.msg);
}

bool command_success(const struct unit *u, const struct unit_end *end, bool main)
{
	static const int clean[] = { SIGHUP, SIGINT, SIGTERM, SIGPIPE };

	if (end->code == 0)
		return true;
	if (unit_exits_has(
		    &u->options.success, end->code < 0, end->code < 0 ? end->signal : end->code))
		return true;
	for (size_t i = 0; main && end->code < 0 && i < ARRAY_SIZE(clean); i++)
		if (end->signal == clean[i])
			return true;
	return false;
}

const char *command_status_text(struct arena *a, const struct unit_end *end)
{
	static const struct {
		int status;
		const char *word;
	} words[] = { { 0, "SUCCESS" }, { 1, "FAILURE" }, { 2, "INVALIDARGUMENT" },
		{ 3, "NOTIMPLEMENTED" }, { 4, "NOPERMISSION" }, { 5, "NOTINSTALLED" },
		{ 6, "NOTCONFIGURED" }, { 7, "NOTRUNNING" }, { 200, "CHDIR" }, { 203, "EXEC" },
		{ 216, "GROUP" }, { 217, "USER" }, { 226, "NAMESPACE" }, { 228, "SECCOMP" } };

	if (end->code < 0)
		return arena_printf(a, "%d/%s", end->signal, unit_signal_name(end->signal));
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i].status == end->code)
			return arena_printf(a, "%d/%s", end->code, words[i].word);
	return arena_printf(a, "%d/n/a", end->code);
}

static bool ended(const struct unit *u, int status, struct unit_end *ret)
{
	struct unit_end end = { "success", 0, 0 };

	if (WIFSIGNALED(status)) {
		end.code = -1;
		end.signal = WTERMSIG(status);
	} else {
		end.code = WEXITSTATUS(status);
	}
	if (!command_success(u, &end, false))
		end.result = end.code < 0 ? "signal" : "exit-code";
	*ret = end;
	return streq(end.result, "success");
}

bool command_run(const struct unit *u, struct waiter *w, const struct unit_command *c,
	const struct sandbox *main, const struct unit_words *more, int64_t deadline_ms,
	bool stoppable, struct unit_end *ret)
{
	struct unit_words env = unit_environment(u, false);
	struct sandbox b = { .status = -1 };
	struct err e = { 0 };
	enum waited what;
	int outer = 0;
	bool ok;

	for (size_t i = 0; more && i < more->n; i++)
		(void)unit_env_set(&env, u->a, more->v[i]);
	if (main)
		(void)unit_env_set(&env, u->a, "MAINPID=2"); /* behind nap-run -i */
	ok = c->privileged ? command_start_privileged(u, c, more, &b, &e)
	     : main	   ? sandbox_join(u, main, c, &env, &b, &e)
			   : sandbox_start(u, c, &env, &b, &e);
	if (!ok) {
		unit_event(u, "%s: Failed to run \"%s\": %s", u->name, c->path, e.msg);
		(void)fprintf(stderr, "<3>%s\n", e.msg);
		*ret = (struct unit_end){ "resources", 203, 0 };
		return false;
	}
	what = waiter_wait(w, b.pid, deadline_ms, stoppable, &outer);
	if (what != WAITED_ENDED) {
		/* its whole session: a helper's own children must not outlive it */
		(void)kill(c->privileged ? -b.pid : b.init, SIGTERM);
		if (waiter_wait(w, b.pid, clock_mono_ms() + 2000, false, &outer) != WAITED_ENDED) {
			(void)kill(c->privileged ? -b.pid : b.init, SIGKILL);
			(void)kill(b.pid, SIGKILL);
			(void)waiter_wait(w, b.pid, INT64_MAX, false, &outer);
		}
	}
	if (b.status >= 0)
		outer = sandbox_status(&b, outer);
	if (!c->privileged && !main)
		(void)sandbox_clear(u);
	if (what == WAITED_TIMEOUT) {
		unit_event(u, "%s: \"%s\" timed out. Terminating.", u->name, c->path);
		(void)ended(u, outer, ret);
		ret->result = "timeout";
		return false;
	}
	return ended(u, outer, ret) && what == WAITED_ENDED;
}
