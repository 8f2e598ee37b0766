#include "job/job.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <stdarg.h>
#include <time.h>

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

	if (job->one_step)
		return job_goes_on(job) || job_stopped(job, e);
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

SQL(WAITING,
	"UPDATE operation SET waiting = $3 WHERE id = $1 AND attempt = $2::integer AND state = 'running'");

void job_waiting(struct job *job, const char *why)
{
	struct err e;

	if (streq(job->waiting, why ? why : ""))
		return;
	if (!db_exec(job->db, NULL, &e, WAITING, I64(job->id), I64(job->attempt), why))
		return;
	(void)snprintf(job->waiting, sizeof job->waiting, "%s", why ? why : "");
}

SQL(FENCE,
	"SELECT id FROM operation WHERE id = $1 AND attempt = $2::integer AND state = 'running' FOR UPDATE");

bool job_fence(struct job *job, struct err *e)
{
	int64_t id;

	assert(job->db->in_tx);
	if (db_one_i64(job->db, &id, e, FENCE, I64(job->id), I64(job->attempt)))
		return true;
	if (e->kind != ERR_NOT_FOUND)
		return false;
	job->lost = true;
	return job_stopped(job, e);
}

void job_secret(struct job *job, const char *value)
{
	if (value && strlen(value) >= 4)
		argv_add(&job->secrets, &job->a, value);
}

void job_child(struct job *job, struct argv *argv)
{
	argv_add(argv, &job->a, "setpriv");
	argv_add(argv, &job->a, "--pdeathsig");
	argv_add(argv, &job->a, "KILL");
	argv_add(argv, &job->a, "--");
}

/* in place: a secret is not shorter than what stands for it */
static void redact(const struct job *job, char *text)
{
	for (size_t i = 0; i < job->secrets.n; i++) {
		size_t n = strlen(job->secrets.v[i]);

		for (char *at = text; (at = strstr(at, job->secrets.v[i])); at += 3) {
			memcpy(at, "***", 3);
			memmove(at + 3, at + n, strlen(at + n) + 1);
		}
	}
}

const char *job_redact(struct job *job, const char *text)
{
	char *copy = arena_strdup(&job->a, text);

	redact(job, copy);
	return copy;
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
	redact(job, clean);
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
	job->stopping = job->stopping || (job->stop && *job->stop);
	if (job->stopping)
		return false;
	if (!job->id) /* no operation, only its children: keep.c */
		return true;
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
	if (job->stopping && !job->lost)
		return err_set(e, ERR_BUSY, "stopping", "this worker is about to end");
	return err_set(
		e, ERR_INTERNAL, "lost", "operation %lld has another worker", (long long)job->id);
}

bool job_passes(const struct job *job, const struct err *e)
{
	static const char *const codes[] = { "database_unavailable", "database_timeout",
		"database_busy", "retry", "locked" };

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (streq(codes[i], e->code))
			return true;
	return job->stopping;
}

bool job_wait(struct job *job, int ms)
{
	/* other operations' notices wake it too: not more often than 20 times a second */
	if (db_wait(job->db, ms))
		(void)nanosleep(&(struct timespec){ 0, 50000000 }, NULL);
	return job_goes_on(job);
}

/* claims wait for each other: none of the counts below moves under a claim */
SQL(CLAIM_LOCK, "SELECT pg_advisory_xact_lock(hashtext('nap claim'))");
SQL(SUPERSEDE,
	"UPDATE operation o SET state = 'cancelled', ended_at = now(), error_code = 'superseded', "
	"error = 'a newer deploy of this app overtook it' WHERE o.state = 'queued' AND o.kind IN ('deploy', 'push', 'upload') "
	"AND EXISTS (SELECT 1 FROM operation n WHERE n.app_id = o.app_id AND n.id > o.id AND n.kind IN ('deploy', 'push', 'upload') "
	"AND n.state = 'queued' AND (o.args ? 'hint' OR NOT n.args ? 'hint'))");
SQL(CLAIM,
	"UPDATE operation SET state = 'running', attempt = attempt + 1, worker = $1, beat = beat + 1, waiting = NULL, "
	"started_at = coalesce(started_at, now()) WHERE id = (SELECT o.id FROM operation o WHERE o.state = 'queued' "
	"AND (o.lane = 'quick' OR NOT $2::boolean) "
	"AND NOT EXISTS (SELECT 1 FROM operation x WHERE x.app_id = o.app_id AND x.state = 'running') "
	"AND NOT EXISTS (SELECT 1 FROM operation x WHERE x.app_id = o.app_id AND x.state = 'queued' AND x.id < o.id "
	"AND (x.lane = 'quick' OR o.lane <> 'quick')) "
	"AND (o.kind NOT IN ('deploy', 'push', 'upload') OR (SELECT count(*) FROM operation x WHERE x.tenant_id = o.tenant_id "
	"AND x.state = 'running' AND x.kind IN ('deploy', 'push', 'upload')) < 2) "
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

static bool claim(
	struct db *db, const char *worker, bool quick, struct job *job, bool *ret, struct err *e)
{
	auto_result PGresult *r = NULL;
	auto_tx struct tx tx = { 0 };

	if (!tx_begin(db, &tx, e) || !db_exec(db, NULL, e, CLAIM_LOCK) ||
		!db_exec(db, NULL, e, SUPERSEDE) ||
		!db_query(db, &r, e, CLAIM, worker, BOOL(quick)))
		return false;
	*ret = db_rows(r) > 0;
	if (*ret && !db_exec(db, NULL, e, STEPS_AGAIN, db_text(r, 0, "id")))
		return false;
	if (!tx_commit(&tx, e))
		return false;
	if (*ret)
		take_row(job, r);
	return true;
}

bool job_claim(struct db *db, const struct config *cfg, const char *worker, bool quick,
	struct job *ret, bool *ret_found, struct err *e)
{
	struct job job = { .cfg = cfg, .db = db, .beat_at = clock_mono_ms() };
	bool found = false;

	if (!claim(db, worker, quick, &job, &found, e))
		return false;
	*ret_found = found;
	*ret = job;
	return true;
}

SQL(END,
	"UPDATE operation SET state = $3, ended_at = now(), error_code = $4, error = $5, error_lines = $6::jsonb, "
	"waiting = NULL WHERE id = $1 AND attempt = $2::integer AND state = 'running'");

bool job_end(struct job *job, const struct err *failure, const json_t *lines, struct err *e)
{
	bool cancelled = failure && job->cancelled;
	const char *state = cancelled ? "cancelled" : failure ? "failed" : "succeeded";
	auto_free char *text = lines ? json_dumps(lines, JSON_COMPACT) : NULL;
	const char *why = failure ? job_redact(job, failure->msg) : NULL;
	auto_tx struct tx tx = { 0 };

	if (job->lost)
		return true;
	if (text)
		redact(job, text);
	if (!tx_begin(job->db, &tx, e) ||
		!db_exec(job->db, NULL, e, STEP_CLOSE, I64(job->id), I64(job->attempt),
			failure ? "failed" : "succeeded") ||
		!db_exec(job->db, NULL, e, END, I64(job->id), I64(job->attempt), state,
			failure ? failure->code : NULL, why, text))
		return false;
	return tx_commit(&tx, e);
}

SQL(GIVE_BACK, "UPDATE operation SET state = 'queued', worker = NULL, waiting = NULL WHERE id = $1 "
	       "AND attempt = $2::integer AND state = 'running'");

bool job_give_back(struct job *job, struct err *e)
{
	return job->lost || db_exec(job->db, NULL, e, GIVE_BACK, I64(job->id), I64(job->attempt));
}

void job_release(struct job *job)
{
	json_decref(job->args);
	job->args = NULL;
	arena_clear(&job->a);
}
