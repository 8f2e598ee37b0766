/*
 * Releases: what is made of a commit, once, and never changed again.
 */
#ifndef NAP_JOB_RELEASE_H
#define NAP_JOB_RELEASE_H

#include "job/job.h"

#include "model/profile.h"

/* the app as a job needs it, read once at its begin */
struct job_app {
	const char *url, *url_secret, *ref, *branch, *profile_text, *command_override, *group;
	int64_t memory_override, current_release; /* 0: none */
	bool deleting, listened;
	const char *current_commit, *current_tree; /* NULL: none */
};
NODISCARD bool job_app_load(struct job *job, struct job_app *ret, struct err *e);

/* What a release is made of. */
struct release_plan {
	const char *kind, *commit, *subject, *tree, *profile_text, *start, *command;
	struct profile profile;
	int64_t memory;
	int scale;
};

/*
 * The commit's profile and run file, read and checked: start, command, memory and scale are worked out. Errors:
 * "profile_missing", "profile_invalid", "command_missing", "image_unavailable".
 */
NODISCARD bool release_plan(struct job *job, const struct job_app *app, const char *commit,
	struct release_plan *ret, struct err *e);

/*
 * Takes quota and number and writes the row, in one transaction; job->release_id is it, also when an earlier
 * attempt of the operation has made it already. Errors: quota_memory, quota_instances, app_deleting.
 */
NODISCARD bool release_create(struct job *job, const struct release_plan *plan, struct err *e);

/* Starts the release beside the one that serves, waits until it is ready, moves the route, leaves the old to drain. */
NODISCARD bool release_roll_out(struct job *job, struct err *e);

/* After a failure: the new instances go, the release is marked failed, the app takes what its current release says. */
void release_abandon(struct job *job, const struct err *why);

/* The last lines that the release's instances wrote, for people: a new array of texts. */
json_t *release_last_lines(struct job *job);

#endif
