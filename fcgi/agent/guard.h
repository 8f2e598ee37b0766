/*
 * Keeps units off each other's ports, where the machine has nftables (as root, with uids of their own).
 *
 * All units share the machine's loopback, and any of them could connect to another's port, or listen on it while its
 * owner is down. One table, nap_BLOCK, looks at packets on lo from the units' uids and lets only these pass:
 *	to a port of the block, if it is the unit's own (an app may call itself)
 *	from a port of the block, if it is the unit's own (a thief's answers never arrive)
 * Others, nginx and the machine's helper among them, are not touched. A unit's port is what nap's helper wrote to
 * %t/nap/UNIT/policy. /machines says "port_guard": "yes" or "no".
 */
#ifndef NAP_AGENT_GUARD_H
#define NAP_AGENT_GUARD_H

#include "agent/agent.h"

void guard_open(struct agent *ag);

/* The unit's port is known by now, or it has none any more. */
void guard_note(struct agent *ag, struct agent_unit *u);

/* Tells nftables what was noted since; at most every GUARD_MS. Where that fails the guard is taken away, and says no. */
void guard_flush(struct agent *ag);

/* No unit is left. */
void guard_close(struct agent *ag);

#endif
