/*
 * fleet's HTTP API v1 for this machine: /fleet/v1/{machines,units,units/NAME,state,state/NAME,discovery}.
 *
 * Statuses, order of faults, messages and shapes are those of fleetd 1.0 (tests/fleet/exchanges holds recorded ones);
 * docs/agent.md lists where the agent differs: where fleet would harm itself it answers a plain error.
 */
#ifndef NAP_AGENT_FLEET_API_H
#define NAP_AGENT_FLEET_API_H

#include "agent/agent.h"
#include "agent/http.h"

/* an http_fn; ctx is the struct agent */
void fleet_api(void *ctx, struct http_in *in);

#endif
