#include "lead/lead.h"

#include "base/clock.h"
#include "base/log.h"
#include "lead/act.h"
#include "lead/admit.h"
#include "lead/judge.h"
#include "lead/keep.h"
#include "lead/keys.h"
#include "lead/leader.h"
#include "lead/plan.h"
#include "lead/record.h"
#include "model/address.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#define TICK_MOVING_MS	  1000
#define TICK_QUIET_MS	  10000
#define TICK_LEAST_MS	  100
#define CANDIDATE_MS	  1000
#define ROUTES_WAIT_MS	  1500
#define ROUTES_PATIENT_MS 60000

static volatile sig_atomic_t stop;

static void on_signal(int signal)
{
	(void)signal;
	stop = 1;
}

static void pause_ms(int64_t ms)
{
	(void)nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

/* -- routes ------------------------------------------------------------------------------------------------------ */

static const char *page_of(const struct app *a)
{
	if (streq(a->state, "deleting"))
		return "none";
	if (streq(a->state, "running") || streq(a->state, "degraded"))
		return a->listened ? "starting" : "silent";
	if (streq(a->state, "stopped") || streq(a->state, "failed") || streq(a->state, "finished"))
		return a->state;
	return "starting";
}

static void route_of(struct leader *l, struct world *w, const struct app *a, struct route *ret)
{
	const char **servers = arena_alloc(&w->a, (a->n + 1) * sizeof *servers);

	*ret = (struct route){ .app_id = a->id,
		.release_id = a->release_id,
		.host = l->cfg->domain[0] ? arena_printf(&w->a, "%s-%s.%s", a->label, a->tenant,
						    l->cfg->domain)
					  : "",
		.port = l->cfg->domain[0] ? 0 : a->port,
		.page = page_of(a),
		.servers = servers };
	for (size_t k = 0; k < a->n; k++)
		if (judge_routable(&a->first[k]))
			servers[ret->servers_n++] = arena_printf(
				&w->a, "%s:%d", a->first[k].new_address, a->first[k].port);
}

SQL(LEAD_ROUTED, "UPDATE app SET routed_release_id = $2 WHERE id = $1 AND release_id = $2");

/* An app whose release has nothing to route, and will not have, is routed as it is. */
static bool is_routed(const struct app *a, const struct route *r)
{
	bool has_sidekick = false;

	for (size_t k = 0; k < a->n; k++)
		has_sidekick = has_sidekick ||
			       (a->first[k].release_id == a->release_id && a->first[k].sidekick);
	return a->release_id && a->routed_release_id != a->release_id &&
	       (r->servers_n > 0 || !has_sidekick || !a->listened || a->instances == 0);
}

static bool note_routed(
	struct leader *l, const struct world *w, const struct route *routes, struct err *e)
{
	auto_tx struct tx tx = { 0 };
	bool any = false;

	for (size_t k = 0; k < w->apps_n; k++) {
		if (!is_routed(&w->apps[k], &routes[k]))
			continue;
		if ((!any && !lock_tx(&l->lock, &tx, e)) ||
			!db_exec(l->db, NULL, e, LEAD_ROUTED, I64(w->apps[k].id),
				I64(w->apps[k].release_id)))
			return false;
		any = true;
	}
	if (any)
		l->moving = true; /* the former release's instances may leave now */
	return !any || tx_commit(&tx, e);
}

static bool route_apps(struct leader *l, struct world *w, struct err *e)
{
	struct route *routes = arena_alloc(&w->a, (w->apps_n + 1) * sizeof *routes);
	struct err why;

	for (size_t k = 0; k < w->apps_n; k++)
		route_of(l, w, &w->apps[k], &routes[k]);
	if (!lock_check(&l->lock, e))
		return false;
	if (!routes_apply(&l->routes, routes, w->apps_n, ROUTES_WAIT_MS, &why)) {
		if (streq(why.code, "leadership_lost")) {
			*e = why;
			return false;
		}
		LOG(ERROR, "lead.routes", KV("error", why.msg));
		return true;
	}
	if (!routes_settled(&l->routes)) {
		l->moving = l->moving || clock_mono_ms() - l->routes.since < ROUTES_PATIENT_MS;
		return true;
	}
	return note_routed(l, w, routes, e);
}

/* -- the tick ---------------------------------------------------------------------------------------------------- */

SQL(LEAD_HELD, "SELECT held, coalesce(held_answer, '') AS answer FROM installation");
SQL(LEAD_FREE, "UPDATE installation SET held = false, held_reason = NULL, held_answer = NULL");
SQL(LEAD_FORGET, "DELETE FROM adopted_unit");

static bool look_held(struct leader *l, struct err *e)
{
	auto_result PGresult *r = NULL;
	const char *answer;

	if (!db_query(l->db, &r, e, LEAD_HELD))
		return false;
	answer = db_text(r, 0, "answer");
	l->held = db_bool(r, 0, "held");
	l->adopt = streq(answer, "adopt");
	l->prune = streq(answer, "prune");
	/* away, nothing could be done for it */
	l->adopt = l->adopt && !l->away;
	l->prune = l->prune && !l->away;
	if (!l->adopt && !l->prune)
		return true;
	l->held = false;
	LOG(NOTICE, "lead.freed", KV("answer", answer));
	return db_exec(l->db, NULL, e, LEAD_FREE) &&
	       (l->adopt || db_exec(l->db, NULL, e, LEAD_FORGET));
}

/* all that is read and written of PostgreSQL, in one transaction */
static bool decide(struct leader *l, struct world *w, const struct err *away,
	struct plan_of_action **ret, struct err *e)
{
	auto_tx struct tx tx = { 0 };

	if (!lock_tx(&l->lock, &tx, e) || !look_held(l, e) || !plan_app_ports(l->db, l->cfg, e) ||
		!plan_instances(l->db, l->cfg, routes_settled(&l->routes), e) ||
		!world_load(w, l->db, e))
		return false;
	world_see(w, &l->view);
	if (!admit_instances(l, w, e))
		return false;
	judge_instances(l, w);
	return judge_write(l, w, e) && act_plan(l, w, ret, e) && record_sweep(l, away, e) &&
	       tx_commit(&tx, e);
}

static bool tick(struct leader *l, struct err *e)
{
	struct world w = { .a = { 0 } };
	struct plan_of_action *plan = NULL;
	int64_t since = clock_mono_ms();
	struct err why;
	bool ok;

	l->moving = false;
	/* before the engine is looked at, which takes its time: who has added a key pushes next */
	if (!keys_apply(l, e))
		return false;
	l->away = !view_sweep(&l->view, &why);
	l->sweep_ms = clock_mono_ms() - since;
	if (l->away) {
		LOG(WARNING, "lead.engine", KV("error", why.msg));
		l->grace_until = clock_mono_ms() + l->cfg->silence_grace * 1000;
		l->moving = true;
	}
	/* routes first: a burst may take seconds, and what has died must leave at once */
	ok = decide(l, &w, l->away ? &why : NULL, &plan, e) && route_apps(l, &w, e) &&
	     act_do(l, plan, e) && record_usage(l, e) && keep_tidy(l, e);
	act_free(plan);
	world_clear(&w);
	return ok;
}

/* -- a reign ----------------------------------------------------------------------------------------------------- */

SQL(LEAD_MACHINES, "SELECT id FROM machine WHERE observed_at > now() - interval '1 hour'");

/* the machines that the leader before knew: an endpoint that shows none of them is not this cluster's */
static bool know_machines(struct leader *l, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!db_query(l->db, &r, e, LEAD_MACHINES))
		return false;
	l->view.known = xcalloc((size_t)db_rows(r) + 1, sizeof *l->view.known);
	for (int k = 0; k < db_rows(r); k++)
		(void)snprintf(
			l->view.known[k], sizeof l->view.known[k], "%s", db_text(r, k, "id"));
	l->view.known_n = (size_t)db_rows(r);
	l->view.known_at = clock_mono_ms();
	return true;
}

SQL(LEAD_ADOPTED, "SELECT name FROM adopted_unit");

static bool know_adopted(struct leader *l, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!db_query(l->db, &r, e, LEAD_ADOPTED))
		return false;
	for (int k = 0; k < db_rows(r); k++)
		view_unit(&l->view, db_text(r, k, "name"))->adopted = true;
	return true;
}

SQL(LEAD_HOLD, "UPDATE installation SET held = true, held_reason = $1");

static bool begin(struct leader *l, struct err *e)
{
	bool agent = l->cfg->engine[0] == '\0', old = false;
	auto_free char *endpoint = xasprintf("unix://%s/run/agent/agent.sock", l->cfg->state);

	if (!engine_open(&l->engine, agent ? endpoint : l->cfg->engine, e))
		return false;
	view_init(&l->view, &l->engine, l->lock.installation, agent);
	l->view.local = address_is_loopback(l->cfg->url);
	routes_init(&l->routes, l->cfg, l->engine.http, l->lock.epoch);
	l->grace_until = clock_mono_ms() + l->cfg->silence_grace * 1000;
	l->keys_version = -1;
	if (!know_machines(l, e) || !know_adopted(l, e) || !keep_generation(l, &old, e))
		return false;
	return !old ||
	       db_exec(l->db, NULL, e, LEAD_HOLD,
		       "the database is older than the last start of this copy of nap: it was restored");
}

static void end(struct leader *l)
{
	if (l->view.table)
		view_release(&l->view);
	if (l->engine.http)
		engine_close(&l->engine);
	routes_release(&l->routes);
	free(l->texts);
}

/* Until it is time: a second while something moves, ten when not, at once when there is work; but never sooner than
 * four times what the last look at the engine took, nor than what the whole tick did. */
static void wait_next(struct leader *l, int64_t took_ms)
{
	int64_t least = MAX(MAX(4 * l->sweep_ms, took_ms), TICK_LEAST_MS);
	int64_t most = l->moving ? TICK_MOVING_MS : TICK_QUIET_MS;

	pause_ms(MIN(least, TICK_QUIET_MS));
	if (!stop && most > least)
		(void)db_wait(l->db, (int)(most - least));
}

/* leads until it cannot; false: why is in e */
static bool reign(struct leader *l, struct err *e)
{
	if (!begin(l, e))
		return false;
	LOG(NOTICE, "lead.won", KV("epoch", l->lock.epoch));
	while (!stop) {
		int64_t since = clock_mono_ms();

		if (!tick(l, e)) {
			/* two wrote the same rows: the next tick sees what came of it */
			if (e->kind != ERR_BUSY && e->kind != ERR_TIMEOUT)
				return false;
			LOG(WARNING, "lead.again", KV("error", e->msg), KV("detail", e->detail));
		}
		wait_next(l, clock_mono_ms() - since);
	}
	return true;
}

static bool candidate(const struct config *cfg, struct err *e)
{
	const char *host = config_path(cfg, "run/db");
	struct db db;
	struct leader l = { .cfg = cfg, .db = &db };
	bool won = false, ok;

	ok = db_open(&db,
		     &(struct db_options){
			     .host = host, .user = "nap_worker", .program = "nap-worker lead" },
		     e) &&
	     db_listen(&db, "nap_work", e);
	while (ok && !stop && !won) {
		ok = lock_try(&l.lock, &db, &won, e);
		if (ok && !won)
			pause_ms(CANDIDATE_MS);
	}
	if (ok && won) {
		ok = reign(&l, e);
		end(&l);
	}
	db_close(&db); /* the lock goes with the connection */
	cleanup_free(&host);
	return ok;
}

int lead_run(const struct config *cfg)
{
	struct sigaction act = { .sa_handler = on_signal };

	(void)sigaction(SIGTERM, &act, NULL);
	(void)sigaction(SIGINT, &act, NULL);
	while (!stop) {
		struct err e;

		if (candidate(cfg, &e))
			continue;
		LOG(WARNING, "lead.lost", KV("error", e.msg), KV("detail", e.detail));
		pause_ms(CANDIDATE_MS);
	}
	return 0;
}
