/*
 * Reads what units use, each second: memory and CPU from their cgroups over descriptors that are kept, or from /proc
 * where there is no cgroup: of a sidekick, which is one process, over a kept descriptor too, else of all that descends
 * from the unit's nap-unit (it adopts what daemonises).
 *
 * Looking takes no more than a two-hundredth of a core: what took long is done less often, and agent/history.h fills
 * the seconds between. Descriptors are kept as long as they are fewer than half of those that the agent may have.
 */
#ifndef NAP_AGENT_SAMPLE_H
#define NAP_AGENT_SAMPLE_H

#include "agent/agent.h"
#include "agent/cgroup.h"
#include "agent/history.h"

/* of a unit that has run under this agent, until it is unloaded */
struct agent_usage {
	struct cgroup_files files;
	int stat;  /* /proc/PID/stat of a sidekick; -1: not open */
	pid_t pid; /* whose they are */
	int tries; /* to find the cgroup of that process */
	bool in_cgroup;
	struct cgroup_usage now;
	int64_t cpu_seen; /* what the history has of it; -1: nothing */
	struct history history;
};

/* what is due; milliseconds until it is again, -1: nothing runs */
int sample_tick(struct agent *ag);
/* for somebody who asks: all numbers, the processes too, no older than a moment */
void sample_fresh(struct agent *ag);
void sample_drop(struct agent_unit *u);

#endif
