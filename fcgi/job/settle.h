/*
 * Waiting until the leader has brought an app's instances to what its row says: numbers 1 to N of the release that
 * serves run, and no more. For scale, start and stop, whose handler has written that row already.
 *
 * Partial success is kept and said ("4 of 5: no machine has 256 MiB left"). Errors: "instances_not_ready" (none came in
 * time, or one failed), "instances_not_gone".
 */
#ifndef NAP_JOB_SETTLE_H
#define NAP_JOB_SETTLE_H

#include "job/job.h"

NODISCARD bool instances_settle(struct job *job, struct err *e);

#endif
