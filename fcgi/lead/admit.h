/*
 * Which waiting instances may start: those for whose memory some machine has room (DESIGN 8), and for which there is a
 * port. Admitted ones get their port in the same transaction; to have one is to be admitted.
 *
 * A machine's memory is its metadata `memory` ("16g"); nap-agent's machine is this one, and is asked. Less the setting
 * memory_reserve. A machine that says nothing has no limit. What is admitted and not placed yet is counted where there
 * is most room. The others wait, and say so: "no machine has 256 MiB left".
 */
#ifndef NAP_LEAD_ADMIT_H
#define NAP_LEAD_ADMIT_H

#include "lead/leader.h"

/* In the tick's transaction, behind world_see. */
NODISCARD bool admit_instances(struct leader *l, struct world *w, struct err *e);

#endif
