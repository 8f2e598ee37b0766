/*
 * Options of a unit, read as systemd reads them: systemd.syntax(7), systemd.unit(5) "Specifiers",
 * systemd.service(5) "Command lines", systemd.exec(5), systemd.resource-control(5), systemd.kill(5).
 *
 * The list is what fleet's PUT carries: [{"section", "name", "value"}, …]. A value may go on over lines that end in a
 * backslash; quotes, escapes and specifiers are resolved per word; an empty value empties a list. As in systemd only a
 * wrong command line makes the unit bad-setting; any other value that cannot be read is a warning, and its option
 * stays as it was. A name that is not known is kept in the list by whoever keeps it, and a warning here.
 *
 * To add an option: a row in the table of options.c, a field here, `nap-unit --options` into docs/units.md, and a test of
 * its effect on the process in tests/node/test_unit_options.py, which looks for all of that.
 */
#ifndef NAP_UNIT_OPTIONS_H
#define NAP_UNIT_OPTIONS_H

#include "base/err.h"
#include "unit/syntax.h"

#include <jansson.h>
#include <sys/resource.h>
#include <sys/types.h>

enum unit_type { UNIT_SIMPLE, UNIT_EXEC, UNIT_ONESHOT };
enum unit_restart {
	UNIT_RESTART_NO,
	UNIT_RESTART_ON_SUCCESS,
	UNIT_RESTART_ON_FAILURE,
	UNIT_RESTART_ON_ABNORMAL,
	UNIT_RESTART_ON_WATCHDOG,
	UNIT_RESTART_ON_ABORT,
	UNIT_RESTART_ALWAYS,
};
enum unit_kill { UNIT_KILL_CONTROL_GROUP, UNIT_KILL_MIXED, UNIT_KILL_PROCESS, UNIT_KILL_NONE };

/* One command of an ExecXxx= line. argv's variables are not yet replaced: unit_expand does. */
struct unit_command {
	const char *path; /* absolute, or a name to be searched in PATH */
	struct unit_words argv;
	bool ignore_failure; /* - */
	bool privileged;     /* +: outside the sandbox, as root */
	bool plain;	     /* :: no variables */
};

struct unit_commands {
	struct unit_command *v;
	size_t n;
};

/* A path of the sandbox. BindPaths= "[-]from[:to[:rbind|norbind]]"; the others have only a path, in `to`. */
enum unit_path_kind {
	UNIT_PATH_BIND,
	UNIT_PATH_BIND_RO,
	UNIT_PATH_RO,
	UNIT_PATH_RW,
	UNIT_PATH_HIDDEN,
	UNIT_PATH_TMPFS,
};
struct unit_path {
	enum unit_path_kind kind;
	bool optional; /* -: no fault if it is not there */
	const char *from, *to;
};
struct unit_paths {
	struct unit_path *v;
	size_t n;
};

/* exit statuses and signals, a bit each */
struct unit_exits {
	uint32_t status[8];
	uint64_t signals;
};

struct unit_options {
	/* [Unit] */
	const char *description; /* NULL: none */
	struct unit_words wants, requires, requisite, binds_to, part_of, conflicts, after, before;
	int64_t start_limit_interval_us; /* 10 s; 0: no limit */
	int64_t start_limit_burst;	 /* 5 */

	/* [Service] */
	enum unit_type type;
	bool remain_after_exit;
	struct unit_commands start_pre, start, start_post, stop, stop_post;
	enum unit_restart restart;
	int64_t restart_us;			   /* 100 ms */
	int64_t timeout_start_us, timeout_stop_us; /* 90 s; UNIT_INFINITY: none */
	int64_t runtime_max_us;
	struct unit_exits success, restart_prevent, restart_force;
	enum unit_kill kill_mode;
	int kill_signal; /* SIGTERM */
	bool send_sigkill;

	/* its process */
	struct unit_words environment, pass_environment, unset_environment; /* "K=v"; names */
	struct unit_words environment_files; /* absolute, with a - in front if optional */
	const char *working_directory;	     /* NULL: / ; "~" is $HOME */
	bool working_directory_optional;
	const char *user, *group; /* NULL: none given */
	bool dynamic_user;
	mode_t umask; /* 0022 */
	int nice;
	int oom_score_adjust; /* INT_MIN: none given */
	struct rlimit limit[RLIM_NLIMITS];
	uint32_t has_limit; /* a bit for each RLIMIT_ */

	/* its walls */
	int64_t memory_max, memory_swap_max, tasks_max; /* UNIT_INFINITY: none */
	int64_t cpu_weight;				/* 1..10000; 0: none given */
	int64_t cpu_quota_us;				/* in each second; UNIT_INFINITY: none */
	bool private_network, private_tmp, private_devices, no_new_privileges;
	const char *protect_system; /* "no", "yes", "full", "strict" */
	const char *protect_home;   /* "no", "yes", "read-only", "tmpfs" */
	struct unit_paths paths;    /* in the order given */

	/* [X-Fleet] */
	const char *machine_id, *machine_of;
	struct unit_words fleet_conflicts, machine_metadata, replaces;
	bool global;

	const char *bad;	    /* NULL, or why the unit is bad-setting */
	struct unit_words warnings; /* sentences for people, unknown names among them */
};

/*
 * Reads the list. All of ret lives in a; place and list must outlive it as far as their strings are used (they are
 * copied). False only for a list that is no list of options (ERR_INVALID): what is wrong within one is in ret->bad and
 * ret->warnings.
 */
NODISCARD bool unit_options_parse(const json_t *list, const struct unit_place *place,
	struct arena *a, struct unit_options *ret, struct err *e);

/* What is known, and what comes of it, as docs/units.md shows it: "| `[Section] Name` | done |", "partly: …", "ignored: …" */
void unit_options_table(FILE *f);

bool unit_exits_has(const struct unit_exits *x, bool by_signal, int number);

#endif
