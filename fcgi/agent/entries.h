/*
 * The agent's second socket, for reading only: logs and numbers.
 *
 *	GET /entries        as systemd-journal-gatewayd(8): FIELD=VALUE matches, ?follow, ?boot, Range, four forms by Accept
 *	GET /machine        as gatewayd
 *	GET /nap/v1/usage   {"units":[{"name","memory_bytes","cpu_usec","pids","restarts"}, …]}
 *	GET /nap/v1/history?unit=NAME   memory and CPU of the last 10 minutes and the last day (agent/history.h)
 *	GET /metrics        the first of these and the agent's own numbers, for Prometheus
 *
 * Entries of a unit's output carry _SYSTEMD_UNIT, what is said about a unit UNIT. docs/agent.md lists the fields, and
 * where the answers differ from gatewayd's.
 */
#ifndef NAP_AGENT_ENTRIES_H
#define NAP_AGENT_ENTRIES_H

#include "agent/agent.h"
#include "agent/http.h"

#define ENTRIES_FOLLOWERS 64
#define ENTRIES_TICK_MS	  100

struct entries; /* the connections that follow */

struct entries *entries_new(struct agent *ag);
/* ends all of them; the listener is closed afterwards, and only then entries_free() called */
void entries_end(struct entries *en);
void entries_free(struct entries *en);

/* an http_fn; ctx is the struct entries */
void entries_http(void *ctx, struct http_in *in);

/* Looks for news and wakes those who wait for them. */
void entries_tick(struct entries *en);
bool entries_waiting(const struct entries *en); /* somebody follows: call entries_tick() in time */

#endif
