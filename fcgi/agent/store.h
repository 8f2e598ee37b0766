/*
 * What was asked of the agent, on disk: A/store/NAME.json, {"name","desiredState","options"}, replaced whole and
 * fsynced before a request is answered, so that kill -9 at any moment leaves the old or the new unit.
 */
#ifndef NAP_AGENT_STORE_H
#define NAP_AGENT_STORE_H

#include "agent/agent.h"

/* Reads all; a file that cannot be read is logged, put aside as NAME.json.bad, and not a failure. */
NODISCARD bool store_load(struct agent *ag, struct err *e);

/* Writes what u asks for (content and desired), or removes the file of a deleted one. */
NODISCARD bool store_save(const struct agent *ag, const struct agent_unit *u, struct err *e);

#endif
