/*
 * Which units shall be on the machine, and running: fleet's scheduling for one machine, and the part of systemd's
 * dependencies that units on one machine can have.
 *
 * As in fleet, a unit is placed when the machine satisfies it (MachineID, MachineMetadata, MachineOf, Conflicts both
 * ways; with no isolation, none is); one that fits nowhere stays inactive and nothing says why. "launched" starts a
 * unit once; afterwards only its Restart= brings it back. As in systemd, a start pulls in what the unit Wants, Requires
 * or is bound to, stops what it conflicts with, waits for the units it is After (or that are Before it) while those
 * start, and a unit bound to another stops with it; one that requires it or is part of it when it is told to stop.
 *
 * At most a few starts run at once, so that a thousand units do not fall upon the machine together: a start holds its
 * place until it runs, but no longer than 5 s.
 */
#ifndef NAP_AGENT_PLAN_H
#define NAP_AGENT_PLAN_H

#include "agent/agent.h"

/* One step towards what is asked; milliseconds until the next one is due, -1: when something happens. */
int plan_step(struct agent *ag);

/* runsv has gone, or the phase changed: what follows from it for u and for those bound to it */
void plan_runsv_gone(struct agent *ag, struct agent_unit *u);
void plan_phase_changed(struct agent *ag, struct agent_unit *u, const struct agent_phase *before);

/* systemd's three words for a loaded unit */
struct unit_states {
	const char *load, *active, *sub;
};
struct unit_states plan_words(const struct agent_unit *u);

/* fleet's word: how far the unit has come */
enum fleet_state plan_current(const struct agent_unit *u);

#endif
