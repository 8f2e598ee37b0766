/*
 * Builds: the profile's build: lines, run once in a unit of the engine, with limits of their own (store/build.h). nap's
 * worker runs nothing of a tenant itself: it asks, shows what the build prints, and waits.
 */
#ifndef NAP_JOB_BUILD_H
#define NAP_JOB_BUILD_H

#include "job/release.h"
#include "job/tree.h"

/*
 * The id of the tree that the build makes: it names all that goes into it (RULES 32), so that similar apps, a redeploy
 * and going back share one build. env: the app's, as JSON.
 */
void build_key(const char *source, const char *script, const char *env, char ret[TREE_ID_SIZE]);

/*
 * Makes the tree of job's release from its source, unless it is there. Errors: "build_failed" (with its exit code; its
 * last lines stand in the log), "build_timeout", "build_lost".
 */
NODISCARD bool build_make(
	struct job *job, const struct release_plan *plan, const char *env, struct err *e);

#endif
