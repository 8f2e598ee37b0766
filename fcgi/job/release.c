#include "job/release.h"

#include "base/clock.h"
#include "base/limits.h"
#include "job/git.h"
#include "model/unit.h"
#include "store/applog.h"
#include "store/build.h"

#include <sodium.h>

SQL(APP_LOAD,
	"SELECT a.url, a.url_secret, a.ref, a.branch, a.profile_text, a.command_override, a.group_name, "
	"a.memory_override, a.release_id, a.deleting, a.listened, a.env, r.commit, r.source_tree "
	"FROM app a LEFT JOIN release r ON r.id = a.release_id WHERE a.id = $1");

static const char *percent_decoded(struct arena *a, const char *text)
{
	char *out = arena_alloc(a, strlen(text) + 1), *at = out;

	for (; *text; text++) {
		char digits[3] = { text[0] == '%' ? text[1] : '\0', 0, 0 };

		if (digits[0])
			digits[1] = text[2];
		if (digits[0] && digits[1] && hex_decode(at, 1, digits)) {
			at++;
			text += 2;
		} else {
			*at++ = *text;
		}
	}
	return out;
}

/* what nobody may read in a log: the URL's password as it came and as it is sent, secret variables */
static void hide_secrets(struct job *job, const struct job_app *app)
{
	const char *colon = app->url_secret ? strchr(app->url_secret, ':') : NULL;
	json_error_t je;
	json_t *env = json_loads(app->env, 0, &je), *entry;
	const char *name;

	if (app->url_secret) {
		const char *password = colon && colon[1] ? colon + 1 : app->url_secret;

		job_secret(job, app->url_secret);
		job_secret(job, password);
		job_secret(job, percent_decoded(&job->a, password));
	}
	json_object_foreach (env, name, entry)
		if (json_is_true(json_object_get(entry, "secret")) &&
			json_is_string(json_object_get(entry, "value")))
			job_secret(job, arena_strdup(&job->a, json_string_value(json_object_get(
								      entry, "value"))));
	json_decref(env);
}

bool job_app_load(struct job *job, struct job_app *ret, struct err *e)
{
	PGresult *r = NULL;

	if (!db_query(job->db, &r, e, APP_LOAD, I64(job->app_id)))
		return false;
	r = db_keep(&job->a, &r);
	if (db_rows(r) == 0 || db_bool(r, 0, "deleting"))
		return err_set(
			e, ERR_CONFLICT, "app_deleting", "app \"%s\" is being destroyed", job->app);
	*ret = (struct job_app){
		.url = db_text_null(r, 0, "url"),
		.url_secret = db_text_null(r, 0, "url_secret"),
		.ref = db_text_null(r, 0, "ref"),
		.branch = db_text_null(r, 0, "branch"),
		.profile_text = db_text_null(r, 0, "profile_text"),
		.command_override = db_text_null(r, 0, "command_override"),
		.group = db_text(r, 0, "group_name"),
		.env = db_text(r, 0, "env"),
		.memory_override = db_i64(r, 0, "memory_override"),
		.current_release = db_i64(r, 0, "release_id"),
		.listened = db_bool(r, 0, "listened"),
		.current_commit = db_text_null(r, 0, "commit"),
		.current_source = db_text_null(r, 0, "source_tree"),
	};
	hide_secrets(job, ret);
	return true;
}

bool job_app_begin(struct job *job, struct job_app *ret, bool *ret_brought, struct err *e)
{
	struct release_plan plan;

	*ret_brought = job->release_id != 0;
	return job_app_load(job, ret, e) &&
	       (!*ret_brought || (release_plan_of(job, job->release_id, 0, &plan, e) &&
					 release_bring(job, ret, &plan, e)));
}

static bool read_profile(struct job *job, const struct job_app *app, const char *commit,
	struct release_plan *p, struct err *e)
{
	size_t n;

	if (git_blob(job, commit, "profile", MAX_PROFILE_BYTES, &p->profile_text, &n, e))
		return profile_parse(p->profile_text, n, &job->a, &p->profile, e);
	if (e->kind != ERR_NOT_FOUND)
		return false;
	if (!app->profile_text)
		return err_set(e, ERR_INVALID, "profile_missing",
			"the source has no file \"profile\", and the request gave none; a line \"command: …\" is expected");
	p->profile_text = app->profile_text;
	return profile_parse(p->profile_text, strlen(p->profile_text), &job->a, &p->profile, e);
}

/* the start script: the source's own run file, then the command lines */
static bool read_start(struct job *job, const struct job_app *app, const char *commit,
	struct release_plan *p, struct err *e)
{
	const char *run = "",
		   *own = app->command_override ? app->command_override : p->profile.command;
	size_t n = 0, len = strlen(own);

	if (!git_blob(job, commit, "run", MAX_COMMAND_BYTES, &run, &n, e)) {
		if (e->kind != ERR_NOT_FOUND)
			return false;
		run = "";
	}
	if (!run[0] && !own[0])
		return err_set(e, ERR_INVALID, "command_missing",
			"the profile has no \"command:\" and the source has no file \"run\"");
	p->start = arena_printf(&job->a, "%s%s%s%s", run, n && run[n - 1] != '\n' ? "\n" : "", own,
		len && own[len - 1] != '\n' ? "\n" : "");
	while (len && own[len - 1] == '\n')
		len--;
	p->command = len ? arena_strndup(&job->a, own, len) : "sh run";
	return true;
}

bool release_plan(struct job *job, const struct job_app *app, const char *commit,
	struct release_plan *ret, struct err *e)
{
	struct release_plan p = { .commit = commit };
	const char *subject;

	if (!read_profile(job, app, commit, &p, e) || !read_start(job, app, commit, &p, e) ||
		!git_ask(job, &subject, e, "log", "-1", "--no-show-signature", "--format=%s",
			commit))
		return false;
	for (size_t i = 0; i < p.profile.faults_n; i++)
		job_say(job, "profile, line %d: warning: %s", p.profile.faults[i].line,
			p.profile.faults[i].text);
	if (p.profile.image[0])
		return err_set(e, ERR_INVALID, "runtime_unavailable",
			"the profile asks for image \"%s\": no machine runs docker",
			p.profile.image);
	p.subject = utf8_scrub(&job->a, subject, MIN(strlen(subject), (size_t)200));
	p.memory = app->memory_override ? app->memory_override
		   : p.profile.memory	? p.profile.memory
					: job->cfg->memory_default;
	p.scale = p.profile.scale >= 0 ? p.profile.scale : 1;
	if (!p.profile.memory && !app->memory_override)
		job_say(job, "the profile names no memory: an instance gets %lld MiB",
			(long long)(p.memory >> 20));
	job_say(job, "profile checked: %lld MiB of memory, scale %d%s", (long long)(p.memory >> 20),
		p.scale, p.profile.build[0] ? ", with a build" : "");
	*ret = p;
	return true;
}

SQL(PLAN_OF,
	"SELECT kind, commit, subject, profile_text, start, command, memory_bytes, scale, source_tree, tree, state, "
	"env - 'NAP_TOKEN' AS env FROM release WHERE app_id = $1 AND (id = $2 OR ($2::bigint = 0 AND number = $3))");

bool release_plan_of(
	struct job *job, int64_t id, int64_t number, struct release_plan *ret, struct err *e)
{
	struct release_plan p = { .kind = "" };
	struct err ignored;
	PGresult *r = NULL;

	if (!db_query(job->db, &r, e, PLAN_OF, I64(job->app_id), I64(id), I64(number)))
		return false;
	r = db_keep(&job->a, &r);
	if (db_rows(r) == 0)
		return err_set(e, ERR_NOT_FOUND, "release_not_found",
			"app \"%s\" has no release %lld", job->app, (long long)number);
	p.kind = db_text(r, 0, "kind");
	p.commit = db_text(r, 0, "commit");
	p.subject = db_text(r, 0, "subject");
	p.profile_text = db_text(r, 0, "profile_text");
	p.start = db_text(r, 0, "start");
	p.command = db_text(r, 0, "command");
	p.source = db_text_null(r, 0, "source_tree");
	p.tree = db_text_null(r, 0, "tree");
	p.env = db_text(r, 0, "env");
	p.memory = db_i64(r, 0, "memory_bytes");
	p.scale = (int)db_i64(r, 0, "scale");
	/* it was without errors when it was made */
	(void)!profile_parse(p.profile_text, strlen(p.profile_text), &job->a, &p.profile, &ignored);
	*ret = p;
	return true;
}

/* beside a release that serves, what the new one takes waits in next_* until the switch; the first one takes it now */
SQL(ADMIT,
	"UPDATE app SET next_memory = CASE WHEN release_id IS NOT NULL THEN $2::bigint END, "
	"next_scale = CASE WHEN release_id IS NOT NULL THEN $3::integer END, "
	"memory_bytes = CASE WHEN release_id IS NULL THEN $2::bigint ELSE memory_bytes END, "
	"scale_profile = CASE WHEN release_id IS NULL THEN $3::integer ELSE scale_profile END, "
	"command = CASE WHEN release_id IS NULL THEN $4 ELSE command END, deployed = true "
	"WHERE id = $1 AND NOT deleting RETURNING (SELECT id FROM installation) AS installation, env, listened");
SQL(NUMBER,
	"INSERT INTO app_counter AS c (tenant, app, release_no) VALUES ($1, $2, 1) "
	"ON CONFLICT (tenant, app) DO UPDATE SET release_no = c.release_no + 1 RETURNING release_no");
SQL(INSERT,
	"INSERT INTO release (tenant_id, app_id, number, kind, commit, subject, tree, source_tree, profile_text, profile, env, start, "
	"command, memory_bytes, scale, health, restart, sidekick, main_unit, sidekick_unit, created_by) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::jsonb, $11::jsonb, $12, $13, $14, $15::integer, $16, $17, "
	"$18::boolean, $19::jsonb, $20::jsonb, $21) RETURNING id");
SQL(TOKEN, "INSERT INTO token (tenant_id, name, hash, scopes, app_id, release_id) "
	   "VALUES ($1, $2, $3, '{read}', $4, $5)");
SQL(NOTE,
	"UPDATE operation SET release_id = $3, release_number = $4 WHERE id = $1 AND attempt = $2::integer "
	"AND state = 'running'");

/* the app's environment and the token that its instances read their own endpoints with */
static char *env_with_token(const char *app_env, const char *token)
{
	json_error_t je;
	json_auto_t *env = json_loads(app_env, 0, &je);
	char *text;

	if (!env)
		env = json_object();
	(void)json_object_set_new(
		env, "NAP_TOKEN", json_pack("{s:s, s:b}", "value", token, "secret", 1));
	text = json_dumps(env, JSON_COMPACT);
	if (!text)
		abort();
	return text;
}

static void new_token(char ret[5 + 64], unsigned char ret_hash[crypto_hash_sha256_BYTES])
{
	unsigned char random[32];

	randombytes_buf(random, sizeof random);
	(void)memcpy(ret, "nap_", 4);
	hex_encode(ret + 4, random, sizeof random);
	(void)crypto_hash_sha256(ret_hash, (const unsigned char *)ret, strlen(ret));
}

static char *dumped(json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT);

	json_decref(value);
	if (!text)
		abort();
	return text;
}

static bool insert_release(
	struct job *job, const struct release_plan *p, const PGresult *app, struct err *e)
{
	const char *installation = db_text(app, 0, "installation");
	bool sidekick = p->profile.health != HEALTH_NONE;
	auto_free char *profile = dumped(profile_json(&p->profile));
	auto_free char *main_unit = dumped(
		unit_main_options(&(struct unit_class){ p->memory, sidekick, installation }));
	auto_free char *sidekick_unit = dumped(unit_sidekick_options(installation));
	auto_free char *env = NULL, *name = NULL;
	unsigned char hash[crypto_hash_sha256_BYTES];
	char token[5 + 64];
	int64_t number, changed;

	new_token(token, hash);
	env = env_with_token(p->env ? p->env : db_text(app, 0, "env"), token);
	if (!db_one_i64(job->db, &number, e, NUMBER, job->tenant, job->app) ||
		!db_one_i64(job->db, &job->release_id, e, INSERT, I64(job->tenant_id),
			I64(job->app_id), I64(number), p->kind, p->commit, p->subject, p->tree,
			p->source, p->profile_text, profile, env, p->start, p->command,
			I64(p->memory), I64(p->scale), profile_health_word(&p->profile),
			profile_restart_word(p->profile.restart), BOOL(sidekick), main_unit,
			sidekick_unit, job->created_by))
		return false;
	name = xasprintf("instances of v%lld", (long long)number);
	if (!db_exec(job->db, NULL, e, TOKEN, I64(job->tenant_id), name, BYTES(hash, sizeof hash),
		    I64(job->app_id), I64(job->release_id)) ||
		!db_exec(job->db, &changed, e, NOTE, I64(job->id), I64(job->attempt),
			I64(job->release_id), I64(number)))
		return false;
	job->lost = job->lost || changed == 0;
	return !job->lost || job_stopped(job, e);
}

bool release_create(struct job *job, const struct release_plan *plan, struct err *e)
{
	auto_tx struct tx tx = { 0 };
	auto_result PGresult *app = NULL;

	if (job->release_id)
		return true; /* an earlier attempt made it */
	if (!tx_begin(job->db, &tx, e) || !job_fence(job, e) ||
		!db_query(job->db, &app, e, ADMIT, I64(job->app_id), I64(plan->memory),
			I64(plan->scale), plan->command))
		return false;
	if (db_rows(app) == 0)
		return err_set(
			e, ERR_CONFLICT, "app_deleting", "app \"%s\" is being destroyed", job->app);
	if (insert_release(job, plan, app, e) && tx_commit(&tx, e))
		return true;
	job->release_id = 0;
	return false;
}

SQL(PIN_OF, "SELECT number, commit FROM release WHERE id = $1");
SQL(BEGIN_START,
	"UPDATE app SET next_release_id = $2 WHERE id = $1 AND NOT deleting AND release_id IS DISTINCT FROM $2");
SQL(STARTING, "UPDATE release SET state = 'starting' WHERE id = $1 AND state = 'pending'");
SQL(READY,
	"SELECT coalesce(a.scale_override, r.scale) * (NOT a.stopped)::integer AS want, a.deleting, e.reachable, "
	"count(i.id) FILTER (WHERE i.want = 'run' AND i.state IN ('ready', 'finished')) AS ready, "
	"count(i.id) FILTER (WHERE i.want = 'run' AND i.state = 'failed') AS failed, "
	"count(i.id) FILTER (WHERE i.want = 'run' AND i.state = 'waiting' AND i.reason IS NOT NULL) AS waiting, "
	"min(i.reason) FILTER (WHERE i.want = 'run' AND i.state = 'waiting') AS reason, "
	"min(i.reason) FILTER (WHERE i.want = 'run' AND i.state = 'failed') AS why, "
	"(SELECT 'instance ' || f.number || CASE WHEN f.exit_signal IS NOT NULL THEN ' was ended by signal ' || f.exit_signal "
	"WHEN f.exit_code = 127 THEN ' ended with exit code 127: its command is not on this machine' "
	"WHEN f.exit_code IS NOT NULL THEN ' ended with exit code ' || f.exit_code ELSE '' END || CASE f.exit_result "
	"WHEN 'oom-kill' THEN ': it needed more than its memory' WHEN 'disk' THEN ': ' || coalesce(f.exit_reason, 'disk') ELSE '' END FROM instance f WHERE f.release_id = $2 "
	"AND (f.exit_code IS NOT NULL OR f.exit_signal IS NOT NULL) ORDER BY f.exited_at DESC LIMIT 1) AS ended "
	"FROM engine e, app a JOIN release r ON r.id = $2 LEFT JOIN instance i ON i.release_id = $2 WHERE a.id = $1 "
	"GROUP BY a.id, r.id, e.one");

enum rollout { ROLLOUT_GOES_ON, ROLLOUT_READY, ROLLOUT_FAILED };

static enum rollout look(struct job *job, const PGresult *r, bool late, struct err *e)
{
	int64_t want = db_i64(r, 0, "want"), ready = db_i64(r, 0, "ready"),
		waiting = db_i64(r, 0, "waiting");
	const char *ended = db_text(r, 0, "ended");

	if (db_bool(r, 0, "deleting")) {
		(void)err_set(
			e, ERR_CONFLICT, "app_deleting", "app \"%s\" is being destroyed", job->app);
		return ROLLOUT_FAILED;
	}
	if (ready >= want)
		return ROLLOUT_READY;
	if (ready > 0 && ready + waiting >= want) {
		job_say(job, "%lld of %lld instances run: %s", (long long)ready, (long long)want,
			db_text(r, 0, "reason"));
		return ROLLOUT_READY;
	}
	if (db_i64(r, 0, "failed") > 0 || late) {
		const char *why = ended[0]		    ? ended
				  : db_text(r, 0, "why")[0] ? db_text(r, 0, "why")
							    : db_text(r, 0, "reason");

		(void)err_set(e, ERR_INVALID, "release_not_ready",
			"%lld of %lld instances became ready%s%s%s", (long long)ready,
			(long long)want, late ? " in time" : "", why[0] ? ": " : "", why);
		return ROLLOUT_FAILED;
	}
	return ROLLOUT_GOES_ON;
}

static bool tell_ready(struct job *job, bool first, int64_t ready, int64_t want, struct err *e)
{
	if (first && want == 0)
		job_say(job, "no instance is asked for");
	else if (first)
		job_say(job, "starting %lld instance%s", (long long)want, want == 1 ? "" : "s");
	if (ready > 0)
		job_say(job, "%lld of %lld ready", (long long)ready, (long long)want);
	return job_progress(job, (int)ready, (int)want, e);
}

static bool wait_ready(struct job *job, struct err *e)
{
	int64_t patience = (job->cfg->ready_timeout + 15) * 1000, since = clock_mono_ms(),
		best = -1;

	for (;;) {
		auto_result PGresult *r = NULL;
		enum rollout state;
		int64_t ready, want;

		if (!db_query(job->db, &r, e, READY, I64(job->app_id), I64(job->release_id)))
			return false;
		if (db_rows(r) == 0)
			return err_set(
				e, ERR_CONFLICT, "app_deleting", "app \"%s\" is gone", job->app);
		ready = db_i64(r, 0, "ready");
		want = db_i64(r, 0, "want");
		if (ready != best || !db_bool(r, 0, "reachable")) {
			/* progress, or an engine that is away: patience begins anew */
			since = clock_mono_ms();
			if (ready != best && !tell_ready(job, best < 0, ready, want, e))
				return false;
			best = ready;
		}
		job_waiting(job, !db_bool(r, 0, "reachable") ? "the engine is away"
				 : db_i64(r, 0, "waiting")   ? db_text(r, 0, "reason")
							     : NULL);
		state = look(job, r, clock_mono_ms() - since > patience, e);
		if (state != ROLLOUT_GOES_ON) {
			job_waiting(job, NULL);
			return state == ROLLOUT_READY;
		}
		if (!job_wait(job, 250))
			return job_stopped(job, e);
	}
}

/* going back takes the old environment along: the app's variables say what runs */
SQL(SWITCH_APP,
	"UPDATE app a SET release_id = $2, next_release_id = NULL, next_memory = NULL, next_scale = NULL, "
	"memory_bytes = r.memory_bytes, scale_profile = r.scale, command = r.command, switched_at = now(), "
	"env = CASE WHEN r.kind = 'rollback' THEN r.env - 'NAP_TOKEN' ELSE a.env END "
	"FROM release r WHERE a.id = $1 AND r.id = $2 AND a.next_release_id = $2 AND NOT a.deleting");
SQL(SWITCH_OPERATION,
	"UPDATE operation SET switched = true WHERE id = $1 AND attempt = $2::integer AND state = 'running' "
	"AND NOT cancel");
SQL(SWITCH_RETIRE,
	"UPDATE release SET state = 'retired', ended_at = now() WHERE app_id = $1 AND id <> $2 AND state = 'live'");
SQL(SWITCH_LIVE, "UPDATE release SET state = 'live', live_at = now() WHERE id = $1");

static bool switch_route(struct job *job, struct err *e)
{
	auto_tx struct tx tx = { 0 };
	int64_t app, operation;

	if (!tx_begin(job->db, &tx, e) ||
		!db_exec(job->db, &operation, e, SWITCH_OPERATION, I64(job->id),
			I64(job->attempt)) ||
		!db_exec(job->db, &app, e, SWITCH_APP, I64(job->app_id), I64(job->release_id)) ||
		!db_exec(job->db, NULL, e, SWITCH_RETIRE, I64(job->app_id), I64(job->release_id)) ||
		!db_exec(job->db, NULL, e, SWITCH_LIVE, I64(job->release_id)))
		return false;
	if (operation == 0 || app == 0) {
		tx_rollback(&tx);
		return job_goes_on(job) ? err_set(e, ERR_CONFLICT, "app_deleting",
						  "app \"%s\" changed meanwhile", job->app)
					: job_stopped(job, e);
	}
	return tx_commit(&tx, e);
}

/* 1: it has no route; 2: visitors reach it */
SQL(ROUTED,
	"SELECT CASE WHEN NOT r.sidekick OR NOT a.listened THEN 1 WHEN a.routed_release_id IS NOT DISTINCT FROM $2 "
	"THEN 2 ELSE 0 END FROM app a, release r "
	"WHERE a.id = $1 AND r.id = $2");

bool release_wait_routed(struct job *job, int64_t release, struct err *e)
{
	int64_t routed = 0, until = clock_mono_ms() + 30000;

	while (!routed && clock_mono_ms() < until) {
		if (!db_one_i64(job->db, &routed, e, ROUTED, I64(job->app_id), I64(release)))
			return false;
		if (!routed && !job_wait(job, 200) && (job->lost || job->stopping))
			return job_stopped(job, e);
	}
	if (routed == 2)
		job_say(job, "routed");
	else if (!routed)
		job_say(job, "the route has not moved yet; it will when nginx answers");
	return true;
}

static bool begin_start(struct job *job, struct err *e)
{
	auto_tx struct tx tx = { 0 };

	return tx_begin(job->db, &tx, e) && job_fence(job, e) &&
	       db_exec(job->db, NULL, e, BEGIN_START, I64(job->app_id), I64(job->release_id)) &&
	       db_exec(job->db, NULL, e, STARTING, I64(job->release_id)) && tx_commit(&tx, e);
}

SQL(SERVES, "SELECT (release_id = $2)::integer FROM app WHERE id = $1 AND release_id IS NOT NULL");

bool release_roll_out(struct job *job, struct err *e)
{
	auto_result PGresult *r = NULL;
	int64_t serves = 0;

	if (!db_query(job->db, &r, e, PIN_OF, I64(job->release_id)) ||
		!git_pin(job, db_i64(r, 0, "number"), db_text(r, 0, "commit"), e))
		return false;
	if (!db_one_i64(job->db, &serves, e, SERVES, I64(job->app_id), I64(job->release_id)) &&
		e->kind != ERR_NOT_FOUND)
		return false;
	if (!serves) {
		if (!job_step(job, "start", e) || !begin_start(job, e) || !wait_ready(job, e) ||
			!job_step(job, "route", e) || !switch_route(job, e))
			return false;
	}
	return release_wait_routed(job, job->release_id, e);
}

/* Before the switch the app still says what its release takes; a first one that failed takes nothing any more. */
SQL(ABANDON_APP,
	"UPDATE app SET next_release_id = NULL, next_memory = NULL, next_scale = NULL, deployed = release_id IS NOT NULL, "
	"state = CASE WHEN release_id IS NULL AND NOT deleting THEN 'failed' ELSE state END "
	"WHERE id = $1 AND (release_id = $2) IS NOT TRUE");
SQL(ABANDON_RELEASE,
	"UPDATE release SET state = 'failed', ended_at = now(), error_code = $2, error = $3 WHERE id = $1 "
	"AND state IN ('pending', 'starting')");

bool release_abandon(struct job *job, const struct err *why, struct err *e)
{
	const char *release = job->release_id ? I64(job->release_id) : NULL;
	auto_tx struct tx tx = { 0 };

	return tx_begin(job->db, &tx, e) && job_fence(job, e) &&
	       db_exec(job->db, NULL, e, ABANDON_APP, I64(job->app_id), release) &&
	       (!release || (db_exec(job->db, NULL, e, ABANDON_RELEASE, release, why->code,
				     job_redact(job, why->msg)) &&
				    build_leave(job->db, job->release_id, e))) &&
	       tx_commit(&tx, e);
}

SQL(NUMBER_OF, "SELECT number FROM release WHERE id = $1");

json_t *release_last_lines(struct job *job, bool of_build)
{
	const char *dir = config_path(job->cfg, "logs");
	struct applog_filter filter = { .lines = 20 };
	struct applog_entry *entries;
	json_t *list = json_array();
	int64_t last;
	struct err e;
	size_t n;

	if (!job->release_id ||
		!db_one_i64(job->db, &filter.release, &e, NUMBER_OF, I64(job->release_id)) ||
		!applog_read(dir, job->app_id, &filter, &job->a, &entries, &n, &last, &e))
		return list;
	for (size_t i = 0; i < n; i++)
		if (!of_build || entries[i].instance == 0)
			(void)json_array_append_new(list,
				json_stringn_nocheck(entries[i].message.p, entries[i].message.n));
	return list;
}
