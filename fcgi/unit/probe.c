#include "unit/probe.h"
#include "base/file.h"
#include "unit/command.h"
#include "unit/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>

/* any number that nobody has: the program only has to run as it */
#define PROBE_UID 65533
/* for a machine that has just booted and reads everything from a slow disk: its walls are no worse for it */
#define PROBE_US  120000000

/* what the sandboxed program must find: it is not root */
static const char PROBE[] = "test \"$(id -u)\" != 0";

static struct unit probe_unit(const char *state, struct arena *a, enum isolation i)
{
	struct unit u = { .a = a, .isolation = i, .root = geteuid() == 0 };

	u.uid = u.root ? PROBE_UID : getuid();
	u.agent = arena_printf(a, "%s/agent", state);
	u.state = state;
	u.folder = arena_printf(a, "probe-%d", (int)getpid());
	u.dir = arena_printf(a, "%s/%s", u.agent, u.folder);
	u.name = "probe.service";
	u.title = u.name;
	u.tools = unit_tools(a);
	u.cgroup = arena_printf(a, "/nap-probe-%d", (int)getpid());
	u.place = (struct unit_place){
		.name = u.name, .etc = "/etc", .lib = "/var/lib", .run = "/run"
	};
	u.options.memory_max = 64 << 20;
	u.options.tasks_max = 16;
	u.options.cpu_quota_us = UNIT_INFINITY;
	u.options.oom_score_adjust = 500;
	u.options.umask = 0022;
	return u;
}

static bool try_one(const char *state, struct arena *a, enum isolation i, struct err *e)
{
	struct unit u = probe_unit(state, a, i);
	struct unit_command c = { .path = "/bin/sh" };
	struct unit_words env = { 0 };
	struct waiter w;
	struct unit_end end;
	struct err ignored;
	bool ok;

	unit_words_add(&c.argv, a, "sh");
	unit_words_add(&c.argv, a, "-c");
	unit_words_add(&c.argv, a, u.root ? PROBE : ":");
	(void)unit_env_set(&env, a, "PATH=/usr/bin:/bin");
	if (!dir_make(u.dir, 0700, e))
		return false;
	waiter_init(&w);
	ok = command_run(&u, &w, &c, NULL, NULL, waiter_deadline(PROBE_US), true, &end);
	(void)close(w.signals);
	(void)!tree_remove(u.dir, &ignored);
	(void)!tree_remove(arena_printf(a, "%s/root/%s", u.agent, u.folder), &ignored);
	return ok || err_set(e, ERR_UPSTREAM, "no_isolation", "%s does not work here (%s, %d)",
			     isolation_word(i), end.result, end.code < 0 ? end.signal : end.code);
}

static bool possible(enum isolation i)
{
	/* another uid needs root; crun without root needs delegated cgroups, which nobody has without asking */
	return geteuid() == 0 || i == ISOLATION_BWRAP;
}

bool isolation_probe(
	const char *state, const char *wanted, struct arena *a, enum isolation *ret, struct err *e)
{
	static const enum isolation order[] = { ISOLATION_CRUN, ISOLATION_BWRAP,
		ISOLATION_SETPRIV };
	bool automatic = !wanted || !*wanted || streq(wanted, "auto");
	enum isolation only = ISOLATION_NONE;

	if (!automatic && !isolation_parse(wanted, &only))
		return err_set(
			e, ERR_INVALID, "no_isolation", "there is no isolation \"%s\"", wanted);
	if (!automatic && only == ISOLATION_NONE) {
		*ret = only;
		return true;
	}
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L);
	sandbox_prepare_mounts();
	(void)err_set(e, ERR_UPSTREAM, "no_isolation", "no isolation works here");
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		if ((!automatic && order[i] != only) || !possible(order[i]))
			continue;
		if (try_one(state, a, order[i], e)) {
			*ret = order[i];
			return true;
		}
		(void)fprintf(stderr, "<4>%s\n", e->msg);
	}
	return false;
}
