/*
 * The units of builds (store/build.h says who writes what): put while they are wanted and have not ended, deleted then.
 *
 * A build that the engine shows as ended for BUILD_LOST_MS after it ran, while no end was told, is lost: its machine
 * died, or could not reach nap.
 */
#ifndef NAP_LEAD_BUILD_H
#define NAP_LEAD_BUILD_H

#include "lead/act.h"

#define BUILD_LOST_MS 10000

/* In the tick's transaction, inside act_plan. */
NODISCARD bool build_plan(struct leader *l, struct plan_of_action *p, struct err *e);

#endif
