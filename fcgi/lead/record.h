/*
 * What the last sweep saw, written down for those who read: tables engine, machine, unit, unit_state, and what units
 * take. Only rows that changed are written.
 */
#ifndef NAP_LEAD_RECORD_H
#define NAP_LEAD_RECORD_H

#include "lead/leader.h"

/* why NULL: the engine answered. In the tick's transaction. */
NODISCARD bool record_sweep(struct leader *l, const struct err *why, struct err *e);

/* Reads nap-agent's figures and writes them with the instances, every 10 s. Outside of a transaction; an agent that
 * does not answer is no error. */
NODISCARD bool record_usage(struct leader *l, struct err *e);

#endif
