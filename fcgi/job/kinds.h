/*
 * The kinds of operations, one file each. To add one: its file, a line here, a row in run.c's table, the word in the
 * constraint operation_kind.
 *
 * A job_fn may be begun again at any place of it, by another process: what was done stays done, and what has an end is
 * not done twice.
 */
#ifndef NAP_JOB_KINDS_H
#define NAP_JOB_KINDS_H

#include "job/job.h"

job_fn job_deploy, job_push, job_rollback, job_env, job_scale, job_start, job_stop, job_restart,
	job_destroy, job_similar, job_group, job_upload;

/*
 * The repository shows what was deployed, so that it can be cloned and pushed to: branch moves to commit and is the
 * default one. A failure is a line of the log.
 */
void show_branch(struct job *job, const char *branch, const char *commit);

/* job_destroy for job->app_id as one of many: no steps, no progress. */
NODISCARD bool destroy_app(struct job *job, struct err *e);

/* the root's source for all members: redeploy.c */
NODISCARD bool redeploy(struct job *job, struct err *e);

/*
 * Waits until all members of ids, a PostgreSQL array, run or have ended. ERR_INVALID "members_failed", with their names.
 */
NODISCARD bool members_settle(struct job *job, const char *ids, struct err *e);

#endif
