/*
 * nap-agent: fleet's HTTP API for one machine, in front of runit's supervisors.
 *
 * One process, one loop, no threads. It keeps what was asked of it in S/agent/store (one file a unit: the only truth),
 * makes a folder for each unit that is loaded (agent/super.h says which files), starts a `runsv` for each that is
 * launched, and reads the phase that nap-unit writes. The supervisors are no children of the agent in any way that
 * matters: it may die at any moment, and the next one takes them back from the files.
 *
 * Where things are (S the state folder, A = S/agent):
 *	A/store/NAME.json	desired state and options, as PUT
 *	A/unit/NAME/		what nap-unit runs, and says of it; A/service/NAME/ its runsv folder; A/log/NAME/ its output
 *	A/etc A/lib A/run	what systemd calls %E %S %t
 *	A/isolation A/block A/lock A/boot-id A/machine-id A/metadata.json A/uid-next
 *	S/run/agent/agent.sock	fleet's API, 0600, root and --allow-uid only;  read.sock: logs and numbers
 *	S/run/files/files.sock	what instances left in $NAP_OUT, for nginx (agent/files.h)
 * A unit's NAME is its folder's, except names longer than a file name may be (agent/super.h).
 *
 * Reading order: content.h (what a unit says), store.h, super.h (running one), plan.h (which shall run),
 * fleet_api.h and entries.h (HTTP), agent.c (the loop).
 */
#ifndef NAP_AGENT_AGENT_H
#define NAP_AGENT_AGENT_H

#include "agent/content.h"
#include "agent/journal.h"
#include "agent/machine.h"
#include "base/arena.h"
#include "base/err.h"

#include <sys/types.h>

enum fleet_state { FLEET_INACTIVE, FLEET_LOADED, FLEET_LAUNCHED };

const char *fleet_state_word(enum fleet_state s);
bool fleet_state_parse(const char *word, enum fleet_state *ret);

struct agent_config {
	const char *state;     /* S, absolute */
	const char *isolation; /* auto, crun, bwrap, setpriv, none; NULL: no unit will be started */
	int block_port;	       /* 0: none */
	uid_t block_uid;       /* units' uids from here + 1000 */
	uid_t allow_uid;
	bool has_allow_uid;
};

/* what nap-unit last wrote: "PHASE RESULT CODE SIGNAL SINCE_US RESTARTS PID" */
struct agent_phase {
	char phase[24]; /* "": nothing was written yet */
	char result[24];
	int code, signal;
	int64_t since_us;
	int64_t restarts;
	pid_t pid;
};

struct agent_unit {
	char *name;
	char *folder; /* the name of its folders below A/unit, A/service, A/log */
	struct content *
		content; /* what is asked for; NULL: deleted, and kept until nothing of it is left */
	enum fleet_state desired;
	bool scheduled; /* the machine takes it (agent/plan.h) */

	struct content *loaded; /* what A/unit/NAME holds; NULL: no folder */
	struct deps *deps;	/* whom the loaded one names (agent/deps.h) */
	char *bad;	   /* why the loaded one cannot be started, NULL: it can (unit/options.h) */
	int64_t stop_ms;   /* what its TimeoutStopSec= allows */
	unsigned int mark; /* of a walk over dependencies (agent/plan.c) */
	bool deleted;	   /* the loaded one goes, even if the same is asked for again meanwhile */
	bool launched;	   /* its start was called */
	bool start_wanted; /* ordered, and waiting for a place or for others */
	bool pulled;	   /* what it wants was ordered too */
	bool attaching;	   /* runsv was started, its fifo is not open yet */
	bool stopping;	   /* told to stop; until nothing of it is left */
	int64_t leave_ms;  /* when its runsv is told (again) to leave, as it has ended by itself */
	bool swept;	   /* nothing was left after its last end */
	int64_t died_ms;   /* runsv was killed: it is started again; 0: it was not */
	uid_t uid;
	int control; /* runsv's control fifo, -1: no runsv; its POLLERR is runsv's death */
	int watch;   /* inotify, -1: none */
	struct agent_phase phase;
	int port; /* of the block, that the unit listens on; 0: none, or not known (agent/guard.h) */
	int64_t started_ms; /* when runsv was last started, CLOCK_MONOTONIC; 0: never by this agent */
	int64_t kill_ms;    /* when a stop that does not end is forced */
	int kills;
	int64_t disk_bytes;	   /* as measured last (agent/disk.h) */
	struct agent_usage *usage; /* agent/sample.h; NULL: it has not run under this agent */
};

/* agent/disk.h */
struct agent_disk {
	pid_t pid;  /* of the measurement that runs; 0: none */
	int answer; /* where it writes to */
	int64_t started_ms, rest_until, hurry_until;
	int64_t next_ms, seen_bytes;	/* the next look, and what was free at the last */
	int64_t free_bytes, free_files; /* most that was free since it was started */
	bool few_files;
	int64_t floor; /* what units want free; 0: not known */
	int64_t room;  /* of the one that came nearest to what it may take */
	size_t units;  /* that it found running */
	bool resumed;  /* what an agent before had begun is done */
};

#define FILES_AT_ONCE 16

/* agent/files.h */
struct agent_files {
	int fd; /* that listens; -1: none */
	pid_t pid[FILES_AT_ONCE];
};

struct agent {
	struct agent_config cfg;
	char *dir; /* A */
	struct machine machine;
	struct journal *journal;
	struct agent_unit **unit; /* by name, bytewise */
	size_t n, size;
	int epoll, inotify, lock, port;
	int64_t look_at, tidy_at, tick_at, swept_at; /* CLOCK_MONOTONIC, ms */
	int64_t sweep_due; /* nap-node sweep is to be started then; 0: not asked for (agent/kept.h) */
	int sweeps;	   /* and so often */
	pid_t sweep_pid;   /* it runs; 0: it does not */
	bool asked;	   /* a unit was PUT or deleted, or is gone: placement is looked at again */
	bool dirty;	   /* something changed: the plan must be made anew */
	bool stop;
	bool guarded, guard_dirty; /* agent/guard.h */
	int64_t guard_at;
	struct agent_disk disk;
	struct agent_files files;
	unsigned int mark;		/* the last walk's (agent/plan.c) */
	int64_t sample_due, sampled_at; /* agent/sample.h */
	bool stop_all;			/* no unit is placed any more */
};

struct agent_unit *agent_find(const struct agent *ag, const char *name);
struct agent_unit *agent_add(struct agent *ag, const char *name); /* there is none of that name */
void agent_drop(struct agent *ag, struct agent_unit *u);	  /* frees it */

/* A/PART[/MORE], in memory of the caller */
char *agent_path(const struct agent *ag, const char *part, const char *more);

/* Runs until SIGTERM (units go on); false: it could not start. */
NODISCARD bool agent_run(const struct agent_config *cfg, struct err *e);

/* Force-stops every unit, with or without a running agent; desired states are kept, and the next start runs them. */
NODISCARD bool agent_stop_all(const struct agent_config *cfg, struct err *e);

#endif
