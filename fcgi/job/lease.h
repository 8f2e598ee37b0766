/*
 * Leases: an operation that runs is its worker's until that is known to be dead (RULES 25).
 *
 * A worker's name tells where it lives. One of this machine that is gone is known at once; for all others the beat of
 * its operation must not have moved for 60 s of this observer's CLOCK_MONOTONIC.
 */
#ifndef NAP_JOB_LEASE_H
#define NAP_JOB_LEASE_H

#include "store/db.h"

#define WORKER_NAME_SIZE 128

/* BOOT.NAMESPACE.PID.START of this process: boot id, pid namespace, number and start time (proc(5)) */
void worker_name(char ret[WORKER_NAME_SIZE]);

/* It was a process of this boot and pid namespace, and is no more. False also where that cannot be told. */
bool worker_is_dead(const char *name);

/* Takes operations whose lease is over back into the queue. */
struct beats;
struct beats *beats_new(void);
NODISCARD bool beats_watch(struct beats *b, struct db *db, struct err *e);
void beats_free(struct beats *b);

#endif
