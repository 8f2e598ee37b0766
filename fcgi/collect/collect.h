/*
 * nap-worker logs: follows the journals of all machines and writes the lines of apps into their log files.
 *
 * One process collects (an advisory lock), others wait for it. Where the engine is nap-agent it follows the agent's
 * read-only socket; where it is fleet, systemd-journal-gatewayd on each machine that the leader's sweeps have seen
 * (table machine, setting journal_port). Reading order: collect.c (the loop), source.h (one machine), export.h (its
 * format), line.h (what is kept), sink.h (where it goes).
 */
#ifndef NAP_COLLECT_COLLECT_H
#define NAP_COLLECT_COLLECT_H

#include "model/config.h"

/* Collects, or waits to, until SIGTERM. Returns the exit status. */
int collect_run(const struct config *cfg);

#endif
