/*
 * What a unit has left on the machine outside the agent's own folders: A/lib/nap/NAME (its kept copy, outputs, how it
 * ended), A/run/nap/NAME and A/root/NAME. Of a unit that the agent does not know any more it is removed after an hour,
 * and where it left something in $NAP_OUT after a week, unless a newer release of the instance did so too.
 *
 * The agent alone knows which units are gone, so it moves their folders aside (.old-NAME beside it: one rename, whatever
 * dies when), and nap-node removes what lies there, as that may take long. The same run of nap-node measures what apps
 * keep (node/sweep.c); so it is started every ten minutes in any case.
 */
#ifndef NAP_AGENT_KEPT_H
#define NAP_AGENT_KEPT_H

#include "agent/agent.h"

#define KEPT_S	   JOURNAL_KEEP_S /* as its log */
#define KEPT_OUT_S (7 * 24 * 3600)

/* The unit goes now: its hour begins, and nap-node soon looks for what a destroyed app has kept. */
void kept_note(struct agent *ag, const struct agent_unit *u);

/*
 * Starts nap-node with words (two, and NULL), its standard output going to out (-1: where ours goes). Not waited for: the
 * loop takes its end. 0: it could not be started.
 */
pid_t kept_helper(const struct agent *ag, const char *const words[], int out);

/* Called now and then. */
void kept_tidy(struct agent *ag);

#endif
