#include "job/kinds.h"

#include "base/clock.h"
#include "base/file.h"
#include "job/git.h"
#include "store/build.h"

#include <errno.h>

SQL(DESTROY_BUILDS, "UPDATE build SET want = 'gone' WHERE app_id = $1 AND want <> 'gone'");
SQL(DESTROY_LEFT,
	"SELECT (SELECT count(*) FROM instance WHERE app_id = $1) AS instances, "
	"(SELECT count(*) FROM build WHERE app_id = $1 AND state <> 'gone') AS builds, "
	/* apps that are being made similar to it take their source from it */
	"(SELECT count(*) FROM operation WHERE kind = 'similar' AND state IN ('queued', 'running') "
	"AND args->>'parent' = $1::bigint::text AND NOT EXISTS (SELECT 1 FROM operation_step s "
	"WHERE s.operation_id = operation.id AND s.name = 'start')) AS similar, "
	"(SELECT reachable FROM engine) AS reachable");

/* the leader ends the units of an app that is marked so; its rows go when the engine has confirmed each */
static bool wait_units(struct job *job, bool alone, struct err *e)
{
	int64_t total = 0;

	if (!db_exec(job->db, NULL, e, DESTROY_BUILDS, I64(job->app_id)))
		return false;
	for (;;) {
		auto_result PGresult *r = NULL;
		int64_t left;

		if (!db_query(job->db, &r, e, DESTROY_LEFT, I64(job->app_id)))
			return false;
		left = db_i64(r, 0, "instances") + db_i64(r, 0, "builds");
		total = MAX(total, left);
		if (alone && !job_progress(job, (int)(total - left), (int)total, e))
			return false;
		if (left == 0 && db_i64(r, 0, "similar") == 0)
			break;
		job_waiting(job, left == 0		      ? "similar apps are being made of it"
				 : db_bool(r, 0, "reachable") ? NULL
							      : "the engine is away");
		if (!job_wait(job, 1000))
			return job_stopped(job, e);
	}
	job_waiting(job, NULL);
	return true;
}

/* renamed first: half a repository is never found under the app's id */
static bool remove_repository(struct job *job, struct err *e)
{
	const char *from = git_dir(job);
	const char *to = arena_printf(&job->a, "%s/git/.trash-%lld-%lld", job->cfg->state,
		(long long)job->app_id, (long long)job->id);

	if (rename(from, to) < 0 && errno != ENOENT && errno != EEXIST && errno != ENOTEMPTY)
		return err_errno(e, "could not move repository \"%s\" away", from);
	return tree_remove(to, e);
}

SQL(DESTROY_RUN, "DELETE FROM run WHERE app_id = $1");
SQL(DESTROY_BUILD, "DELETE FROM build WHERE app_id = $1");
SQL(DESTROY_UNLINK, "UPDATE app SET release_id = NULL, next_release_id = NULL WHERE id = $1");
SQL(DESTROY_RELEASE, "DELETE FROM release WHERE app_id = $1");
SQL(DESTROY_APP, "DELETE FROM app WHERE id = $1 AND deleting");

static bool remove_rows(struct job *job, struct err *e)
{
	static const char *const statements[] = { DESTROY_RUN, DESTROY_BUILD, DESTROY_UNLINK,
		DESTROY_RELEASE, DESTROY_APP };
	auto_tx struct tx tx = { 0 };

	if (!tx_begin(job->db, &tx, e) || !job_fence(job, e))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(statements); i++)
		if (!db_exec(job->db, NULL, e, statements[i], I64(job->app_id)))
			return false;
	return tx_commit(&tx, e);
}

/*
 * Units, repository, rows, in this order: what is still there can be found again by the next attempt. Trees go when
 * nobody needs them (keep.h), the log after log_keep_hours.
 */
bool job_destroy(struct job *job, struct err *e)
{
	return job_step(job, "stop", e) && wait_units(job, true, e) &&
	       job_step(job, "destroy", e) && remove_repository(job, e) && remove_rows(job, e);
}

bool destroy_app(struct job *job, struct err *e)
{
	return wait_units(job, false, e) && remove_repository(job, e) && remove_rows(job, e);
}
