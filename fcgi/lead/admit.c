#include "lead/admit.h"

#include "model/name.h"
#include "model/unit.h"

#define BLOCK_PORTS 1000

struct room {
	const char *machine;
	int64_t left;
};

static int64_t memory_of(const struct leader *l, const struct engine_machine *m)
{
	json_error_t je;
	json_auto_t *metadata = json_loads(m->metadata, 0, &je);
	const char *text = json_string_value(json_object_get(metadata, "memory"));
	int64_t bytes;

	if (text && !memory_parse(slice_of(text), &bytes))
		return bytes;
	if (l->view.exact)
		return (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
	return -1;
}

static struct room *most(struct room *rooms, size_t n)
{
	struct room *best = NULL;

	for (size_t k = 0; k < n; k++)
		if (!best || rooms[k].left > best->left)
			best = &rooms[k];
	return best;
}

static struct room *room_of(struct room *rooms, size_t n, const struct instance *i)
{
	const char *at = i->main->at[0]	       ? i->main->at
			 : i->main->machine[0] ? i->main->machine
					       : i->machine;

	for (size_t k = 0; k < n && at[0]; k++)
		if (streq(rooms[k].machine, at))
			return &rooms[k];
	return most(rooms, n);
}

static struct room *count_rooms(struct leader *l, struct world *w)
{
	size_t n = l->view.machines_n;
	struct room *rooms = arena_alloc(&w->a, (n + 1) * sizeof *rooms);

	for (size_t k = 0; k < n; k++) {
		int64_t memory = memory_of(l, &l->view.machines[k]);

		rooms[k] = (struct room){ l->view.machines[k].id,
			memory < 0 ? INT64_MAX / 2 : memory - l->cfg->memory_reserve };
	}
	for (size_t k = 0; k < w->instances_n; k++) {
		const struct instance *i = &w->instances[k];
		struct room *room = i->port ? room_of(rooms, n, i) : NULL;

		if (room)
			room->left -= unit_memory_step(i->memory);
	}
	return rooms;
}

SQL(ADMIT_PORT, "SELECT nap_port_take($1::integer, $2::integer, $3::integer, $4::bigint)");

static bool take_port(struct leader *l, struct instance *i, struct err *e)
{
	/* the agent holds the block's first port, which tells other copies that it is taken */
	int64_t lo = l->cfg->block_port + 1, port;

	if (!db_exec(l->db, NULL, e, "SAVEPOINT port"))
		return false;
	if (db_one_i64(l->db, &port, e, ADMIT_PORT, I64(lo), I64(lo + BLOCK_PORTS - 2),
		    I64(l->cfg->port_rest), I64(i->id))) {
		i->port = (int)port;
		return true;
	}
	if (e->kind != ERR_BUSY || !db_exec(l->db, NULL, e, "ROLLBACK TO SAVEPOINT port"))
		return false;
	i->new_state = "waiting";
	i->new_reason = "no port is free";
	return true;
}

bool admit_instances(struct leader *l, struct world *w, struct err *e)
{
	struct room *rooms = count_rooms(l, w);
	size_t n = l->view.machines_n;

	for (size_t k = 0; k < w->instances_n; k++) {
		struct instance *i = &w->instances[k];
		struct room *room = most(rooms, n);
		int64_t need = unit_memory_step(i->memory);

		if (i->port || !instance_is_wanted(i))
			continue;
		if (l->away || l->view.sweeps == 0 || !room) {
			i->new_state = "waiting";
			i->new_reason = "the engine does not answer";
			continue;
		}
		if (room->left < need) {
			i->new_state = "waiting";
			i->new_reason = arena_printf(
				&w->a, "no machine has %lld MiB left", (long long)(need >> 20));
			continue;
		}
		if (!take_port(l, i, e))
			return false;
		if (i->port)
			room->left -= need;
	}
	return true;
}
