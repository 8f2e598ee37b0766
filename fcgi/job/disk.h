/*
 * What apps take on nap's disk: repository, prepared trees and logs. What they keep on machines is told by those
 * (lead/record.h). All of it together is app.disk_bytes, and summed up tenant.used_disk.
 *
 * A source is measured when an operation of its app has ended, and once a day; logs in each sweep. What has several
 * names counts once; a tree counts for the oldest app that keeps it.
 */
#ifndef NAP_JOB_DISK_H
#define NAP_JOB_DISK_H

#include "job/job.h"

/* The app of self->app_id; its log and source as they are now. An app that is gone is no fault. */
NODISCARD bool disk_measure(struct job *self, struct err *e);

/* All logs, and the sources that were not measured for a day. self is no operation. */
NODISCARD bool disk_sweep(struct job *self, struct err *e);

/* ERR_INVALID "quota_disk": the tenant has less than that left. */
NODISCARD bool disk_admit(struct job *job, int64_t bytes, struct err *e);

#endif
