/*
 * /machines of fleet's API: this one machine, and PATCH of its metadata, all of a request or none.
 */
#ifndef NAP_AGENT_FLEET_MACHINES_H
#define NAP_AGENT_FLEET_MACHINES_H

#include "agent/agent.h"
#include "agent/http.h"

void fleet_machines(struct agent *ag, struct http_in *in);

#endif
