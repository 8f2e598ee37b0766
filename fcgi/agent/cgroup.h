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

/* What a cgroup uses, over descriptors that are kept: one of a cgroup that is gone reads nothing, and is opened anew. */
struct cgroup_number {
	int fd; /* -1: none */
	int64_t divide;
};
struct cgroup_files {
	struct cgroup_number memory, cpu, pids;
};
#define CGROUP_FILES_NONE \
	{ \
		{ -1, 1 }, { -1, 1 }, \
		{ \
			-1, 1 \
		} \
	}

void cgroup_files_open(
	struct cgroup_files *f, int block, const char *unit); /* those not open yet */
void cgroup_files_close(struct cgroup_files *f);
/* memory and CPU; the processes are counted only when somebody asks */
void cgroup_files_read(const struct cgroup_files *f, struct cgroup_usage *ret);
int64_t cgroup_files_pids(const struct cgroup_files *f);

#endif
