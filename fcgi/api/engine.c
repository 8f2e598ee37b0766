#include "api/app.h"
#include "api/routes.h"
#include "store/engine_view.h"

/* ],"next":…,"reachable":…,"error":…,"observed_at":…}: how old the engine's last word is */
static bool end_with_engine(struct request *rq, struct buf *b, const char *next, struct err *e)
{
	auto_result PGresult *r = NULL;
	struct rows rows;

	if (!engine_view(rq->db, &r, e))
		return false;
	list_end_open(rq, b, next);
	rows_init(&rows, r, ENGINE_FIELDS, ENGINE_FIELDS_N);
	buf_putc(b, ',');
	rows_members(&rows, 0, b);
	buf_putc(b, '}');
	return true;
}

static bool machines_get(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	const char *after;
	int64_t limit;
	struct buf *b;
	int n;

	if (!request_page(rq, &limit, &after, e) ||
		!machine_list(rq->db, after ? after : "", limit + 1, &r, e))
		return false;
	n = (int)MIN(db_rows(r), limit);
	b = list_begin(rs);
	rows_objects(r, MACHINE_FIELDS, MACHINE_FIELDS_N, n, b);
	return end_with_engine(rq, b, db_rows(r) > n ? db_text(r, n - 1, "id") : NULL, e);
}

static bool units_get(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	const char *after;
	int64_t limit;
	struct buf *b;
	int n;

	if (!request_page(rq, &limit, &after, e) ||
		!unit_list(rq->db, rq->caller.admin ? 0 : rq->caller.tenant, after ? after : "",
			limit + 1, &r, e))
		return false;
	n = (int)MIN(db_rows(r), limit);
	b = list_begin(rs);
	rows_objects(r, UNIT_FIELDS, UNIT_FIELDS_N, n, b);
	return end_with_engine(rq, b, db_rows(r) > n ? db_text(r, n - 1, "name") : NULL, e);
}

static bool hold_get(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!engine_hold(rq->db, &r, e))
		return false;
	rows_objects(r, HOLD_FIELDS, HOLD_FIELDS_N, 1, response_body(rs, 200, "application/json"));
	return true;
}

static bool adopt(struct request *rq, struct response *rs, struct err *e)
{
	return engine_answer(rq->db, "adopt", e) && hold_get(rq, rs, e);
}

static bool prune(struct request *rq, struct response *rs, struct err *e)
{
	return engine_answer(rq->db, "prune", e) && hold_get(rq, rs, e);
}

static const struct route engine_routes[] = {
	{ "GET", "/engine", ACCESS_ADMIN, 0, hold_get,
		.doc = { "Whether the engine answers, and whether the leader waits for the operator",
			.answer = "Engine" } },
	{ "POST", "/engine/adopt", ACCESS_ADMIN, 0, adopt,
		.doc = { "What the leader waits with: keep what the engine runs, go on",
			.answer = "Engine" } },
	{ "POST", "/engine/prune", ACCESS_ADMIN, 0, prune,
		.doc = { "What the leader waits with: remove what nobody has declared, go on",
			.answer = "Engine" } },
	{ "GET", "/machines", ACCESS_READ, 0, machines_get,
		.doc = { "The machines, as the engine told them last", .answer = "[Machine]",
			.query = "limit after" } },
	{ "GET", "/units", ACCESS_READ, 0, units_get,
		.doc = { "The units, as the engine told them last: own ones; for an admin all",
			.answer = "[Unit]", .query = "limit after" } },
};
ROUTE_TABLE(engine);
