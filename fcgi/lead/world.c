#include "lead/world.h"

#include "model/unit.h"

SQL(WORLD_APPS,
	"SELECT a.id, a.tenant_id, a.release_id, a.next_release_id, a.routed_release_id, t.name AS tenant, a.name, a.label, "
	"a.state, a.port, a.instances, a.running_instances, a.stopped, a.deleting, a.deployed, a.listened, a.wave, "
	"EXISTS (SELECT 1 FROM operation o WHERE o.app_id = a.id AND (o.state IN ('queued', 'running') "
	"OR o.ended_at > now() - interval '10 minutes')) OR a.wave IS NOT NULL OR (a.family_id IS NOT NULL AND EXISTS (SELECT 1 "
	"FROM operation o WHERE o.tenant_id = a.tenant_id AND o.app = a.group_name AND o.kind = 'group' "
	"AND (o.state IN ('queued', 'running') OR o.ended_at > now() - interval '10 minutes'))) AS asked "
	"FROM app a JOIN tenant t ON t.id = a.tenant_id ORDER BY a.id");
SQL(WORLD_INSTANCES,
	"SELECT i.id, i.app_id, i.release_id, i.number, i.unit, i.port, i.want, i.state, i.reason, i.machine, i.address, "
	"i.listened, i.exit_result, i.exit_reason, coalesce(i.exit_code, -1) AS exit_code, coalesce(i.exit_signal, -1) AS exit_signal, "
	"r.number AS release_number, r.memory_bytes, r.health, r.sidekick, n.healthy, n.interval_s, "
	"(extract(epoch FROM now() - n.at) * 1000)::bigint AS announced_ms, "
	"(extract(epoch FROM now() - i.want_at) * 1000)::bigint AS want_ms, "
	"coalesce((extract(epoch FROM now() - i.active_at) * 1000)::bigint, -1) AS active_ms, "
	"coalesce((extract(epoch FROM now() - i.ready_at) * 1000)::bigint, -1) AS ready_ms, "
	"coalesce((extract(epoch FROM now() - i.exited_at) * 1000)::bigint, -1) AS exited_ms, "
	"coalesce((extract(epoch FROM now() - i.leave_at) * 1000)::bigint, -1) AS leave_ms, "
	"CASE WHEN a.release_id = i.release_id THEN a.instances ELSE coalesce(a.scale_override, r.scale) END AS of "
	"FROM instance i JOIN app a ON a.id = i.app_id JOIN release r ON r.id = i.release_id LEFT JOIN announcement n ON n.unit = i.unit "
	"ORDER BY i.app_id, i.release_id, i.number");

static bool load_apps(struct world *w, struct db *db, struct err *e)
{
	PGresult *r = NULL;

	if (!db_query(db, &r, e, WORLD_APPS))
		return false;
	r = db_keep(&w->a, &r);
	w->apps_n = (size_t)db_rows(r);
	w->apps = arena_alloc(&w->a, (w->apps_n + 1) * sizeof *w->apps);
	for (int k = 0; k < db_rows(r); k++)
		w->apps[k] = (struct app){
			.id = db_i64(r, k, "id"),
			.tenant_id = db_i64(r, k, "tenant_id"),
			.release_id = db_i64(r, k, "release_id"),
			.next_release_id = db_i64(r, k, "next_release_id"),
			.routed_release_id = db_i64(r, k, "routed_release_id"),
			.tenant = db_text(r, k, "tenant"),
			.name = db_text(r, k, "name"),
			.label = db_text(r, k, "label"),
			.state = db_text(r, k, "state"),
			.port = (int)db_i64(r, k, "port"),
			.instances = (int)db_i64(r, k, "instances"),
			.running = (int)db_i64(r, k, "running_instances"),
			.stopped = db_bool(r, k, "stopped"),
			.deleting = db_bool(r, k, "deleting"),
			.deployed = db_bool(r, k, "deployed"),
			.listened = db_bool(r, k, "listened"),
			.wave = db_text(r, k, "wave"),
			.asked = db_bool(r, k, "asked"),
		};
	return true;
}

static const char *sidekick_of(struct arena *a, const char *unit)
{
	struct unit_name name;
	char text[UNIT_NAME_SIZE];

	if (!unit_name_parse(unit, &name))
		return NULL;
	name.sidekick = true;
	unit_name_print(text, &name);
	return arena_strdup(a, text);
}

static void load_instance(struct world *w, const PGresult *r, int k, struct instance *ret)
{
	const char *unit = db_text(r, k, "unit");

	*ret = (struct instance){
		.id = db_i64(r, k, "id"),
		.release_id = db_i64(r, k, "release_id"),
		.release_number = db_i64(r, k, "release_number"),
		.memory = db_i64(r, k, "memory_bytes"),
		.number = (int)db_i64(r, k, "number"),
		.of = (int)db_i64(r, k, "of"),
		.port = (int)db_i64(r, k, "port"),
		.unit = unit,
		.sidekick_unit = db_bool(r, k, "sidekick") ? sidekick_of(&w->a, unit) : NULL,
		.want = db_text(r, k, "want"),
		.state = db_text(r, k, "state"),
		.reason = db_text(r, k, "reason"),
		.machine = db_text(r, k, "machine"),
		.address = db_text(r, k, "address"),
		.health = db_text(r, k, "health"),
		.want_ms = db_i64(r, k, "want_ms"),
		.active_ms = db_i64(r, k, "active_ms"),
		.ready_ms = db_i64(r, k, "ready_ms"),
		.exited_ms = db_i64(r, k, "exited_ms"),
		.leave_ms = db_i64(r, k, "leave_ms"),
		.listened = db_bool(r, k, "listened"),
		.exit_result = db_text(r, k, "exit_result"),
		.exit_reason = db_text(r, k, "exit_reason"),
		.exit_code = (int)db_i64(r, k, "exit_code"),
		.exit_signal = (int)db_i64(r, k, "exit_signal"),
		.announced = db_is_null(r, k, "healthy") ? -1 : db_bool(r, k, "healthy"),
		.announced_ms = db_i64(r, k, "announced_ms"),
		.interval_ms = db_i64(r, k, "interval_s") * 1000,
	};
}

bool world_load(struct world *w, struct db *db, struct err *e)
{
	PGresult *r = NULL;
	size_t at = 0;

	*w = (struct world){ .a = { 0 } };
	if (!load_apps(w, db, e) || !db_query(db, &r, e, WORLD_INSTANCES))
		return false;
	r = db_keep(&w->a, &r);
	w->instances = arena_alloc(&w->a, ((size_t)db_rows(r) + 1) * sizeof *w->instances);
	for (int k = 0; k < db_rows(r); k++) {
		struct instance *i = &w->instances[w->instances_n];
		int64_t app = db_i64(r, k, "app_id");

		while (at < w->apps_n && w->apps[at].id < app)
			at++;
		if (at == w->apps_n || w->apps[at].id != app)
			continue; /* made since; the next tick has it */
		load_instance(w, r, k, i);
		i->app = &w->apps[at];
		if (i->app->n++ == 0)
			i->app->first = i;
		w->instances_n++;
	}
	return true;
}

void world_see(struct world *w, struct view *v)
{
	for (size_t k = 0; k < v->size; k++)
		if (v->table[k])
			v->table[k]->declared = false;
	for (size_t k = 0; k < w->instances_n; k++) {
		struct instance *i = &w->instances[k];

		i->main = view_unit(v, i->unit);
		i->main->declared = true;
		i->sidekick = i->sidekick_unit ? view_unit(v, i->sidekick_unit) : NULL;
		if (i->sidekick)
			i->sidekick->declared = true;
		i->word = view_word(v, i->main);
	}
}

void world_clear(struct world *w)
{
	arena_clear(&w->a);
	*w = (struct world){ .a = { 0 } };
}

bool instance_is_gone(const struct instance *i)
{
	return streq(i->want, "gone");
}

bool instance_is_wanted(const struct instance *i)
{
	const struct app *a = i->app;

	return !instance_is_gone(i) && i->leave_ms < 0 && i->number <= i->of &&
	       (i->release_id == a->release_id || i->release_id == a->next_release_id);
}
