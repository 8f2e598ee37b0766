#include "job/run.h"

#include "base/clock.h"
#include "base/log.h"
#include "job/disk.h"
#include "job/keep.h"
#include "job/kinds.h"
#include "job/lease.h"
#include "job/release.h"

#include <malloc.h>
#include <sodium.h>
#include <sys/stat.h>
#include <time.h>

#define LOOK_MS	     30000 /* notices are hints: a look at the table all the same */
#define MAX_ATTEMPTS 20	   /* of an operation that ends its worker each time */

static const struct kind {
	const char *name;
	job_fn *run;
	bool makes_release;
} KINDS[] = {
	{ "deploy", job_deploy, true },
	{ "push", job_push, true },
	{ "rollback", job_rollback, true },
	{ "env", job_env, true },
	{ "scale", job_scale, false },
	{ "start", job_start, false },
	{ "stop", job_stop, false },
	{ "restart", job_restart, false },
	{ "destroy", job_destroy, false },
	{ "similar", job_similar, false },
	{ "group", job_group, false },
	{ "upload", job_upload, true },
};

static volatile sig_atomic_t stop;

static void on_term(int signal)
{
	(void)signal;
	stop = 1;
}

static void pause_ms(long ms)
{
	(void)nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

static const struct kind *kind_of(const struct job *job)
{
	for (size_t i = 0; i < ARRAY_SIZE(KINDS); i++)
		if (streq(KINDS[i].name, job->kind))
			return &KINDS[i];
	return NULL;
}

static bool run_kind(struct job *job, struct err *e)
{
	const struct kind *kind = kind_of(job);

	if (!kind)
		return err_set(e, ERR_INTERNAL, "internal",
			"operation %lld is of a kind that this nap does not know",
			(long long)job->id);
	if (job->attempt > MAX_ATTEMPTS)
		return err_set(e, ERR_INTERNAL, "gave_up",
			"the operation was begun %d times and never came to an end", MAX_ATTEMPTS);
	return kind->run(job, e);
}

/* what it wrote last, of the build or of the instances */
static json_t *last_lines(struct job *job, const struct err *why)
{
	return release_last_lines(job, starts_with(why->code, "build_"));
}

static bool settle(struct job *job, const struct err *why, struct err *e)
{
	const struct kind *kind = kind_of(job);
	json_auto_t *lines = NULL;

	if (job->lost)
		return true;
	if (why && job_passes(job, why))
		return job_give_back(job, e);
	if (why && kind && kind->makes_release) {
		lines = last_lines(job, why);
		if (!release_abandon(job, why, e))
			return job->lost;
	}
	return job_end(job, why, json_array_size(lines) ? lines : NULL, e);
}

/* what the operation has changed on the disk; the next sweep finds what this does not */
static void measure(struct job *job)
{
	const struct kind *kind = kind_of(job);
	struct err e;

	if (kind && kind->makes_release && !job->lost && !stop && !disk_measure(job, &e))
		LOG(WARNING, "disk.measure", KV("error", e.msg), KV("detail", e.detail));
}

static void run_one(struct job *job)
{
	struct err why, e = { 0 };
	char id[32];
	bool ok;

	(void)snprintf(id, sizeof id, "%lld", (long long)job->id);
	log_context("operation", id);
	LOG(INFO, "operation.start", KV("kind", job->kind), KV("tenant", job->tenant),
		KV("app", job->app), KV("attempt", job->attempt), KV("req", job->request_id));
	ok = run_kind(job, &why);
	if (!ok && !job->lost && !job_passes(job, &why))
		job_say(job, "%s: %s", job->cancelled ? "cancelled" : "failed", why.msg);
	/* a database that is away comes back; the end must be written */
	while (!settle(job, ok ? NULL : &why, &e) && !stop)
		pause_ms(1000);
	LOG(INFO, "operation.end", KV("kind", job->kind), KV("app", job->app),
		KV("end", job->lost		  ? "lost"
			  : ok			  ? "succeeded"
			  : job_passes(job, &why) ? "given back"
			  : job->cancelled	  ? "cancelled"
						  : "failed"),
		KV("code", ok ? "" : why.code), KV("detail", ok ? "" : why.detail));
	measure(job);
	if (!ok && !stop && job_passes(job, &why))
		pause_ms(1000);
	log_context("operation", NULL);
}

/* true: there was one */
static bool claim_one(
	struct db *db, const struct config *cfg, const char *name, bool quick, struct err *e)
{
	struct job job;
	bool found = false;

	if (!job_claim(db, cfg, name, quick, &job, &found, e) || !found)
		return false;
	job.stop = &stop;
	run_one(&job);
	job_release(&job);
	/* a thousand similar apps at once took 60 MB; the next operation is a small one */
	(void)malloc_trim(0);
	return true;
}

static int run(const struct config *cfg, bool quick)
{
	struct db db = { 0 };
	struct err e = { 0 };
	struct beats *beats = beats_new();
	struct keep keep = { 0 };
	char name[WORKER_NAME_SIZE];
	bool away = false;

	if (sodium_init() < 0)
		return 1;
	(void)sigaction(SIGTERM, &(struct sigaction){ .sa_handler = on_term }, NULL);
	(void)sigaction(SIGINT, &(struct sigaction){ .sa_handler = on_term }, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)umask(0007); /* repositories are the group's; all else lies in folders of ours */
	worker_name(name);
	(void)!db_open(&db,
		&(struct db_options){ .host = config_path(cfg, "run/db"),
			.user = "nap_worker",
			.program = quick ? "nap-worker quick" : "nap-worker jobs" },
		&e);
	(void)!db_listen(&db, "nap_operation", &e);
	while (!stop) {
		e.kind = ERR_NONE;
		/* what a notice told is taken first: who asked for it waits */
		while (!stop && claim_one(&db, cfg, name, quick, &e))
			;
		if (e.kind != ERR_NONE || !beats_watch(beats, &db, &e)) {
			if (!away)
				LOG(WARNING, "jobs.database", KV("error", e.msg),
					KV("detail", e.detail));
			away = true;
			pause_ms(1000);
			continue;
		}
		away = false;
		if (!stop && !quick)
			keep_order(&keep, &db, cfg, &stop);
		if (!stop)
			(void)db_wait(&db, LOOK_MS);
	}
	beats_free(beats);
	db_close(&db);
	return 0;
}

int run_jobs(const struct config *cfg)
{
	return run(cfg, false);
}

int run_quick(const struct config *cfg)
{
	return run(cfg, true);
}
