/*
 * What the leader throws away when its time is over, every 10 minutes; and the count of starts that tells an old
 * database from a new one.
 */
#ifndef NAP_LEAD_KEEP_H
#define NAP_LEAD_KEEP_H

#include "lead/leader.h"

/* Events of more than 7 days, idempotency keys of 24 h (REST.md), sessions, runs beyond the last 20 of an instance,
 * operations of 90 days, ports that have rested. Short statements of their own, outside of a transaction. */
NODISCARD bool keep_tidy(struct leader *l, struct err *e);

/*
 * $NAP_STATE/generation counts the leaders, as installation.generation does. A file above the table says that the
 * database was restored from an older copy (RULES 27): *ret_old. Both are then one above the higher.
 */
NODISCARD bool keep_generation(struct leader *l, bool *ret_old, struct err *e);

#endif
