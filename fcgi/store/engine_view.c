#include "store/engine_view.h"

const struct row_field ENGINE_FIELDS[] = {
	{ "reachable", ROW_BOOL },
	{ "error", ROW_TEXT },
	{ "observed_at", ROW_TIME },
};
const size_t ENGINE_FIELDS_N = ARRAY_SIZE(ENGINE_FIELDS);

SQL(ENGINE, "SELECT reachable, error, " DB_US("observed_at") " AS observed_at FROM engine");

bool engine_view(struct db *db, PGresult **ret, struct err *e)
{
	return db_query(db, ret, e, ENGINE);
}

const struct row_field HOLD_FIELDS[] = {
	{ "reachable", ROW_BOOL },
	{ "error", ROW_TEXT },
	{ "observed_at", ROW_TIME },
	{ "held", ROW_BOOL },
	{ "held_reason", ROW_TEXT },
	{ "answer", ROW_TEXT },
	{ "adopted", ROW_NUMBER },
};
const size_t HOLD_FIELDS_N = ARRAY_SIZE(HOLD_FIELDS);

SQL(HOLD,
	"SELECT e.reachable, e.error, " DB_US(
		"e.observed_at") " AS observed_at, i.held, i.held_reason, "
				 "i.held_answer AS answer, (SELECT count(*) FROM adopted_unit) AS adopted FROM engine e, installation i");
SQL(HOLD_ANSWER, "SELECT nap_engine_answer($1)");

bool engine_hold(struct db *db, PGresult **ret, struct err *e)
{
	return db_query(db, ret, e, HOLD);
}

bool engine_answer(struct db *db, const char *answer, struct err *e)
{
	return db_exec(db, NULL, e, HOLD_ANSWER, answer);
}

const struct row_field MACHINE_FIELDS[] = {
	{ "id", ROW_TEXT },
	{ "address", ROW_TEXT },
	{ "metadata", ROW_JSON },
	{ "first_seen_at", ROW_TIME },
	{ "observed_at", ROW_TIME },
};
const size_t MACHINE_FIELDS_N = ARRAY_SIZE(MACHINE_FIELDS);

SQL(MACHINES,
	"SELECT id, address, metadata, " DB_US("first_seen_at") " AS first_seen_at, " DB_US(
		"observed_at") " AS observed_at FROM machine WHERE id > $1 ORDER BY id LIMIT $2::integer");

bool machine_list(struct db *db, const char *after, int64_t limit, PGresult **ret, struct err *e)
{
	return db_query(db, ret, e, MACHINES, after, I64(limit));
}

const struct row_field UNIT_FIELDS[] = {
	{ "name", ROW_TEXT },
	{ "desired_state", ROW_TEXT },
	{ "current_state", ROW_TEXT },
	{ "machine", ROW_TEXT },
	{ "load_state", ROW_TEXT },
	{ "active_state", ROW_TEXT },
	{ "sub_state", ROW_TEXT },
	{ "ours", ROW_BOOL },
	{ "observed_at", ROW_TIME },
};
const size_t UNIT_FIELDS_N = ARRAY_SIZE(UNIT_FIELDS);

/* a unit may show several states (fleet, after a move): that of its own machine is the true one */
SQL(UNITS,
	"SELECT u.name, u.desired_state, u.current_state, coalesce(nullif(u.machine, ''), s.machine) AS machine, "
	"nullif(s.load, '') AS load_state, nullif(s.active, '') AS active_state, nullif(s.sub, '') AS sub_state, u.ours, " DB_US(
		"coalesce(s.observed_at, u.observed_at)") " AS observed_at FROM unit u LEFT JOIN LATERAL (SELECT * FROM unit_state x WHERE x.unit = u.name "
							  "ORDER BY x.machine = u.machine DESC NULLS LAST LIMIT 1) s ON true "
							  "WHERE u.name > $1 AND ($3::bigint = 0 OR u.tenant_id = $3) ORDER BY u.name LIMIT $2::integer");

bool unit_list(struct db *db, int64_t tenant, const char *after, int64_t limit, PGresult **ret,
	struct err *e)
{
	return db_query(db, ret, e, UNITS, after, I64(limit), I64(tenant));
}
