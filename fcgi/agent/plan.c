#include "agent/plan.h"

#include "agent/deps.h"
#include "agent/fleet_name.h"
#include "agent/super.h"
#include "base/clock.h"
#include "base/log.h"

#include <fnmatch.h>

#define SLOT_MS	   5000 /* how long a start may hold its place */
#define ATTACH_MS  5000 /* how long runsv may take to open its fifo */
#define RETRY_MS   1000 /* between two starts of a runsv that dies */
#define LEAVE_MS   50	/* between two words to a runsv that shall leave */
#define STEP_MS	   25	/* while something is under way */
#define NAME_LIMIT 255	/* systemd loads no longer name */

static bool phase_is(const struct agent_unit *u, const char *word)
{
	return streq(u->phase.phase, word);
}

/* what is loaded is what is asked for */
static bool stays(const struct agent_unit *u)
{
	return u->scheduled && u->loaded == u->content && !u->deleted;
}

static bool phase_final(const struct agent_unit *u)
{
	return phase_is(u, "dead") || phase_is(u, "failed");
}

/* a supervisor runs, or is about to */
static bool supervised(const struct agent_unit *u)
{
	return u->control >= 0 || u->attaching;
}

static bool is_starting(const struct agent_unit *u)
{
	return supervised(u) && !u->stopping &&
	       (!u->phase.phase[0] || phase_is(u, "start-pre") || phase_is(u, "start"));
}

static bool is_active(const struct agent_unit *u)
{
	return (supervised(u) && !u->stopping && phase_is(u, "running")) || phase_is(u, "exited");
}

struct unit_states plan_words(const struct agent_unit *u)
{
	static const struct {
		const char *phase, *active, *sub;
	} words[] = {
		{ "", "activating", "start" },
		{ "start-pre", "activating", "start-pre" },
		{ "start", "activating", "start" },
		{ "running", "active", "running" },
		{ "exited", "active", "exited" },
		{ "stop", "deactivating", "stop-sigterm" },
		{ "stop-post", "deactivating", "stop-post" },
		{ "auto-restart", "activating", "auto-restart" },
		{ "failed", "failed", "failed" },
		{ "dead", "inactive", "dead" },
	};
	struct unit_states w = { u->bad ? "bad-setting" : "loaded", "inactive", "dead" };

	if (u->stopping) {
		w.active = "deactivating";
		w.sub = u->control < 0		   ? "final-sigkill"
			: phase_is(u, "stop-post") ? "stop-post"
						   : "stop-sigterm";
		return w;
	}
	if (!supervised(u) && !u->phase.phase[0])
		return w;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (phase_is(u, words[i].phase)) {
			w.active = words[i].active;
			w.sub = words[i].sub;
		}
	}
	return w;
}

enum fleet_state plan_current(const struct agent_unit *u)
{
	if (!u->loaded || !u->scheduled)
		return FLEET_INACTIVE;
	return u->launched ? FLEET_LAUNCHED : FLEET_LOADED;
}

/* Placement */

struct place {
	struct agent *ag;
	const struct agent_unit *u;
	bool ok;
};

static void need_peer(void *ctx, const char *name)
{
	struct place *p = ctx;
	const struct agent_unit *peer = agent_find(p->ag, name);

	p->ok = p->ok && peer && peer->scheduled;
}

static void need_machine(void *ctx, const char *id)
{
	struct place *p = ctx;

	p->ok = p->ok && streq(id, p->ag->machine.id);
}

/* values of one key are alternatives, keys come together: fleet's manual */
struct metadata {
	struct place *p;
	const char *key; /* NULL: all keys, each asked for once */
	size_t key_n;
	bool found;
};

static void pair_matches(void *ctx, const char *pair)
{
	struct metadata *m = ctx;
	const char *eq = strchr(pair, '='), *have;
	auto_free char *key = NULL;

	if (!eq || (size_t)(eq - pair) != m->key_n || strncmp(pair, m->key, m->key_n) != 0)
		return;
	key = xstrndup(pair, m->key_n);
	have = machine_get(&m->p->ag->machine, key);
	m->found = m->found || (have && streq(have, eq + 1));
}

static void need_metadata(void *ctx, const char *pair)
{
	struct place *p = ctx;
	const char *eq = strchr(pair, '=');
	struct metadata m = { p, pair, eq ? (size_t)(eq - pair) : 0, false };

	if (eq)
		deps_each_of(
			p->u->name, p->u->content, "X-Fleet", "MachineMetadata", pair_matches, &m);
	p->ok = p->ok && m.found;
}

struct conflict {
	const char *name;
	bool found;
};

static void pattern_matches(void *ctx, const char *pattern)
{
	struct conflict *c = ctx;

	c->found = c->found || fnmatch(pattern, c->name, FNM_PATHNAME) == 0;
}

static bool conflicts(const struct agent_unit *a, const struct agent_unit *b)
{
	struct conflict c = { b->name, false };

	if (!a->content || !a->content->conflicts)
		return false;
	deps_each_of(a->name, a->content, "X-Fleet", "Conflicts", pattern_matches, &c);
	return c.found;
}

static bool may_run(struct agent *ag, const struct agent_unit *u)
{
	struct place p = { ag, u, true };

	if (!u->content || u->desired == FLEET_INACTIVE || fleet_name_is_template(u->name) ||
		strlen(u->name) > NAME_LIMIT || ag->stop_all || streq(ag->cfg.isolation, "missing"))
		return false;
	deps_each_of(u->name, u->content, "X-Fleet", "MachineOf", need_peer, &p);
	deps_each_of(u->name, u->content, "X-Fleet", "MachineID", need_machine, &p);
	deps_each_of(u->name, u->content, "X-Fleet", "MachineMetadata", need_metadata, &p);
	return p.ok;
}

static bool has_conflict(struct agent *ag, const struct agent_unit *u)
{
	for (size_t i = 0; i < ag->n; i++) {
		const struct agent_unit *o = ag->unit[i];

		if (o != u && o->scheduled && (conflicts(u, o) || conflicts(o, u)))
			return true;
	}
	return false;
}

static void place(struct agent *ag)
{
	bool changed;

	do { /* who leaves may take others along */
		changed = false;
		for (size_t i = 0; i < ag->n; i++) {
			struct agent_unit *u = ag->unit[i];

			if (u->scheduled && !may_run(ag, u)) {
				u->scheduled = false;
				changed = true;
			}
		}
	} while (changed);
	do { /* and who comes may be waited for */
		changed = false;
		for (size_t i = 0; i < ag->n; i++) {
			struct agent_unit *u = ag->unit[i];

			if (!u->scheduled && may_run(ag, u) && !has_conflict(ag, u)) {
				u->scheduled = true;
				changed = true;
			}
		}
	} while (changed);
}

/* Dependencies */

struct dep {
	struct agent *ag;
	struct agent_unit *u;
	const char *missing;
};

static void order_start(struct agent_unit *u)
{
	if (u->start_wanted || is_active(u) || (supervised(u) && !u->stopping && !phase_final(u)))
		return;
	u->start_wanted = true;
	u->pulled = false;
}

static void pull(void *ctx, const char *name)
{
	struct dep *d = ctx;
	struct agent_unit *o = agent_find(d->ag, name);

	if (o && o != d->u && o->loaded && stays(o))
		order_start(o);
}

static void pull_required(void *ctx, const char *name)
{
	struct dep *d = ctx;
	const struct agent_unit *o = agent_find(d->ag, name);

	if (!o || !o->loaded)
		d->missing = d->missing ? d->missing : "";
	pull(ctx, name);
}

static void need_active(void *ctx, const char *name)
{
	struct dep *d = ctx;
	const struct agent_unit *o = agent_find(d->ag, name);

	if (!o || !is_active(o))
		d->missing = d->missing ? d->missing : "";
}

static bool pull_in(struct agent *ag, struct agent_unit *u)
{
	struct dep d = { .ag = ag, .u = u };

	deps_each(u->deps, DEP_WANTS, pull, &d);
	deps_each(u->deps, DEP_REQUIRES, pull_required, &d);
	deps_each(u->deps, DEP_BINDS_TO, pull_required, &d);
	deps_each(u->deps, DEP_REQUISITE, need_active, &d);
	return !d.missing;
}

/* either says so: u starts only when other has started */
static bool starts_after(const struct agent_unit *u, const struct agent_unit *other)
{
	return deps_name(u->deps, DEP_AFTER, other->name) ||
	       deps_name(other->deps, DEP_BEFORE, u->name);
}

static bool is_ordered(const struct agent_unit *a, const struct agent_unit *b)
{
	return starts_after(a, b) || starts_after(b, a);
}

static bool is_coming(const struct agent_unit *u)
{
	return u->loaded && (u->start_wanted || is_starting(u));
}

/* does u wait for target, over any number of steps? A circle is broken by not waiting. Each unit is looked at once. */
static bool leads_to(
	struct agent *ag, struct agent_unit *u, const struct agent_unit *target, unsigned int mark)
{
	u->mark = mark;
	if (starts_after(u, target))
		return true;
	for (size_t i = 0; i < ag->n; i++) {
		struct agent_unit *o = ag->unit[i];

		if (o->mark != mark && o->loaded && o->start_wanted && starts_after(u, o) &&
			leads_to(ag, o, target, mark))
			return true;
	}
	return false;
}

static bool must_wait(struct agent *ag, struct agent_unit *u)
{
	for (size_t i = 0; i < ag->n; i++) {
		struct agent_unit *o = ag->unit[i];

		if (o == u || !o->loaded)
			continue;
		/* of two that have an order, one that stops goes first, whichever order it is */
		if (o->stopping && is_ordered(u, o))
			return true;
		if (!is_coming(o) || !starts_after(u, o))
			continue;
		if (is_starting(o) || !leads_to(ag, o, u, ++ag->mark))
			return true;
	}
	return false;
}

/*
 * u is no longer active: those bound to it stop; those that require it or are part of it only if it was told to stop
 */
static void stop_bound(struct agent *ag, const struct agent_unit *u)
{
	for (size_t i = 0; i < ag->n; i++) {
		struct agent_unit *o = ag->unit[i];

		if (o == u || !supervised(o) || o->stopping)
			continue;
		if (deps_name(o->deps, DEP_BINDS_TO, u->name) ||
			(u->stopping && (deps_name(o->deps, DEP_REQUIRES, u->name) ||
						deps_name(o->deps, DEP_PART_OF, u->name)))) {
			super_stop(ag, o);
			stop_bound(ag, o);
		}
	}
}

/* who starts stops those it conflicts with, whichever of the two says so */
static void stop_conflicting(struct agent *ag, struct agent_unit *u)
{
	for (size_t i = 0; i < ag->n; i++) {
		struct agent_unit *o = ag->unit[i];

		if (o == u || !o->loaded ||
			(!deps_name(u->deps, DEP_CONFLICTS, o->name) &&
				!deps_name(o->deps, DEP_CONFLICTS, u->name)))
			continue;
		o->start_wanted = false;
		if (supervised(o) && !o->stopping) {
			super_stop(ag, o);
			stop_bound(ag, o);
		}
	}
}

/* Starting and stopping */

static size_t slots_free(const struct agent *ag, int64_t now)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	size_t most = (size_t)MAX(cpus * 4, 8L), used = 0;

	for (size_t i = 0; i < ag->n; i++)
		used += is_starting(ag->unit[i]) && now - ag->unit[i]->started_ms < SLOT_MS;
	return used < most ? most - used : 0;
}

static void start(struct agent *ag, struct agent_unit *u, bool again)
{
	struct err e = { 0 };

	u->started_ms = clock_mono_ms();
	if (!again)
		super_forget_phase(ag, u);
	if (!super_start(ag, u, &e)) {
		LOG(ERROR, "agent.start", KV("unit", u->name), KV("why", e.msg));
		super_event(ag, u, "%s: Failed to start: %s", u->name, e.msg);
		return;
	}
	u->attaching = true;
}

/* a start that was ordered; false: not yet */
static bool try_start(struct agent *ag, struct agent_unit *u)
{
	if (!u->pulled) {
		if (u->bad) {
			u->start_wanted = false;
			super_event(ag, u, "%s: %s. Refusing.", u->name, u->bad);
			return true;
		}
		if (!pull_in(ag, u)) {
			u->start_wanted = false;
			super_event(ag, u, "%s: Failed to start: a unit it requires is not found.",
				u->name);
			return true;
		}
		u->pulled = true;
		stop_conflicting(ag, u);
	}
	if (must_wait(ag, u))
		return false;
	u->start_wanted = false;
	start(ag, u, false);
	return true;
}

static bool attach(struct agent *ag, struct agent_unit *u, int64_t now)
{
	if (super_attach(ag, u)) {
		u->attaching = false;
		if (u->stopping) {
			u->stopping = false; /* the order came before the fifo: give it now */
			super_stop(ag, u);
		}
		return true;
	}
	if (now - u->started_ms > ATTACH_MS) {
		LOG(ERROR, "agent.no_runsv", KV("unit", u->name));
		u->attaching = false;
		u->died_ms = now;
	}
	return false;
}

static void unload_done(struct agent *ag, struct agent_unit *u)
{
	super_unload(ag, u);
	ag->asked = true;
	u->start_wanted = u->stopping = false;
	LOG(DEBUG, "agent.unloaded", KV("unit", u->name));
}

/* The unit has ended. nap-unit's finish writes d into the fifo, which undoes our x: so it is said until runsv leaves. */
static void leave(struct agent_unit *u, int64_t now)
{
	if (now < u->leave_ms)
		return;
	u->leave_ms = now + LEAVE_MS;
	super_exit(u);
}

/* what u needs that is not a start; false: something is under way, look again soon */
static bool settle(struct agent *ag, struct agent_unit *u, int64_t now)
{
	bool keep = stays(u), calm = true;
	struct err e = { 0 };

	if (!keep || u->desired != FLEET_LAUNCHED)
		u->died_ms = 0;
	if (u->attaching)
		return attach(ag, u, now) && !u->stopping;
	if (u->loaded && supervised(u) && !u->stopping &&
		(!keep || (u->desired != FLEET_LAUNCHED && u->launched))) {
		super_stop(ag, u);
		stop_bound(ag, u);
	}
	if (u->control >= 0 && phase_final(u)) {
		leave(u, now);
		calm = false;
	}
	if (u->stopping) {
		super_stop(ag, u);
		return false;
	}
	if (u->loaded && !keep)
		return false; /* swept and unloaded by the batch */
	if (u->scheduled && !u->loaded && !super_load(ag, u, &e)) {
		LOG(ERROR, "agent.load", KV("unit", u->name), KV("why", e.msg));
		return false;
	}
	if (u->loaded && u->desired != FLEET_LAUNCHED) {
		/* one that is only loaded may still be wanted by another */
		if (u->launched)
			u->start_wanted = false;
		u->launched = false;
	} else if (u->loaded && !u->launched) {
		u->launched = true;
		order_start(u);
	}
	if (u->loaded && u->launched && !supervised(u) && u->died_ms &&
		now - u->started_ms >= RETRY_MS) {
		u->died_ms = 0;
		start(ag, u, true); /* runsv was killed: its unit goes on */
	}
	return calm && !u->died_ms;
}

/* runsv is gone, and the unit was to stop or has ended: nothing of it may be left */
static bool wants_sweep(const struct agent_unit *u)
{
	if (!u->loaded || supervised(u) || u->died_ms)
		return false;
	return u->stopping || !stays(u) || !u->swept;
}

static bool sweep(struct agent *ag)
{
	auto_free struct agent_unit **list = xcalloc(ag->n + 1, sizeof *list);
	auto_free bool *gone = xcalloc(ag->n + 1, sizeof *gone);
	size_t n = 0;
	bool all = true;

	for (size_t i = 0; i < ag->n; i++) {
		if (wants_sweep(ag->unit[i]))
			list[n++] = ag->unit[i];
	}
	if (!n)
		return true;
	super_sweep(ag, list, n, gone);
	for (size_t i = 0; i < n; i++) {
		struct agent_unit *u = list[i];

		all = all && gone[i];
		if (!gone[i])
			continue;
		u->swept = true;
		u->stopping = false;
		if (!phase_final(u) && u->phase.phase[0])
			super_end_phase(ag, u); /* nap-unit was killed before it could say so */
		ag->dirty = true;
		if (!stays(u))
			unload_done(ag, u);
	}
	return all;
}

static void drop_deleted(struct agent *ag)
{
	for (size_t i = ag->n; i-- > 0;) {
		if (!ag->unit[i]->content && !ag->unit[i]->loaded)
			agent_drop(ag, ag->unit[i]);
	}
}

int plan_step(struct agent *ag)
{
	int64_t now = clock_mono_ms();
	bool calm = true;
	size_t slots;

	ag->dirty = false;
	if (ag->asked)
		place(ag);
	ag->asked = false;
	for (size_t i = 0; i < ag->n; i++)
		calm = settle(ag, ag->unit[i], now) && calm;
	calm = sweep(ag) && calm;
	slots = slots_free(ag, now);
	for (size_t i = 0; i < ag->n; i++) {
		struct agent_unit *u = ag->unit[i];

		if (!u->start_wanted || u->stopping || supervised(u) || !u->loaded)
			continue;
		calm = false;
		if (slots && try_start(ag, u))
			slots--;
	}
	drop_deleted(ag);
	return ag->dirty ? 0 : calm ? -1 : STEP_MS;
}

void plan_runsv_gone(struct agent *ag, struct agent_unit *u)
{
	struct agent_phase before = u->phase;

	super_detach(u);
	u->swept = false;
	ag->dirty = true;
	if (super_read_phase(ag, u))
		plan_phase_changed(ag, u, &before);
	if (u->stopping || phase_final(u) || !u->launched)
		return;
	LOG(WARNING, "agent.runsv_died", KV("unit", u->name));
	u->died_ms = clock_mono_ms();
}

void plan_phase_changed(struct agent *ag, struct agent_unit *u, const struct agent_phase *before)
{
	bool was_active = streq(before->phase, "running") || streq(before->phase, "stop");

	ag->dirty = true;
	if (streq(before->phase, u->phase.phase))
		return;
	if (was_active && !phase_is(u, "running") && !phase_is(u, "stop"))
		stop_bound(ag, u);
	/* systemd's restart job pulls in what the unit wants: that brings back a sidekick bound to it */
	if (streq(before->phase, "auto-restart") && !u->stopping && !phase_final(u))
		(void)pull_in(ag, u);
}
