/*
 * No unit fills the machine's disk. How much one may take, and how much the file system shall keep free, nap-node has
 * kept for each (node/node.h); nap-node measures, for that may take long, and the agent decides and ends.
 *
 * statvfs(2) is asked twice a second while such units run, and 20 times while they write. Where much was written since
 * the last measurement, or little is left, or some time has gone by, `nap-node watch` is started; its answer comes through
 * a file in memory, since the disk may be full. It rests ten times as long as it took, and four times where so much was
 * written that whoever came nearest to its limit may be over it. A unit that has more than it may is ended with result disk,
 * and is not started again by itself; what it has in its view goes with it. Below the floor the unit that grew most since
 * the measurement before is ended, one a measurement, and none where none grew: then it is not units that fill the disk.
 *
 * The word that a unit is to be ended, A/unit/NAME/over, stands before it is killed: an agent that finds it at its start
 * does the rest, and nap-unit takes it as the reason only of an end by that kill.
 */
#ifndef NAP_AGENT_DISK_H
#define NAP_AGENT_DISK_H

#include "agent/agent.h"

#define DISK_TICK_MS 500

/* Called now and then: milliseconds until it wants to be called again, -1: any time. */
int disk_tick(struct agent *ag);

/* a child has ended: was it the measurement? */
void disk_reaped(struct agent *ag, pid_t pid, int status);

#endif
