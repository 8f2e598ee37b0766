#include "job/settle.h"

#include "base/clock.h"
#include "job/kinds.h"
#include "job/release.h"

#define GONE_PATIENCE_MS 300000

/* One that is to be restarted counts when it is back: what had ended is started again (api/instances.c).
 * surplus: rows that have to go until it is done. Those of an older release drain by themselves, except at a stop. */
SQL(SETTLE,
	"SELECT w.want, e.reachable, "
	"count(i.id) FILTER (WHERE i.release_id = a.release_id AND i.want = 'run' AND i.number <= w.want "
	"AND i.state IN ('ready', 'finished')) AS ready, "
	"count(i.id) FILTER (WHERE i.release_id = a.release_id AND i.want = 'run' AND i.number <= w.want "
	"AND i.state = 'failed') AS failed, "
	"count(i.id) FILTER (WHERE i.release_id = a.release_id AND i.want <> 'gone' AND i.number <= w.want "
	"AND i.state = 'waiting' AND i.reason IS NOT NULL) AS waiting, "
	"count(i.id) FILTER (WHERE (i.release_id = a.release_id OR w.want = 0) AND i.number > w.want) AS surplus, "
	"min(i.reason) FILTER (WHERE i.want <> 'gone' AND i.state IN ('waiting', 'failed')) AS reason "
	"FROM engine e, app a CROSS JOIN LATERAL (SELECT CASE WHEN a.stopped OR a.release_id IS NULL OR a.wave IN ('held', 'over') THEN 0 "
	"ELSE a.instances END AS want) w LEFT JOIN instance i ON i.app_id = a.id WHERE a.id = $1 "
	"GROUP BY a.id, e.one, w.want");

struct settle {
	int64_t want, ready, failed, waiting, surplus;
	bool reachable;
	const char *reason;
};

static bool look(struct job *job, struct arena *a, struct settle *ret, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!db_query(job->db, &r, e, SETTLE, I64(job->app_id)))
		return false;
	if (db_rows(r) == 0)
		return err_set(e, ERR_CONFLICT, "app_deleting", "app \"%s\" is gone", job->app);
	*ret = (struct settle){ db_i64(r, 0, "want"), db_i64(r, 0, "ready"), db_i64(r, 0, "failed"),
		db_i64(r, 0, "waiting"), db_i64(r, 0, "surplus"), db_bool(r, 0, "reachable"),
		arena_strdup(a, db_text(r, 0, "reason")) };
	return true;
}

static bool is_settled(struct job *job, const struct settle *s)
{
	if (s->surplus > 0 || s->ready + (s->ready ? s->waiting : 0) < s->want)
		return false;
	if (s->ready < s->want)
		job_say(job, "%lld of %lld instances run: %s", (long long)s->ready,
			(long long)s->want, s->reason);
	return true;
}

static bool not_ready(const struct settle *s, struct err *e)
{
	if (s->ready >= s->want)
		return err_set(e, ERR_TIMEOUT, "instances_not_gone",
			"%lld instances have not ended yet; nap goes on ending them",
			(long long)s->surplus);
	return err_set(e, ERR_INVALID, "instances_not_ready", "%lld of %lld instances run%s%s",
		(long long)s->ready, (long long)s->want, s->reason[0] ? ": " : "", s->reason);
}

bool instances_settle(struct job *job, struct err *e)
{
	int64_t patience = (job->cfg->ready_timeout + 15) * 1000, since = clock_mono_ms(),
		best = -1;

	for (;;) {
		auto_arena struct arena a = { 0 };
		struct settle s;
		int64_t now = clock_mono_ms(), here;

		if (!look(job, &a, &s, e))
			return false;
		here = s.ready * 1000 - s.surplus;
		if (here != best || !s.reachable) {
			since = now;
			if (here != best &&
				!job_progress(job, (int)MIN(s.ready, s.want), (int)s.want, e))
				return false;
			best = here;
		}
		if (is_settled(job, &s)) {
			job_waiting(job, NULL);
			return true;
		}
		job_waiting(job, !s.reachable ? "the engine is away" : s.waiting ? s.reason : NULL);
		if (s.failed > 0 && s.ready + s.failed + s.waiting >= s.want)
			return not_ready(&s, e);
		if (now - since > (s.ready >= s.want ? GONE_PATIENCE_MS : patience))
			return not_ready(&s, e);
		if (!job_wait(job, 250))
			return job_stopped(job, e);
	}
}

SQL(SETTLE_SERVES, "SELECT coalesce(release_id, 0) FROM app WHERE id = $1 AND NOT stopped");

/* the instances run: then visitors reach them */
static bool settle_and_route(struct job *job, struct err *e)
{
	int64_t release;

	if (!instances_settle(job, e))
		return false;
	if (!db_one_i64(job->db, &release, e, SETTLE_SERVES, I64(job->app_id)))
		return e->kind == ERR_NOT_FOUND;
	return release == 0 || release_wait_routed(job, release, e);
}

/* args: {"instances": n}: told in the app's row already */
bool job_scale(struct job *job, struct err *e)
{
	return job_step(job, "scale", e) && settle_and_route(job, e);
}

bool job_start(struct job *job, struct err *e)
{
	return job_step(job, "start", e) && settle_and_route(job, e);
}

bool job_stop(struct job *job, struct err *e)
{
	return job_step(job, "stop", e) && instances_settle(job, e);
}
