#include "lead/view.h"

#include "base/clock.h"
#include "base/log.h"
#include "model/address.h"
#include "model/unit.h"

#define UNITS_EVERY_MS	30000
#define KNOWN_FORGET_MS 3600000

void view_init(struct view *v, struct engine *en, const char *installation, bool exact)
{
	*v = (struct view){
		.engine = en, .installation = installation, .exact = exact, .surprise = true
	};
	v->size = 256;
	v->table = xcalloc(v->size, sizeof *v->table);
}

void view_release(struct view *v)
{
	for (size_t i = 0; i < v->size; i++) {
		if (v->table[i])
			free(v->table[i]->name);
		free(v->table[i]);
	}
	free(v->table);
	free(v->known);
	arena_clear(&v->machines_arena);
	arena_clear(&v->states_arena);
	arena_clear(&v->units_arena);
	*v = (struct view){ 0 };
}

static size_t slot(struct seen *const *table, size_t size, const char *name)
{
	uint64_t h = 0xcbf29ce484222325;

	for (const char *p = name; *p; p++)
		h = (h ^ (unsigned char)*p) * 0x100000001b3;
	h ^= h >> 32;
	while (table[h & (size - 1)] && !streq(table[h & (size - 1)]->name, name))
		h++;
	return h & (size - 1);
}

struct seen *view_find(const struct view *v, const char *name)
{
	return v->table[slot(v->table, v->size, name)];
}

/* what is neither declared, nor in the engine, nor shown is forgotten when the table grows */
static bool is_needed(const struct seen *s)
{
	return s->declared || s->exists || s->missing == 0 || s->deleted_at || s->adopted;
}

static void grow(struct view *v)
{
	struct seen **old = v->table;
	size_t old_size = v->size;

	v->size *= 2;
	v->used = 0;
	v->table = xcalloc(v->size, sizeof *v->table);
	for (size_t i = 0; i < old_size; i++) {
		if (old[i] && is_needed(old[i])) {
			v->table[slot(v->table, v->size, old[i]->name)] = old[i];
			v->used++;
		} else if (old[i]) {
			free(old[i]->name);
			free(old[i]);
		}
	}
	free(old);
}

struct seen *view_unit(struct view *v, const char *name)
{
	struct seen *s = view_find(v, name);

	if (s)
		return s;
	if (v->used * 4 >= v->size * 3)
		grow(v);
	s = xcalloc(1, sizeof *s);
	s->name = xstrdup(name);
	v->table[slot(v->table, v->size, name)] = s;
	v->used++;
	return s;
}

const char *view_address(const struct view *v, const char *machine)
{
	for (size_t i = 0; i < v->machines_n; i++)
		if (streq(v->machines[i].id, machine))
			return v->exact ? "127.0.0.1" : v->machines[i].address;
	return "";
}

static bool is_known(const struct view *v, const char *machine)
{
	for (size_t i = 0; i < v->known_n; i++)
		if (streq(v->known[i], machine))
			return true;
	return false;
}

/* whether this list of machines is to be believed (RULES 28); if so it is the known one from now on */
static bool believe(struct view *v, const struct engine_machine *machines, size_t n, struct err *e)
{
	int64_t now = clock_mono_ms();
	size_t shared = 0;

	for (size_t i = 0; i < n; i++) {
		shared += is_known(v, machines[i].id);
		if (v->local && !v->exact && !address_is_loopback(machines[i].address))
			return err_set(e, ERR_UPSTREAM, "engine_unavailable",
				"the cluster's machine at %s cannot reach nap on loopback: set \"url\" (NAP_URL)",
				machines[i].address);
	}
	if (v->known_n && shared == 0 && !v->exact && now - v->known_at < KNOWN_FORGET_MS)
		return err_set(e, ERR_UPSTREAM, "engine_unavailable",
			n ? "the engine shows none of the machines that it had"
			  : "the engine shows no machine");
	if (n * 2 <= v->known_n && !v->exact) {
		if (!v->fewer_since)
			v->fewer_since = now;
		if (now - v->fewer_since < VIEW_MACHINES_MS)
			return err_set(e, ERR_UPSTREAM, "engine_unavailable",
				"the engine shows %zu of %zu machines; waiting whether the others come back",
				n, v->known_n);
	}
	v->fewer_since = 0;
	free(v->known);
	v->known = xcalloc(n + 1, sizeof *v->known);
	for (size_t i = 0; i < n; i++)
		(void)snprintf(v->known[i], sizeof v->known[i], "%s", machines[i].id);
	v->known_n = n;
	v->known_at = now;
	return true;
}

static bool sweep_machines(struct view *v, struct err *e)
{
	struct arena a = { 0 };
	struct engine_machine *list;
	size_t n;

	if (!engine_machines(v->engine, &a, &list, &n, e) || !believe(v, list, n, e)) {
		arena_clear(&a);
		return false;
	}
	arena_clear(&v->machines_arena);
	v->machines_arena = a;
	v->machines = list;
	v->machines_n = n;
	return true;
}

static void take_unit(struct view *v, const struct engine_unit *u)
{
	struct unit_name name;
	struct seen *s;

	if (!u->ours && !unit_name_parse(u->name, &name))
		return;
	s = view_unit(v, u->name);
	s->exists = true;
	s->put_at = s->put_at ? s->put_at : clock_mono_ms();
	s->ours = u->ours;
	s->hash = u->hash;
	(void)snprintf(s->desired, sizeof s->desired, "%s", u->desired);
	(void)snprintf(s->current, sizeof s->current, "%s", u->current);
	(void)snprintf(s->machine, sizeof s->machine, "%s", u->machine);
}

static bool sweep_units(struct view *v, struct err *e)
{
	struct arena a = { 0 };
	struct engine_unit *list;
	size_t n;

	if (!engine_units(v->engine, v->installation, &a, &list, &n, e)) {
		arena_clear(&a);
		return false;
	}
	arena_clear(&v->units_arena);
	v->units_arena = a;
	v->units = list;
	v->units_n = n;
	for (size_t i = 0; i < v->size; i++)
		if (v->table[i])
			v->table[i]->exists = false;
	for (size_t i = 0; i < n; i++)
		take_unit(v, &list[i]);
	v->unit_sweeps++;
	v->units_at = clock_mono_ms();
	v->surprise = false;
	return true;
}

enum word view_systemd_word(const char *load, const char *active, const char *sub)
{
	if (!streq(load, "loaded") && load[0])
		return WORD_BROKEN;
	if (streq(active, "active") || streq(active, "reloading"))
		return WORD_ACTIVE;
	if (streq(active, "activating"))
		return streq(sub, "auto-restart") ? WORD_WAITING : WORD_STARTING;
	if (streq(active, "deactivating"))
		return WORD_STOPPING;
	return streq(active, "failed") ? WORD_FAILED : WORD_DEAD;
}

/* of the states of one unit the one that counts; NULL: none does */
static const struct engine_state *choose(
	struct view *v, const struct seen *s, const struct engine_state *states, size_t n)
{
	const struct engine_state *one = NULL;
	size_t listed = 0;

	for (size_t i = 0; i < n; i++) {
		if (!view_address(v, states[i].machine)[0] && !is_known(v, states[i].machine))
			continue; /* of a machine that is dead: lives on for up to 30 s */
		if (streq(states[i].machine, s->machine))
			return &states[i];
		if (!one || streq(states[i].machine, s->at))
			one = &states[i];
		listed++;
	}
	if (listed > 0)
		v->surprise =
			true; /* it has moved, or is there twice: the unit list tells which counts */
	return one;
}

static void take_states(struct view *v, const struct engine_state *states, size_t n)
{
	struct unit_name name;
	struct seen *s = view_find(v, states[0].unit);
	const struct engine_state *one;
	enum word word;

	if (!s && !unit_name_parse(states[0].unit, &name))
		return;
	s = view_unit(v, states[0].unit);
	one = choose(v, s, states, n);
	if (!one)
		return;
	word = view_systemd_word(one->load, one->active, one->sub);
	s->missing = 0;
	s->state_at = clock_mono_ms();
	if (word != s->word) {
		s->word = word;
		s->word_since = s->state_at;
	}
	(void)snprintf(s->at, sizeof s->at, "%s", one->machine);
}

static bool sweep_states(struct view *v, struct err *e)
{
	struct arena a = { 0 };
	struct engine_state *list;
	size_t n;

	if (!engine_states(v->engine, &a, &list, &n, e)) {
		arena_clear(&a);
		return false;
	}
	arena_clear(&v->states_arena);
	v->states_arena = a;
	v->states = list;
	v->states_n = n;
	for (size_t i = 0; i < v->size; i++)
		if (v->table[i])
			v->table[i]->missing++;
	for (size_t i = 0, k; i < n; i += k) {
		for (k = 1; i + k < n && streq(list[i].unit, list[i + k].unit); k++)
			;
		take_states(v, &list[i], k);
	}
	v->sweeps++;
	return true;
}

bool view_sweep(struct view *v, struct err *e)
{
	bool due = v->surprise || v->unit_sweeps == 0 ||
		   clock_mono_ms() - v->units_at >= UNITS_EVERY_MS;

	return sweep_machines(v, e) && (!due || sweep_units(v, e)) && sweep_states(v, e);
}

enum word view_word(const struct view *v, const struct seen *s)
{
	int64_t now = clock_mono_ms();

	if (v->sweeps == 0)
		return WORD_UNKNOWN;
	if (s->missing > 0) {
		if (v->exact || s->state_at == 0 || now - s->state_at > VIEW_MISSING_MS)
			return WORD_ABSENT;
		return s->word;
	}
	if (s->word == WORD_FAILED && now - s->word_since < VIEW_FAILED_MS)
		return WORD_STARTING;
	return s->word;
}

bool view_gone(const struct view *v, const struct seen *s)
{
	if (!s->deleted_at || s->exists || v->unit_sweeps <= s->deleted_sweep || s->missing == 0)
		return false;
	if (v->exact)
		return true;
	/* one missing state proves nothing; two in a row behind one that was there are its end */
	return s->deleted_live ? s->missing >= 2
			       : clock_mono_ms() - s->deleted_at > VIEW_MISSING_MS;
}
