/*
 * /discovery of fleet's API: its description in Google's discovery format.
 */
#ifndef NAP_AGENT_FLEET_DISCOVERY_H
#define NAP_AGENT_FLEET_DISCOVERY_H

#include "agent/http.h"

void fleet_discovery(struct http_in *in);

#endif
