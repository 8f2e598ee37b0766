#include "lead/act.h"

#include "base/clock.h"
#include "base/log.h"
#include "lead/build.h"
#include "lead/busy.h"
#include "model/unit.h"

#define GUARD_LEAST	  10
#define BACK_OFF_MS	  1000
#define BACK_OFF_MAX_MS	  60000
#define LEAVE_LEAST_MS	  1000
#define SIDEKICK_AHEAD_MS 6000

struct action {
	struct seen *unit;
	const char *desired; /* NULL: delete */
	int64_t release_id;  /* whose text; 0: options */
	json_t *options;     /* NULL: none are sent; in the arena */
	bool sidekick;
	int64_t restarted; /* id of the instance that this PUT launches again; 0: none */
	bool unasked;	   /* counts for the guard */
};

struct plan_of_action {
	struct arena a;
	struct action *actions;
	size_t n, size;
	json_t *texts;	  /* {"RELEASE_ID": [main, sidekick]} */
	const bool *busy; /* by port, once somebody asked; NULL: the kernel does not tell */
	bool looked;
};

static void add(struct plan_of_action *p, struct seen *unit, const char *desired,
	int64_t release_id, bool sidekick)
{
	if (unit->try_at > clock_mono_ms())
		return;
	if (p->n == p->size) {
		p->size = MAX(p->size * 2, (size_t)64);
		p->actions = xrealloc_array(p->actions, p->size, sizeof *p->actions);
	}
	p->actions[p->n++] = (struct action){
		.unit = unit, .desired = desired, .release_id = release_id, .sidekick = sidekick
	};
}

static void json_free(void *p)
{
	json_decref(p);
}

void act_put(struct plan_of_action *p, struct seen *unit, json_t *options)
{
	size_t n = p->n;

	arena_defer(&p->a, json_free, options);
	add(p, unit, "launched", 0, false);
	if (p->n > n)
		p->actions[n].options = options;
}

/* -- texts ------------------------------------------------------------------------------------------------------ */

static const struct text_hash *hash_of(const struct leader *l, int64_t release_id)
{
	for (size_t k = 0; k < l->texts_n; k++)
		if (l->texts[k].release_id == release_id)
			return &l->texts[k];
	return NULL;
}

SQL(ACT_TEXTS, "SELECT id, main_unit, sidekick_unit FROM release WHERE id = ANY ($1::bigint[])");

/* a PostgreSQL array of ids, without doubles that stand side by side */
static void add_id(struct buf *ids, int64_t id)
{
	char text[32];
	int n = snprintf(text, sizeof text, "%s%lld", ids->len > 1 ? "," : "", (long long)id);

	if (ids->len > (size_t)n && streq(ids->data + ids->len - (size_t)n, text))
		return;
	buf_add(ids, text, (size_t)n);
}

static json_t *parse(const char *text)
{
	json_error_t je;
	json_t *o = json_loads(text, 0, &je);

	return o ? o : json_array();
}

/* hashes of the texts of all releases that have instances */
static bool learn_hashes(struct leader *l, const struct world *w, struct err *e)
{
	auto_buf struct buf ids;
	auto_result PGresult *r = NULL;

	buf_init(&ids, 1024 * 1024);
	buf_putc(&ids, '{');
	for (size_t k = 0; k < w->instances_n; k++)
		if (!hash_of(l, w->instances[k].release_id))
			add_id(&ids, w->instances[k].release_id);
	buf_putc(&ids, '}');
	if (ids.len == 2)
		return true;
	if (l->texts_n > 4096)
		l->texts_n = 0; /* they are read again */
	if (!db_query(l->db, &r, e, ACT_TEXTS, ids.data))
		return false;
	for (int k = 0; k < db_rows(r); k++) {
		json_auto_t *main = parse(db_text(r, k, "main_unit"));
		json_auto_t *sidekick = parse(db_text(r, k, "sidekick_unit"));

		if (l->texts_n == l->texts_size) {
			l->texts_size = MAX(l->texts_size * 2, (size_t)64);
			l->texts = xrealloc_array(l->texts, l->texts_size, sizeof *l->texts);
		}
		l->texts[l->texts_n++] = (struct text_hash){ db_i64(r, k, "id"),
			engine_options_hash(main), engine_options_hash(sidekick) };
	}
	return true;
}

static bool load_texts(struct leader *l, struct plan_of_action *p, struct err *e)
{
	auto_buf struct buf ids;
	auto_result PGresult *r = NULL;

	buf_init(&ids, 1024 * 1024);
	buf_putc(&ids, '{');
	for (size_t k = 0; k < p->n; k++)
		if (p->actions[k].release_id)
			add_id(&ids, p->actions[k].release_id);
	buf_putc(&ids, '}');
	p->texts = json_object();
	if (ids.len == 2)
		return true;
	if (!db_query(l->db, &r, e, ACT_TEXTS, ids.data))
		return false;
	for (int k = 0; k < db_rows(r); k++)
		(void)json_object_set_new(p->texts, db_text(r, k, "id"),
			json_pack("[o, o]", parse(db_text(r, k, "main_unit")),
				parse(db_text(r, k, "sidekick_unit"))));
	return true;
}

static const json_t *text_of(const struct plan_of_action *p, const struct action *a)
{
	char key[24];

	(void)snprintf(key, sizeof key, "%lld", (long long)a->release_id);
	return json_array_get(json_object_get(p->texts, key), a->sidekick ? 1 : 0);
}

/* -- what is to be done ------------------------------------------------------------------------------------------ */

/* the unit is there as it is declared */
static bool is_right(const struct seen *s, const char *desired, uint64_t hash)
{
	return s->exists && streq(s->desired, desired) && (s->hash == hash || s->hash == 0);
}

static void want_unit(struct leader *l, struct plan_of_action *p, struct instance *i,
	struct seen *s, bool sidekick)
{
	const struct text_hash *h = hash_of(l, i->release_id);
	bool was = i->active_ms >= 0 || i->ready_ms >= 0;
	size_t n = p->n;

	if (!h || is_right(s, "launched", sidekick ? h->sidekick : h->main))
		return;
	if (s->exists && !s->ours)
		return;
	add(p, s, "launched", i->release_id, sidekick);
	if (p->n > n)
		p->actions[n].unasked = was && !s->exists && !i->app->asked;
	l->moving = true;
}

/*
 * Out of the routes, and nobody is being answered any more: the rule of plan.h for those that leave. The tick that
 * sees first that it is to be restarted takes it out of the routes behind this look.
 */
static bool may_stop(const struct leader *l, struct plan_of_action *p, struct instance *i)
{
	int64_t drain = l->cfg->drain * 1000, now = clock_mono_ms();
	struct seen *s = i->main;

	if (!i->listened)
		return true;
	if (!s->leaving_since) {
		s->leaving_since = now;
		return false;
	}
	if (!routes_settled(&l->routes) || now - s->leaving_since < MIN(LEAVE_LEAST_MS, drain))
		return false;
	if (i->want_ms >= drain)
		return true;
	if (!p->looked)
		p->busy = busy_by_port(&p->a);
	p->looked = true;
	return p->busy && !p->busy[i->port];
}

static bool is_stopped(const struct leader *l, const struct instance *i)
{
	const struct seen *s = i->main;
	bool quiet = i->word == WORD_DEAD || i->word == WORD_FAILED || i->word == WORD_ABSENT ||
		     i->word == WORD_BROKEN || (i->word == WORD_STARTING && s->word == WORD_FAILED);

	return quiet && l->view.unit_sweeps > s->put_sweep && !streq(s->current, "launched");
}

static void restart_unit(struct leader *l, struct plan_of_action *p, struct instance *i)
{
	struct seen *s = i->main;
	size_t n = p->n;

	l->moving = true;
	l->view.surprise = true; /* its current state stands in the unit list */
	if (s->exists && !s->ours)
		return;
	if (s->exists && streq(s->desired, "launched")) {
		if (may_stop(l, p, i))
			add(p, s, "loaded", i->release_id, false);
		return;
	}
	if (s->exists && !is_stopped(l, i))
		return;
	add(p, s, "launched", i->release_id, false);
	if (p->n > n)
		p->actions[n].restarted = i->id;
}

static void want_instance(struct leader *l, struct plan_of_action *p, struct instance *i)
{
	if (streq(i->want, "restart"))
		restart_unit(l, p, i);
	else {
		i->main->leaving_since = 0;
		want_unit(l, p, i, i->main, false);
	}
	if (i->sidekick)
		want_unit(l, p, i, i->sidekick, true);
}

void act_remove(struct leader *l, struct plan_of_action *p, struct seen *s, bool asked)
{
	size_t n = p->n;

	if (view_gone(&l->view, s))
		return;
	l->moving = true;
	l->view.surprise = true;
	if (s->exists && !s->ours)
		return;
	if (s->deleted_at && !s->exists)
		return; /* the engine is about to confirm it */
	add(p, s, NULL, 0, false);
	if (p->n > n)
		p->actions[n].unasked = !asked && s->exists;
}

/*
 * fleet sheds units that bind to others slowly, one a pass; sidekicks first and the main units when those have gone
 * took 17 s for 50 pairs where all at once took 71. nap-agent needs no such care.
 */
static void remove_instance(struct leader *l, struct plan_of_action *p, struct instance *i)
{
	const struct seen *s = i->sidekick;

	/* before fleet takes it from its machine, because its sidekick has gone from there */
	i->main->deleted_live = i->main->deleted_live || (i->main->state_at && !i->main->missing);
	if (i->sidekick)
		act_remove(l, p, i->sidekick, i->app->asked);
	if (!s || l->view.exact ||
		(s->deleted_at &&
			(s->missing > 0 || clock_mono_ms() - s->deleted_at > SIDEKICK_AHEAD_MS)))
		act_remove(l, p, i->main, i->app->asked);
}

/* the templates of a release that has instances which are to run */
static void want_templates(
	struct leader *l, struct world *w, struct plan_of_action *p, const struct instance *i)
{
	const struct text_hash *h = hash_of(l, i->release_id);
	struct unit_name name;
	char text[UNIT_NAME_SIZE];
	struct seen *s;

	if (!h || !unit_name_parse(i->unit, &name))
		return;
	(void)w;
	name.number = 0;
	for (int k = 0; k < (i->sidekick ? 2 : 1); k++) {
		name.sidekick = k == 1;
		unit_name_print(text, &name);
		s = view_unit(&l->view, text);
		s->declared = true;
		if (!is_right(s, "inactive", k ? h->sidekick : h->main) && (s->ours || !s->exists))
			add(p, s, "inactive", i->release_id, k == 1);
	}
}

SQL(ACT_ADOPT, "INSERT INTO adopted_unit (name) VALUES ($1) ON CONFLICT DO NOTHING");

/* ours, but nobody's: a leftover of a crash, a foreign hand, or newer than the database; those adopted stay */
static bool remove_orphans(struct leader *l, struct plan_of_action *p, struct err *e)
{
	int64_t now = clock_mono_ms();

	for (size_t k = 0; k < l->view.size; k++) {
		struct seen *s = l->view.table[k];
		struct unit_name name;
		size_t n = p->n;
		bool template;

		if (!s)
			continue;
		if (s->declared || !s->exists || !s->ours) {
			s->orphan_since = 0;
			continue;
		}
		if (!s->orphan_since)
			s->orphan_since = now;
		template = unit_name_parse(s->name, &name) && name.number == 0;
		if (l->adopt && !template && !db_exec(l->db, NULL, e, ACT_ADOPT, s->name))
			return false;
		s->adopted = (l->adopt && !template) || (s->adopted && !l->prune);
		if (s->adopted)
			continue;
		if (!template && now - s->orphan_since < l->cfg->orphan_grace * 1000 && !l->prune)
			continue;
		add(p, s, NULL, 0, false);
		if (p->n > n)
			p->actions[n].unasked = !template;
	}
	return true;
}

/* -- guards ------------------------------------------------------------------------------------------------------ */

SQL(ACT_HOLD, "UPDATE installation SET held = true, held_reason = $1 WHERE NOT held");

static bool hold(struct leader *l, const char *why, struct err *e)
{
	if (!l->held)
		LOG(ERROR, "lead.held", KV("reason", why));
	l->held = true;
	return db_exec(l->db, NULL, e, ACT_HOLD, why);
}

SQL(ACT_RAISE, "INSERT INTO app_counter AS c (tenant, app, release_no) VALUES ($1, $2, $3) "
	       "ON CONFLICT (tenant, app) DO UPDATE SET release_no = excluded.release_no "
	       "WHERE c.release_no < excluded.release_no");

/* units of releases that this database has never given: it was restored from an older copy */
static bool guard_counters(struct leader *l, struct err *e)
{
	for (size_t k = 0; k < l->view.size; k++) {
		const struct seen *s = l->view.table[k];
		struct unit_name name;
		int64_t raised = 0;

		if (!s || !s->exists || !s->ours || s->declared || s->orphan_since ||
			!unit_name_parse(s->name, &name))
			continue;
		if (!db_exec(
			    l->db, &raised, e, ACT_RAISE, name.tenant, name.app, I64(name.release)))
			return false;
		if (raised && !hold(l,
				      "the engine runs releases that this database does not know: "
				      "it is older than they are",
				      e))
			return false;
	}
	return true;
}

static bool guard_mass(struct leader *l, struct plan_of_action *p, struct err *e)
{
	char why[200];
	size_t unasked = 0, all = 0;

	for (size_t k = 0; k < p->n; k++)
		unasked += p->actions[k].unasked;
	for (size_t k = 0; k < l->view.size; k++)
		all += l->view.table[k] && (l->view.table[k]->declared || l->view.table[k]->exists);
	if (unasked <= GUARD_LEAST || unasked * 5 <= all || l->adopt || l->prune)
		return true;
	(void)snprintf(why, sizeof why,
		"%zu of %zu units would be removed or made anew, and no operation asks for it",
		unasked, all);
	return hold(l, why, e);
}

static void drop_unasked(struct plan_of_action *p)
{
	size_t kept = 0;

	for (size_t k = 0; k < p->n; k++)
		if (!p->actions[k].unasked)
			p->actions[kept++] = p->actions[k];
	p->n = kept;
}

/* -- rows -------------------------------------------------------------------------------------------------------- */

SQL(ACT_ROW_GONE, "DELETE FROM instance WHERE id = $1 AND want = 'gone'");
SQL(ACT_SILENCE, "DELETE FROM announcement WHERE unit = $1");

static bool unit_is_gone(const struct leader *l, const struct instance *i)
{
	return i->port == 0 ||
	       (view_gone(&l->view, i->main) && (!i->sidekick || view_gone(&l->view, i->sidekick)));
}

static bool drop_rows(struct leader *l, struct world *w, struct err *e)
{
	for (size_t k = 0; k < w->instances_n; k++) {
		struct instance *i = &w->instances[k];

		if (!instance_is_gone(i) || !unit_is_gone(l, i))
			continue;
		if (!db_exec(l->db, NULL, e, ACT_ROW_GONE, I64(i->id)) ||
			!db_exec(l->db, NULL, e, ACT_SILENCE, i->unit))
			return false;
		i->main->deleted_at = 0;
		if (i->sidekick)
			i->sidekick->deleted_at = 0;
	}
	return true;
}

bool act_plan(struct leader *l, struct world *w, struct plan_of_action **ret, struct err *e)
{
	struct plan_of_action *p = xcalloc(1, sizeof *p);
	int64_t release_id = 0;

	*ret = p;
	if (l->away || l->view.sweeps == 0) {
		p->texts = json_object();
		return true;
	}
	if (!learn_hashes(l, w, e) || !drop_rows(l, w, e))
		return false;
	for (size_t k = 0; k < w->instances_n; k++) {
		struct instance *i = &w->instances[k];

		if (i->port == 0)
			continue;
		if (instance_is_gone(i)) {
			remove_instance(l, p, i);
			continue;
		}
		if (i->release_id != release_id)
			want_templates(l, w, p, i);
		release_id = i->release_id;
		want_instance(l, p, i);
	}
	if (!build_plan(l, p, e) || !guard_counters(l, e) || !remove_orphans(l, p, e) ||
		!guard_mass(l, p, e))
		return false;
	if (l->held)
		drop_unasked(p);
	return load_texts(l, p, e);
}

/* -- the burst --------------------------------------------------------------------------------------------------- */

SQL(ACT_RESTARTED,
	"UPDATE instance SET want = 'run', state = 'restarting', since = now(), active_at = NULL, ready_at = NULL, "
	"exit_code = NULL, exit_signal = NULL, exit_result = NULL, exited_at = NULL WHERE id = $1 AND want = 'restart' "
	"RETURNING unit");

static bool note_restart(struct leader *l, struct action *a, struct err *e)
{
	auto_tx struct tx tx = { 0 };

	a->unit->word = WORD_STARTING;
	a->unit->word_since = clock_mono_ms();
	return lock_tx(&l->lock, &tx, e) && db_exec(l->db, NULL, e, ACT_SILENCE, a->unit->name) &&
	       db_exec(l->db, NULL, e, ACT_RESTARTED, I64(a->restarted)) && tx_commit(&tx, e);
}

static void note_failure(struct seen *s, const struct engine_change *c)
{
	int64_t wait = BACK_OFF_MS << MIN(s->tries, 6);

	s->tries++;
	s->try_at = clock_mono_ms() + MIN(wait, BACK_OFF_MAX_MS);
	(void)snprintf(s->refusal, sizeof s->refusal, "%.199s", c->err.msg);
	LOG(WARNING, "lead.unit", KV("unit", s->name), KV("error", c->err.msg));
}

static bool note(struct leader *l, struct action *a, const struct engine_change *c, struct err *e)
{
	struct seen *s = a->unit;

	if (!c->done) {
		if (c->err.kind)
			note_failure(s, c);
		return true;
	}
	s->tries = 0;
	s->try_at = 0;
	s->refusal[0] = '\0';
	if (!a->desired) {
		s->exists = false;
		s->deleted_at = clock_mono_ms();
		s->deleted_sweep = l->view.unit_sweeps;
		s->deleted_live = s->deleted_live || (s->state_at && s->missing == 0);
		l->view.surprise = true;
		return true;
	}
	if (!s->exists) {
		l->view.surprise = true; /* where it lands stands in the unit list */
		s->put_at = clock_mono_ms();
	}
	s->exists = s->ours = true;
	s->deleted_at = 0;
	s->deleted_live = false;
	s->hash = engine_options_hash(c->options);
	s->put_sweep = l->view.unit_sweeps;
	(void)snprintf(s->desired, sizeof s->desired, "%s", a->desired);
	return !a->restarted || note_restart(l, a, e);
}

bool act_do(struct leader *l, struct plan_of_action *p, struct err *e)
{
	struct engine_change *changes;
	bool ok = true;

	if (p->n == 0)
		return true;
	if (!lock_check(&l->lock, e))
		return false;
	changes = arena_alloc(&p->a, p->n * sizeof *changes);
	for (size_t k = 0; k < p->n; k++) {
		const struct action *a = &p->actions[k];

		changes[k] = (struct engine_change){ .unit = a->unit->name,
			.desired = a->desired,
			.options = a->release_id ? text_of(p, a) : a->options };
	}
	(void)engine_apply(&l->engine, changes, p->n, LOCK_BURST_MS);
	for (size_t k = 0; k < p->n && ok; k++)
		ok = note(l, &p->actions[k], &changes[k], e);
	return ok;
}

void act_free(struct plan_of_action *p)
{
	if (!p)
		return;
	json_decref(p->texts);
	free(p->actions);
	arena_clear(&p->a);
	free(p);
}
