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
#include <signal.h>

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
	bool one_step;	      /* job_step opens none: what goes on is part of one */
	bool stopping;	      /* this process is to end: the operation goes back into the queue */
	const volatile sig_atomic_t *stop; /* what says so */
	struct argv secrets;		   /* never written to a log or an error */
	char waiting[200];		   /* as written to operation.waiting */
};

typedef bool job_fn(struct job *job, struct err *e);

/* Ends the step that runs as succeeded and opens the next; total, done: progress to show with it, 0: none */
NODISCARD bool job_step(struct job *job, const char *name, struct err *e);
NODISCARD bool job_progress(struct job *job, int done, int total, struct err *e);

/* Why it waits, for people: "the engine is away"; NULL: it does not. Written when it changes; never fails the job. */
void job_waiting(struct job *job, const char *why);

/*
 * The fence inside of a transaction: the operation's row is locked and is still this worker's, or job->lost is set and
 * the call fails as job_stopped does. Every change of other tables stands behind one.
 */
NODISCARD bool job_fence(struct job *job, struct err *e);

/* A value that must not be told: written as *** from here on. Shorter than 4 bytes it is not looked for. Kept. */
void job_secret(struct job *job, const char *value);

/* a copy of text without them, in the job's arena */
const char *job_redact(struct job *job, const char *text);

/* Puts in front of argv what ends the child with this process, however that ends. */
void job_child(struct job *job, struct argv *argv);

/* A line of the operation's log; control characters and broken UTF-8 are scrubbed, secrets are hidden. Never fails the
 * job. */
void job_say(struct job *job, const char *fmt, ...) PRINTF(2, 3);
/* the same for a child's output: a proc_line_fn, ctx is the job */
void job_line(void *job, const char *line, size_t n);

/*
 * Beats when it is time and looks whether to go on: false when the job is lost or to be cancelled. Call it at least
 * every few seconds; it is also proc_spec.go_on.
 */
bool job_goes_on(void *job);

/* What a stopped job returns: ERR_CONFLICT "operation_cancelled", ERR_INTERNAL "lost" or ERR_BUSY "stopping". */
bool job_stopped(struct job *job, struct err *e);

/* not the operation's fault, or this process is to end: it is tried again */
bool job_passes(const struct job *job, const struct err *e);

/* Sleeps until a notification comes or ms have passed; false as job_goes_on. */
bool job_wait(struct job *job, int ms);

/*
 * Claims the next queued operation; *ret_found false: there is none. quick: of the quick lane only.
 *
 * The tenant with the fewest running operations first, at most 2 deploys, pushes and uploads of a tenant at once (RULES 30), one
 * operation of an app at a time. Of an app's queued ones the oldest, but a quick one passes those that are not: what it
 * wants stands in the app's row already. A deploy or push that a newer one has overtaken is cancelled before; a
 * webhook's overtakes only its like, as it does nothing where the commit is deployed already.
 */
NODISCARD bool job_claim(struct db *db, const struct config *cfg, const char *worker, bool quick,
	struct job *ret, bool *ret_found, struct err *e);
/* Writes the end; failure is NULL for success. lines may be NULL. Lost jobs are left alone. */
NODISCARD bool job_end(
	struct job *job, const struct err *failure, const json_t *lines, struct err *e);
/* Back into the queue, for another worker to take at once. */
NODISCARD bool job_give_back(struct job *job, struct err *e);
void job_release(struct job *job);

#endif
