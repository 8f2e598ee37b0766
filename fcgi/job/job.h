/*
 * One operation being run by this process.
 *
 * Fencing: operation.attempt grew when it was claimed, and every write here names (id, attempt, state = 'running').
 * No row means that another worker has it: job->lost is set, children are killed and the job is left alone. To add a
 * kind of operation: a file here with its job_fn, a row in run.c's table, the word in the constraint operation_kind.
 */
#ifndef NAP_JOB_JOB_H
#define NAP_JOB_JOB_H

#include "base/proc.h"
#include "model/config.h"
#include "store/db.h"

#include <jansson.h>

struct job {
	const struct config *cfg;
	struct db *db;
	struct arena a;
	int64_t id, attempt, tenant_id, app_id, release_id;
	const char *tenant, *app, *kind, *created_by, *request_id;
	json_t *args;
	int steps; /* opened so far in this attempt */
	int log_seq;
	int64_t beat_at;      /* CLOCK_MONOTONIC, ms */
	bool lost, cancelled; /* another worker has it; a person wants it to end */
};

typedef bool job_fn(struct job *job, struct err *e);

/* Ends the step that runs as succeeded and opens the next; total, done: progress to show with it, 0: none */
NODISCARD bool job_step(struct job *job, const char *name, struct err *e);
NODISCARD bool job_progress(struct job *job, int done, int total, struct err *e);

/* A line of the operation's log; control characters and broken UTF-8 are scrubbed. Never fails the job. */
void job_say(struct job *job, const char *fmt, ...) PRINTF(2, 3);
/* the same for a child's output: a proc_line_fn, ctx is the job */
void job_line(void *job, const char *line, size_t n);

/*
 * Beats when it is time and looks whether to go on: false when the job is lost or to be cancelled. Call it at least
 * every few seconds; it is also proc_spec.go_on.
 */
bool job_goes_on(void *job);

/* What a stopped job returns: ERR_CONFLICT "operation_cancelled" or ERR_INTERNAL "lost". */
bool job_stopped(struct job *job, struct err *e);

/* Sleeps until a notification comes or ms have passed; false as job_goes_on. */
bool job_wait(struct job *job, int ms);

/* Claims the next queued operation of a lane; *ret_found false: there is none. */
NODISCARD bool job_claim(struct db *db, const struct config *cfg, const char *worker, bool quick,
	struct job *ret, bool *ret_found, struct err *e);
/* Writes the end; failure is NULL for success. Lost jobs are left alone. */
void job_end(struct job *job, const struct err *failure, json_t *lines);
void job_release(struct job *job);

/* Takes operations whose beat has not moved for 60 s of this observer's clock back into the queue. */
struct beats;
struct beats *beats_new(void);
NODISCARD bool beats_watch(struct beats *b, struct db *db, struct err *e);
void beats_free(struct beats *b);

#endif
