/*
 * /units of fleet's API. PUT and DELETE are answered when the unit is written down; the agent's next turn makes it so.
 */
#ifndef NAP_AGENT_FLEET_UNITS_H
#define NAP_AGENT_FLEET_UNITS_H

#include "agent/agent.h"
#include "agent/http.h"

void fleet_units_list(const struct agent *ag, struct http_in *in);

/* GET, PUT or DELETE of /units/NAME */
void fleet_unit(struct agent *ag, struct http_in *in, const char *name);

#endif
