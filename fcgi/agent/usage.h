/*
 * What units use, for those who ask: agent/sample.h reads it.
 */
#ifndef NAP_AGENT_USAGE_H
#define NAP_AGENT_USAGE_H

#include "agent/agent.h"
#include "agent/http.h"

/* {"units":[{"name","memory_bytes","cpu_usec","pids","restarts"}, …], "disk":[{"app","bytes"}, …]}: units that are
 * loaded, unknown numbers left out; what apps keep on this machine, by their ids (node/sweep.c) */
void usage_json(struct agent *ag, struct http_in *in);
/* ?unit=NAME: its last 10 minutes and its last day (agent/history.h) */
void usage_history(struct agent *ag, struct http_in *in);
/* what usage_json() tells as Prometheus' text format */
void usage_metrics(struct agent *ag, struct http_in *in);
/* bytes of all logs on disk */
int64_t usage_log_bytes(const struct agent *ag);

#endif
