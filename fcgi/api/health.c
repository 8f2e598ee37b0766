#include "api/routes.h"

/* the process answers; nothing is asked */
static bool health_get(struct request *rq, struct response *rs, struct err *e)
{
	(void)rq;
	(void)e;
	response_json(rs, 200, json_pack("{s:s}", "status", "ok"));
	return true;
}

SQL(READY, "SELECT e.reachable AS engine, " DB_US(
		   "e.observed_at") " AS observed_us, i.held, i.held_reason "
				    "FROM engine e, installation i");

/* the database answers; what the engine said last is told, but reads work without it */
static bool ready_get(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;

	(void)rq;
	if (!db_query(rq->db, &r, e, READY))
		return false;
	response_json(rs, 200,
		json_pack("{s:s, s:b, s:b}", "status", "ok", "engine", (int)db_bool(r, 0, "engine"),
			"held", (int)db_bool(r, 0, "held")));
	return true;
}

static const struct route health_routes[] = {
	{ "GET", "/health", ACCESS_NONE, ROUTE_BARE, health_get,
		.doc = { "Whether the process answers", .answer = "Health" } },
	{ "GET", "/ready", ACCESS_NONE, ROUTE_BARE, ready_get,
		.doc = { "Whether the database answers, and what is known of the engine",
			.answer = "Ready" } },
};
ROUTE_TABLE(health);
