#include "lead/record.h"

#include "base/clock.h"
#include "model/unit.h"

#define USAGE_EVERY_MS	  10000
#define MACHINES_EVERY_MS 10000

SQL(RECORD_ENGINE, "UPDATE engine SET reachable = $1::boolean, error = $2, checked_at = now(), "
		   "observed_at = CASE WHEN $1::boolean THEN now() ELSE observed_at END");
SQL(RECORD_MACHINES,
	"INSERT INTO machine AS m (id, address, metadata) SELECT id, address, metadata "
	"FROM jsonb_to_recordset($1::jsonb) AS s (id text, address text, metadata jsonb) "
	"ON CONFLICT (id) DO UPDATE SET address = excluded.address, metadata = excluded.metadata, observed_at = now()");
SQL(RECORD_MACHINES_GONE, "DELETE FROM machine WHERE observed_at < now() - interval '1 minute'");
SQL(RECORD_UNITS,
	"INSERT INTO unit AS u (name, desired_state, current_state, machine, ours, tenant_id) "
	"SELECT s.name, s.desired, s.current, nullif(s.machine, ''), s.ours, t.id "
	"FROM jsonb_to_recordset($1::jsonb) AS s (name text, desired text, current text, machine text, ours boolean) "
	"LEFT JOIN tenant t ON s.ours AND t.name = split_part(s.name, '.', 1) "
	"ON CONFLICT (name) DO UPDATE SET desired_state = excluded.desired_state, current_state = excluded.current_state, "
	"machine = excluded.machine, ours = excluded.ours, tenant_id = excluded.tenant_id, observed_at = now() "
	"WHERE (u.desired_state, u.current_state, u.machine, u.ours, u.tenant_id) IS DISTINCT FROM "
	"(excluded.desired_state, excluded.current_state, excluded.machine, excluded.ours, excluded.tenant_id)");
SQL(RECORD_UNITS_GONE,
	"DELETE FROM unit u WHERE NOT EXISTS (SELECT 1 FROM jsonb_to_recordset($1::jsonb) AS s (name text) "
	"WHERE s.name = u.name)");
SQL(RECORD_STATES,
	"INSERT INTO unit_state AS u (unit, machine, hash, load, active, sub, tenant_id) "
	"SELECT s.unit, s.machine, s.hash, s.load, s.active, s.sub, t.id FROM jsonb_to_recordset($1::jsonb) "
	"AS s (unit text, machine text, hash text, load text, active text, sub text, ours boolean) "
	"LEFT JOIN tenant t ON s.ours AND t.name = split_part(s.unit, '.', 1) "
	"ON CONFLICT (unit, machine) DO UPDATE SET hash = excluded.hash, load = excluded.load, active = excluded.active, "
	"sub = excluded.sub, tenant_id = excluded.tenant_id, observed_at = now() "
	"WHERE (u.hash, u.load, u.active, u.sub, u.tenant_id) IS DISTINCT FROM "
	"(excluded.hash, excluded.load, excluded.active, excluded.sub, excluded.tenant_id)");
SQL(RECORD_STATES_GONE,
	"DELETE FROM unit_state u WHERE NOT EXISTS (SELECT 1 FROM jsonb_to_recordset($1::jsonb) "
	"AS s (unit text, machine text) WHERE s.unit = u.unit AND s.machine = u.machine)");

static char *dumped(json_t *list)
{
	char *text = json_dumps(list, JSON_COMPACT);

	json_decref(list);
	if (!text)
		abort();
	return text;
}

static char *machines_text(const struct view *v)
{
	json_t *list = json_array();

	for (size_t k = 0; k < v->machines_n; k++) {
		json_error_t je;
		json_t *metadata = json_loads(v->machines[k].metadata, 0, &je);

		(void)json_array_append_new(
			list, json_pack("{s:s, s:s, s:o}", "id", v->machines[k].id, "address",
				      v->machines[k].address, "metadata",
				      metadata ? metadata : json_object()));
	}
	return dumped(list);
}

static char *units_text(const struct view *v)
{
	json_t *list = json_array();

	for (size_t k = 0; k < v->units_n; k++) {
		const struct engine_unit *u = &v->units[k];

		(void)json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:s, s:b}", "name", u->name, "desired",
				      u->desired, "current", u->current, "machine", u->machine,
				      "ours", (int)u->ours));
	}
	return dumped(list);
}

static char *states_text(const struct view *v)
{
	json_t *list = json_array();

	for (size_t k = 0; k < v->states_n; k++) {
		const struct engine_state *s = &v->states[k];
		const struct seen *seen = view_find(v, s->unit);

		(void)json_array_append_new(list,
			json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b}", "unit", s->unit, "machine",
				s->machine, "hash", s->hash, "load", s->load, "active", s->active,
				"sub", s->sub, "ours", (int)(seen && seen->ours)));
	}
	return dumped(list);
}

static uint64_t hash_text(uint64_t h, const char *s)
{
	do {
		h = (h ^ (unsigned char)*s) * 0x100000001b3;
	} while (*s++);
	return h;
}

static bool record_machines(struct leader *l, struct err *e)
{
	auto_free char *machines = machines_text(&l->view);

	return db_exec(l->db, NULL, e, RECORD_MACHINES, machines) &&
	       db_exec(l->db, NULL, e, RECORD_MACHINES_GONE);
}

static bool record_lists(struct leader *l, struct err *e)
{
	auto_free char *units = units_text(&l->view), *states = states_text(&l->view);
	uint64_t h = hash_text(hash_text(0xcbf29ce484222325, units), states);

	if (h == l->recorded)
		return true;
	if (!db_exec(l->db, NULL, e, RECORD_UNITS, units) ||
		!db_exec(l->db, NULL, e, RECORD_UNITS_GONE, units) ||
		!db_exec(l->db, NULL, e, RECORD_STATES, states) ||
		!db_exec(l->db, NULL, e, RECORD_STATES_GONE, states))
		return false;
	l->recorded = h;
	return true;
}

bool record_sweep(struct leader *l, const struct err *why, struct err *e)
{
	int64_t now = clock_mono_ms();

	if (!db_exec(l->db, NULL, e, RECORD_ENGINE, BOOL(!why), why ? why->msg : NULL))
		return false;
	if (why)
		return true;
	if (l->recorded_at == 0 || now - l->recorded_at >= MACHINES_EVERY_MS) {
		if (!record_machines(l, e))
			return false;
		l->recorded_at = now;
	}
	return record_lists(l, e);
}

SQL(RECORD_USAGE,
	"UPDATE instance i SET memory_used = nullif(u.memory, -1), cpu_usec = nullif(u.cpu_usec, -1) "
	"FROM jsonb_to_recordset($1::jsonb) AS u (unit text, memory bigint, cpu_usec bigint) WHERE i.unit = u.unit "
	"AND (i.memory_used, i.cpu_usec) IS DISTINCT FROM (nullif(u.memory, -1), nullif(u.cpu_usec, -1))");

SQL(RECORD_DISK,
	"INSERT INTO app_disk AS d (app_id, data) SELECT a.id, u.bytes FROM jsonb_to_recordset($1::jsonb) "
	"AS u (app bigint, bytes bigint) JOIN app a ON a.id = u.app WHERE u.bytes >= 0 ORDER BY a.id FOR KEY SHARE OF a "
	"ON CONFLICT (app_id) DO UPDATE SET data = excluded.data WHERE d.data <> excluded.data");

bool record_usage(struct leader *l, struct err *e)
{
	auto_arena struct arena a = { 0 };
	auto_free char *socket = NULL, *text = NULL;
	auto_tx struct tx tx = { 0 };
	struct engine_usage *usage;
	const char *disk;
	json_t *list;
	size_t n;

	if (!l->view.exact || l->away || clock_mono_ms() - l->usage_at < USAGE_EVERY_MS)
		return true;
	l->usage_at = clock_mono_ms();
	socket = xasprintf("%s/run/agent/read.sock", l->cfg->state);
	if (!engine_usage(&l->engine, socket, &a, &usage, &n, &disk, e))
		return true;
	list = json_array();
	for (size_t k = 0; k < n; k++)
		(void)json_array_append_new(
			list, json_pack("{s:s, s:I, s:I}", "unit", usage[k].unit, "memory",
				      (json_int_t)usage[k].memory, "cpu_usec",
				      (json_int_t)usage[k].cpu_usec));
	text = dumped(list);
	return lock_tx(&l->lock, &tx, e) && db_exec(l->db, NULL, e, RECORD_USAGE, text) &&
	       db_exec(l->db, NULL, e, RECORD_DISK, disk) && tx_commit(&tx, e);
}
