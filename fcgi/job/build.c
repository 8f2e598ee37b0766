#include "job/build.h"

#include "base/clock.h"
#include "model/unit.h"
#include "store/applog.h"
#include "store/build.h"

#include <sodium.h>

#define GRACE_MS     300000 /* to be placed, to copy the result: beside the build's own time */
#define LATE_LINE_MS 3000   /* its last lines come after its end */

void build_key(const char *source, const char *script, const char *env, char ret[TREE_ID_SIZE])
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state sha;
	json_error_t je;
	json_t *sorted = json_loads(env, 0, &je);
	char *text = sorted ? json_dumps(sorted, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	const char *const parts[] = { "build", source, script, text ? text : "{}" };

	(void)crypto_hash_sha256_init(&sha);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		(void)crypto_hash_sha256_update(
			&sha, (const unsigned char *)parts[i], strlen(parts[i]) + 1);
	(void)crypto_hash_sha256_final(&sha, hash);
	hex_encode(ret, hash, sizeof hash);
	json_decref(sorted);
	free(text);
}

SQL(BUILD_RELEASE,
	"SELECT r.number, i.id AS installation FROM release r, installation i WHERE r.id = $1");

static bool declare(struct job *job, const struct release_plan *plan, const char *env,
	int64_t *ret_number, struct err *e)
{
	auto_result PGresult *r = NULL;
	auto_free char *options = NULL;
	auto_tx struct tx tx = { 0 };
	char unit[UNIT_NAME_SIZE];
	struct unit_name name = { .number = 1, .build = true };
	json_t *list;

	if (!tx_begin(job->db, &tx, e) || !job_fence(job, e) ||
		!db_query(job->db, &r, e, BUILD_RELEASE, I64(job->release_id)))
		return false;
	name.release = *ret_number = db_i64(r, 0, "number");
	(void)snprintf(name.tenant, sizeof name.tenant, "%s", job->tenant);
	(void)snprintf(name.app, sizeof name.app, "%s", job->app);
	unit_name_print(unit, &name);
	list = unit_build_options(&(struct unit_build_class){
		job->cfg->build_memory, job->cfg->build_timeout, db_text(r, 0, "installation") });
	options = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	return build_ensure(job->db,
		       &(struct build_new){ .tenant = job->tenant_id,
			       .app = job->app_id,
			       .release = job->release_id,
			       .operation = job->id,
			       .unit = unit,
			       .unit_options = options,
			       .source_tree = plan->source,
			       .result_tree = plan->tree,
			       .script = arena_printf(&job->a, "set -e\n%s", plan->profile.build),
			       .env = env,
			       .memory = unit_memory_step(job->cfg->build_memory),
			       .seconds = job->cfg->build_timeout },
		       e) &&
	       tx_commit(&tx, e);
}

/* shows what the build has printed since; true: there was something */
static bool show_lines(struct job *job, int64_t number, int64_t *after)
{
	auto_arena struct arena a = { 0 };
	struct applog_filter filter = { .after = *after, .lines = 500, .release = number };
	auto_free char *dir = xasprintf("%s/logs", job->cfg->state);
	struct applog_entry *entries;
	int64_t last;
	struct err e;
	size_t n;

	if (!applog_read(dir, job->app_id, &filter, &a, &entries, &n, &last, &e))
		return false;
	for (size_t i = 0; i < n; i++) {
		*after = entries[i].seq;
		if (entries[i].instance == 0 && entries[i].stream == 'o')
			job_line(job, entries[i].message.p, entries[i].message.n);
	}
	return n > 0;
}

static void show_rest(struct job *job, int64_t number, int64_t *after)
{
	int64_t quiet = clock_mono_ms(), until = quiet + LATE_LINE_MS;

	while (clock_mono_ms() < until && clock_mono_ms() - quiet < 600) {
		if (show_lines(job, number, after))
			quiet = clock_mono_ms();
		if (!job_wait(job, 100))
			return;
	}
}

static bool judge(
	struct job *job, const struct release_plan *plan, const struct build_view *v, struct err *e)
{
	if (streq(v->result, "finished") && tree_is_there(job, plan->tree))
		return true;
	if (streq(v->result, "finished"))
		return err_set(e, ERR_UPSTREAM, "build_lost",
			"the build ended well, but what it made did not arrive");
	if (streq(v->result, "timeout"))
		return err_set(e, ERR_INVALID, "build_timeout",
			"the build did not end within %lld s", (long long)job->cfg->build_timeout);
	if (streq(v->result, "oom-kill"))
		return err_set(e, ERR_INVALID, "build_failed",
			"the build needed more than its %lld MiB of memory",
			(long long)(job->cfg->build_memory >> 20));
	if (streq(v->result, "disk"))
		return err_set(e, ERR_INVALID, "build_failed",
			"the build was ended: it took more of the disk than the %lld MiB that it may, or "
			"than was left",
			(long long)(job->cfg->disk_max >> 20));
	if (streq(v->result, "lost") || !v->result[0])
		return err_set(e, ERR_UPSTREAM, "build_lost",
			"the build's machine does not know how it ended");
	if (v->exit_signal)
		return err_set(e, ERR_INVALID, "build_failed", "the build was ended by signal %d",
			v->exit_signal);
	return err_set(e, ERR_INVALID, "build_failed", "the build ended with exit code %d%s",
		v->exit_code,
		v->exit_code == 127 ? ": one of its commands is not on this machine" : "");
}

SQL(ENGINE_THERE, "SELECT reachable::integer FROM engine");

static bool wait_end(struct job *job, int64_t number, struct build_view *ret, struct err *e)
{
	int64_t after = 0, since = clock_mono_ms(),
		patience = job->cfg->build_timeout * 1000 + GRACE_MS;
	bool running = false;

	for (;;) {
		int64_t reachable;

		if (!build_look(job->db, &job->a, job->release_id, ret, e) ||
			!db_one_i64(job->db, &reachable, e, ENGINE_THERE))
			return false;
		(void)show_lines(job, number, &after);
		if (ret->ended)
			break;
		if (!reachable || ret->reason[0] || (ret->running && !running))
			since = clock_mono_ms(); /* it waits, or has only begun */
		running = ret->running;
		job_waiting(job, !reachable	  ? "the engine is away"
				 : ret->reason[0] ? ret->reason
						  : NULL);
		if (clock_mono_ms() - since > patience)
			return err_set(e, ERR_TIMEOUT, "build_timeout",
				"the build did not end within %lld s",
				(long long)job->cfg->build_timeout);
		if (!job_wait(job, 1000))
			return job_stopped(job, e);
	}
	job_waiting(job, NULL);
	show_rest(job, number, &after);
	return true;
}

bool build_make(struct job *job, const struct release_plan *plan, const char *env, struct err *e)
{
	struct build_view view;
	struct err ignored;
	int64_t number;
	bool ok;

	if (tree_is_there(job, plan->tree)) {
		job_say(job, "the same build was made before and is used again");
		return true;
	}
	if (!declare(job, plan, env, &number, e))
		return false;
	job_say(job, "building");
	ok = wait_end(job, number, &view, e) && judge(job, plan, &view, e);
	if (ok)
		job_say(job, "built");
	/* given back: the build goes on and the next worker waits for it */
	if (!job->stopping && !job->lost && !build_leave(job->db, job->release_id, &ignored))
		job_say(job, "could not end the build's unit: %s", ignored.msg);
	return ok;
}
