/*
 * The cgroups of units, /nap-BLOCK/UNIT in every hierarchy that is mounted (v1, v2, hybrid: cgroups(7)), made by
 * whoever runs the unit; here they are read, emptied and removed. Where there is none all of it is a no-op.
 */
#ifndef NAP_AGENT_CGROUP_H
#define NAP_AGENT_CGROUP_H

#include "base/base.h"

/* SIGKILL to every process of the unit's cgroups and those below; true: there is none */
bool cgroup_kill(int block, const char *unit);

/* Removes the unit's cgroups, if they are empty */
void cgroup_remove(int block, const char *unit);

struct cgroup_usage {
	int64_t memory_bytes, cpu_usec, pids; /* -1: not known */
};
void cgroup_usage(int block, const char *unit, struct cgroup_usage *ret);

#endif
