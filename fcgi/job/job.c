#include "job/job.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <stdarg.h>

#define BEAT_MS 10000

SQL(STEP_CLOSE,
	"UPDATE operation_step SET state = $3, ended_at = now() WHERE operation_id = $1 AND state = 'running' "
	"AND EXISTS (SELECT 1 FROM operation WHERE id = $1 AND attempt = $2::integer AND state = 'running')");
SQL(STEP_OPEN,
	"INSERT INTO operation_step (operation_id, n, tenant_id, name) SELECT id, "
	"coalesce((SELECT max(n) FROM operation_step WHERE operation_id = $1), 0) + 1, tenant_id, $3 "
	"FROM operation WHERE id = $1 AND attempt = $2::integer AND state = 'running'");

bool job_step(struct job *job, const char *name, struct err *e)
{
	int64_t n;

	if (!db_exec(job->db, NULL, e, STEP_CLOSE, I64(job->id), I64(job->attempt), "succeeded") ||
		!db_exec(job->db, &n, e, STEP_OPEN, I64(job->id), I64(job->attempt), name))
		return false;
	job->lost = job->lost || n == 0;
	job->steps++;
	return job_goes_on(job) || job_stopped(job, e);
}

SQL(PROGRESS,
	"UPDATE operation SET done = $3::integer, total = $4::integer WHERE id = $1 AND attempt = $2::integer "
	"AND state = 'running'");

bool job_progress(struct job *job, int done, int total, struct err *e)
{
	return db_exec(
		job->db, NULL, e, PROGRESS, I64(job->id), I64(job->attempt), I64(done), I64(total));
}

SQL(SAY,
	"INSERT INTO operation_log (operation_id, seq, tenant_id, line) SELECT id, "
	"coalesce((SELECT max(seq) FROM operation_log WHERE operation_id = $1), 0) + 1, tenant_id, left($3, 4000) "
	"FROM operation WHERE id = $1 AND attempt = $2::integer AND state = 'running'");
SQL(SAID, "SELECT pg_notify('nap_operation', $1)");

static void say(struct job *job, const char *line, size_t n)
{
	auto_arena struct arena a = { 0 };
	char *clean = utf8_scrub(&a, line, n);
	struct err e;

	for (char *p = clean; *p; p++)
		if (*p == '\n')
			*p = ' ';
	if (!db_exec(job->db, NULL, &e, SAY, I64(job->id), I64(job->attempt), clean) ||
		!db_exec(job->db, NULL, &e, SAID, I64(job->id)))
		LOG(WARNING, "operation.log", KV("error", e.msg));
}

void job_say(struct job *job, const char *fmt, ...)
{
	char line[1000];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	say(job, line, strlen(line));
}

void job_line(void *job, const char *line, size_t n)
{
	/* git draws its progress with carriage returns: the last state of a line is what counts */
	const char *cr = n > 1 ? memrchr(line, '\r', n - 1) : NULL;

	if (cr) {
		n -= (size_t)(cr + 1 - line);
		line = cr + 1;
	}
	if (n && line[n - 1] == '\r')
		n--;
	if (n)
		say(job, line, n);
}

SQL(BEAT,
	"UPDATE operation SET beat = beat + CASE WHEN $3::boolean THEN 1 ELSE 0 END WHERE id = $1 "
	"AND attempt = $2::integer AND state = 'running' RETURNING cancel");
SQL(LOOK,
	"SELECT cancel FROM operation WHERE id = $1 AND attempt = $2::integer AND state = 'running'");

bool job_goes_on(void *ctx)
{
	struct job *job = ctx;
	bool beat = clock_mono_ms() - job->beat_at >= BEAT_MS;
	auto_result PGresult *r = NULL;
	struct err e;

	if (job->lost || job->cancelled)
		return false;
	if (beat ? !db_query(job->db, &r, &e, BEAT, I64(job->id), I64(job->attempt), BOOL(beat))
		 : !db_query(job->db, &r, &e, LOOK, I64(job->id), I64(job->attempt)))
		return true; /* the database is away: the lease is still ours until somebody else took it */
	if (beat)
		job->beat_at = clock_mono_ms();
	job->lost = db_rows(r) == 0;
	job->cancelled = !job->lost && db_bool(r, 0, "cancel");
	return !job->lost && !job->cancelled;
}

bool job_stopped(struct job *job, struct err *e)
{
	if (job->cancelled)
		return err_set(
			e, ERR_CONFLICT, "operation_cancelled", "the operation was cancelled");
	return err_set(
		e, ERR_INTERNAL, "lost", "operation %lld has another worker", (long long)job->id);
}

bool job_wait(struct job *job, int ms)
{
	(void)db_wait(job->db, ms);
	return job_goes_on(job);
}

/*
 * The tenant with the fewest running operations first; one operation of an app at a time; of an app's queued ones
 * the oldest. A deploy or push that a newer one has overtaken is cancelled before (RULES 30, DESIGN 3).
 */
SQL(SUPERSEDE,
	"UPDATE operation o SET state = 'cancelled', ended_at = now(), error_code = 'superseded', "
	"error = 'a newer deploy of this app overtook it' WHERE o.state = 'queued' AND o.kind IN ('deploy', 'push') "
	"AND EXISTS (SELECT 1 FROM operation n WHERE n.app_id = o.app_id AND n.id > o.id AND n.kind IN ('deploy', 'push') "
	"AND n.state = 'queued')");
SQL(CLAIM,
	"UPDATE operation SET state = 'running', attempt = attempt + 1, worker = $1, beat = beat + 1, waiting = NULL, "
	"started_at = coalesce(started_at, now()) WHERE id = (SELECT o.id FROM operation o WHERE o.state = 'queued' "
	"AND (o.lane = 'quick' OR NOT $2::boolean) "
	"AND NOT EXISTS (SELECT 1 FROM operation x WHERE x.app_id = o.app_id AND x.state = 'running') "
	"AND NOT EXISTS (SELECT 1 FROM operation x WHERE x.app_id = o.app_id AND x.state = 'queued' AND x.id < o.id) "
	"ORDER BY (SELECT count(*) FROM operation x WHERE x.tenant_id = o.tenant_id AND x.state = 'running'), o.id "
	"FOR UPDATE SKIP LOCKED LIMIT 1) "
	"RETURNING id, attempt, tenant_id, app_id, app, kind, args, release_id, created_by, request_id, "
	"(SELECT name FROM tenant t WHERE t.id = tenant_id) AS tenant");
SQL(STEPS_AGAIN,
	"UPDATE operation_step SET state = 'failed', ended_at = now() WHERE operation_id = $1 AND state = 'running'");

static void take_row(struct job *job, const PGresult *r)
{
	json_error_t je;

	job->id = db_i64(r, 0, "id");
	job->attempt = db_i64(r, 0, "attempt");
	job->tenant_id = db_i64(r, 0, "tenant_id");
	job->app_id = db_i64(r, 0, "app_id");
	job->release_id = db_i64(r, 0, "release_id");
	job->tenant = arena_strdup(&job->a, db_text(r, 0, "tenant"));
	job->app = arena_strdup(&job->a, db_text(r, 0, "app"));
	job->kind = arena_strdup(&job->a, db_text(r, 0, "kind"));
	job->created_by = arena_strdup(&job->a, db_text(r, 0, "created_by"));
	job->request_id = arena_strdup(&job->a, db_text(r, 0, "request_id"));
	job->args = json_loads(db_text(r, 0, "args"), 0, &je);
	if (!job->args)
		job->args = json_object();
}

bool job_claim(struct db *db, const struct config *cfg, const char *worker, bool quick,
	struct job *ret, bool *ret_found, struct err *e)
{
	struct job job = { .cfg = cfg, .db = db, .beat_at = clock_mono_ms() };
	auto_result PGresult *r = NULL;

	*ret_found = false;
	if (!db_exec(db, NULL, e, SUPERSEDE) || !db_query(db, &r, e, CLAIM, worker, BOOL(quick)))
		/* two claimed an app's operations at once: the index operation_one_running let one of them */
		return e->kind == ERR_BUSY;
	if (db_rows(r) == 0)
		return true;
	take_row(&job, r);
	if (!db_exec(db, NULL, e, STEPS_AGAIN, I64(job.id)))
		return false;
	*ret = job;
	*ret_found = true;
	return true;
}

SQL(END,
	"UPDATE operation SET state = $3, ended_at = now(), error_code = $4, error = $5, error_lines = $6::jsonb, "
	"waiting = NULL WHERE id = $1 AND attempt = $2::integer AND state = 'running'");

void job_end(struct job *job, const struct err *failure, json_t *lines)
{
	bool cancelled = failure && job->cancelled;
	const char *state = cancelled ? "cancelled" : failure ? "failed" : "succeeded";
	auto_free char *text = lines ? json_dumps(lines, JSON_COMPACT) : NULL;
	struct err e;

	if (job->lost)
		return;
	if (failure)
		job_say(job, "%s: %s", state, failure->msg);
	if (!db_exec(job->db, NULL, &e, STEP_CLOSE, I64(job->id), I64(job->attempt),
		    failure ? "failed" : "succeeded") ||
		!db_exec(job->db, NULL, &e, END, I64(job->id), I64(job->attempt), state,
			failure ? failure->code : NULL, failure ? failure->msg : NULL, text))
		LOG(ERROR, "operation.end", KV("operation", job->id), KV("error", e.msg),
			KV("detail", e.detail));
}

void job_release(struct job *job)
{
	json_decref(job->args);
	job->args = NULL;
	arena_clear(&job->a);
}

/* what this process has seen of running operations: a lease is over when its beat has stood still for 60 s here */
struct beats {
	struct seen {
		int64_t id, attempt, beat, since_ms;
	} seen[256];
	size_t n;
};

#define LEASE_MS 60000

SQL(RUNNING,
	"SELECT id, attempt, beat FROM operation WHERE state = 'running' ORDER BY id LIMIT 256");
SQL(TAKE_BACK,
	"UPDATE operation SET state = 'queued', worker = NULL WHERE id = $1 AND attempt = $2::integer "
	"AND beat = $3 AND state = 'running'");

struct beats *beats_new(void)
{
	return xcalloc(1, sizeof(struct beats));
}

void beats_free(struct beats *b)
{
	free(b);
}

static const struct seen *find_seen(const struct beats *b, int64_t id)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->seen[i].id == id)
			return &b->seen[i];
	return NULL;
}

bool beats_watch(struct beats *b, struct db *db, struct err *e)
{
	auto_result PGresult *r = NULL;
	int64_t now = clock_mono_ms();
	struct beats next = { .n = 0 };

	if (!db_query(db, &r, e, RUNNING))
		return false;
	for (int i = 0; i < db_rows(r); i++) {
		struct seen s = { db_i64(r, i, "id"), db_i64(r, i, "attempt"), db_i64(r, i, "beat"),
			now };
		const struct seen *old = find_seen(b, s.id);

		if (old && old->attempt == s.attempt && old->beat == s.beat)
			s.since_ms = old->since_ms;
		if (now - s.since_ms >= LEASE_MS) {
			LOG(WARNING, "operation.taken_back", KV("operation", s.id),
				KV("attempt", s.attempt));
			if (!db_exec(
				    db, NULL, e, TAKE_BACK, I64(s.id), I64(s.attempt), I64(s.beat)))
				return false;
		}
		next.seen[next.n++] = s;
	}
	*b = next;
	return true;
}
