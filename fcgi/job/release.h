/*
 * Releases: what is made of a commit, once, and never changed again.
 */
#ifndef NAP_JOB_RELEASE_H
#define NAP_JOB_RELEASE_H

#include "job/job.h"

#include "model/profile.h"

/* the app as a job needs it, read once at its begin */
struct job_app {
	const char *url, *url_secret, *ref, *branch, *profile_text, *command_override, *group, *env;
	int64_t memory_override, current_release; /* 0: none */
	bool listened;
	const char *current_commit, *current_source; /* NULL: none */
};
NODISCARD bool job_app_load(struct job *job, struct job_app *ret, struct err *e);

/* The same; and where an earlier attempt has made the release already it is brought, and nothing is left to do. */
NODISCARD bool job_app_begin(
	struct job *job, struct job_app *ret, bool *ret_brought, struct err *e);

/* What a release is made of. */
struct release_plan {
	const char *kind, *commit, *subject, *profile_text, *start, *command;
	const char *source,
		*tree; /* ids of the source's tree and of what instances see: the build's result, or the same */
	const char *env; /* NULL: the app's; else JSON as in release.env, without NAP_TOKEN */
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
 * The same from a release that was made before: by its id, or (id 0) by its number. Its environment too.
 * ERR_NOT_FOUND "release_not_found".
 */
NODISCARD bool release_plan_of(
	struct job *job, int64_t id, int64_t number, struct release_plan *ret, struct err *e);

/*
 * From a plan to a release that serves: works out the trees, makes the row, unpacks the source, builds it, rolls it
 * out. Steps release, tree, build, start and route. Every one may be done again by a later attempt.
 */
NODISCARD bool release_bring(
	struct job *job, const struct job_app *app, struct release_plan *plan, struct err *e);

/*
 * Takes quota and number and writes the row, in one transaction; job->release_id is it, also when an earlier
 * attempt of the operation has made it already. Errors: quota_memory, quota_instances, app_deleting.
 */
NODISCARD bool release_create(struct job *job, const struct release_plan *plan, struct err *e);

/* Starts the release beside the one that serves, waits until it is ready, moves the route, leaves the old to drain. */
NODISCARD bool release_roll_out(struct job *job, struct err *e);

/* Waits until visitors reach the release's instances, at most 30 s: then it says so and goes on. */
NODISCARD bool release_wait_routed(struct job *job, int64_t release, struct err *e);

/* After a failure: the new instances go, the release is marked failed, the app is what its current release says. */
NODISCARD bool release_abandon(struct job *job, const struct err *why, struct err *e);

/* The last lines that the release's instances or its build wrote, for people: a new array of texts. */
json_t *release_last_lines(struct job *job, bool of_build);

#endif
