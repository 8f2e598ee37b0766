/*
 * What workers put in order between two operations.
 *
 * Each time: branches of pushes whose hook has died (RULES 20), pushes that never came to their update hook. Every 10
 * minutes, one worker at a time: prepared trees that no release needs, pins and tokens of releases that are over, files
 * of attempts that are over, repositories in the trash and those of first pushes that were never good.
 *
 * A tree is needed by every release that runs or may still start, by those that have instances left, by the last
 * KEEP_RELEASES ones of an app that were live, by a build, and by whoever looked for it within the hour (tree_is_there).
 * Going back to an older release makes its tree again.
 */
#ifndef NAP_JOB_KEEP_H
#define NAP_JOB_KEEP_H

#include "job/job.h"

#define KEEP_RELEASES 10

/* SQL: the releases r whose trees are kept; $1: KEEP_RELEASES. Conditions may follow by AND. */
#define KEPT_RELEASES \
	"SELECT r.* FROM (SELECT *, row_number() OVER (PARTITION BY app_id, state ORDER BY number DESC) AS n " \
	"FROM release) r WHERE (r.state IN ('pending', 'starting', 'live') OR (r.state = 'retired' AND r.n <= $1::integer) " \
	"OR EXISTS (SELECT 1 FROM instance i WHERE i.release_id = r.id))"

struct keep {
	int64_t swept_at; /* CLOCK_MONOTONIC, ms; 0: never */
};

/* Errors are logged: the next time is soon. */
void keep_order(
	struct keep *k, struct db *db, const struct config *cfg, const volatile sig_atomic_t *stop);

/* The two halves, for tests. */
NODISCARD bool keep_pushes(struct job *self, struct err *e);
NODISCARD bool keep_sweep(struct job *self, int64_t min_age_s, struct err *e);

#endif
