/*
 * What a unit has left on the machine outside the agent's own folders: A/lib/nap/NAME (its kept copy, outputs, how it
 * ended), A/run/nap/NAME and A/root/NAME. Of a unit that the agent does not know any more it is removed after an hour.
 *
 * The agent alone knows which units are gone, so it moves their folders aside (.old-NAME beside it: one rename, whatever
 * dies when), and nap-node removes what lies there, as that may take long. The same run of nap-node measures what apps
 * keep (node/sweep.c); so it is started every ten minutes in any case.
 */
#ifndef NAP_AGENT_KEPT_H
#define NAP_AGENT_KEPT_H

#include "agent/agent.h"

#define KEPT_S JOURNAL_KEEP_S /* as its log */

/* The unit goes now: its hour begins. */
void kept_note(const struct agent *ag, const struct agent_unit *u);

/* Called now and then. */
void kept_tidy(struct agent *ag);

#endif
