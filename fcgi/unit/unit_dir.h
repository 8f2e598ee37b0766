/*
 * One unit of this machine, as nap-agent laid it out, and what nap-unit says of it.
 *
 *	A/unit/NAME/name          the unit's name, where it is not the folder's
 *	A/unit/NAME/options.json  [{"section","name","value"}, …]
 *	A/unit/NAME/uid           the number that is this unit's alone
 *	A/unit/NAME/desired       launched, or loaded: an ordered stop
 *	A/unit/NAME/phase         written here: "PHASE RESULT CODE SIGNAL SINCE_US RESTARTS PID", replaced by rename
 *	A/unit/NAME/events        written here: "TIME_US TEXT" lines, appended: what systemd would say
 *	A/unit/NAME/end           from `run` to `finish`: how the main process ended
 *	A/unit/NAME/over          the agent's, before it kills: why the unit must end (agent/disk.h)
 *	A/unit/NAME/invocation    32 digits: this start's id, systemd's INVOCATION_ID
 *	A/unit/NAME/starts        when it was started, for the start limit
 *	A/unit/NAME/config.json rootfs/   the sandbox's bundle;  A/crun its state
 *	A/isolation               crun, bwrap, setpriv or none;  A/block: first word names the cgroups, /nap-BLOCK/NAME
 *
 * A is dirname(dirname(dir)), and the state folder S its parent. Phases: start-pre start running exited stop stop-post
 * auto-restart failed dead. Results are systemd's: success exit-code signal oom-kill timeout resources
 * start-limit-hit protocol, and one of nap's own, disk. CODE is the exit status, or -1 with SIGNAL.
 */
#ifndef NAP_UNIT_UNIT_DIR_H
#define NAP_UNIT_UNIT_DIR_H

#include "unit/options.h"

enum isolation { ISOLATION_CRUN, ISOLATION_BWRAP, ISOLATION_SETPRIV, ISOLATION_NONE };

struct unit {
	struct arena *a;
	const char *dir, *folder, *name; /* folder: the last part of dir */
	const char *agent, *state;	 /* A and S */
	const char *tools;		 /* where nap-unit, and so nap-run, lies */
	uid_t uid;
	bool root;	    /* nap-unit runs as root: it can change users */
	const char *cgroup; /* "/nap-20000/NAME" */
	enum isolation isolation;
	struct unit_place place;
	struct unit_options options;
	const char *title; /* "NAME - description", as systemd names it in its messages */
};

/*
 * svlogd writes whole lines only: one without a newline is lost at its end, or goes on with what the next run says. So
 * `finish`, behind the last process of a run, ends the line with this mark; the agent's journal takes it off again, and
 * shows no line that is the mark alone.
 */
#define UNIT_LOG_MARK \
	"\x1f\x1f" \
	"end"

/* ERR_INVALID: there is no unit in dir. A bad-setting unit is opened: see options.bad. */
NODISCARD bool unit_open(const char *dir, struct arena *a, struct unit *ret, struct err *e);

const char *isolation_word(enum isolation i);
NODISCARD bool isolation_parse(const char *word, enum isolation *ret);

/* where nap-unit lies; a file of the unit's folder */
const char *unit_tools(struct arena *a);
const char *unit_path(const struct unit *u, const char *file);

/* how the main process ended */
struct unit_end {
	const char *result;
	int code, signal; /* code -1: by signal */
};

/* Writes the phase; pid 0 if there is none. Failing to write is told on stderr: there is nobody else to tell. */
void unit_phase(const struct unit *u, const char *phase, const struct unit_end *end,
	int64_t restarts, pid_t pid);

/* reads it back; false: none was written */
struct unit_state {
	char phase[24], result[24];
	int code, signal, pid;
	int64_t since_us, restarts;
};
bool unit_state_read(const struct unit *u, struct unit_state *ret);

void unit_event(const struct unit *u, const char *fmt, ...) PRINTF(2, 3);

void unit_end_write(const struct unit *u, const struct unit_end *end);
/* false: there is none. It is removed: the next start begins without. */
bool unit_end_take(const struct unit *u, struct unit_end *ret);

/* the agent told it to stop */
bool unit_stop_ordered(const struct unit *u);

/* "exited", "killed" or "dumped", and "1", "TERM": EXIT_CODE and EXIT_STATUS of systemd.exec(5) */
const char *unit_exit_code(const struct unit_end *end);
const char *unit_exit_status(struct arena *a, const struct unit_end *end);

/* An EnvironmentFile= without - that cannot be read: as in systemd nothing starts then. Said in the events. */
NODISCARD bool unit_environment_there(const struct unit *u);

/* The environment that each command of the unit begins with (systemd.exec(5)), privileged ones too */
struct unit_words unit_environment(const struct unit *u, bool privileged);

#endif
