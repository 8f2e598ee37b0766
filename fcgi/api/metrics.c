#include "api/routes.h"

#include "base/text.h"

SQL(METRICS, "SELECT name, label, value FROM nap_metrics()");

struct metric {
	const char *name, *label, *help;
};

static const struct metric HELP[] = {
	{ "nap_tenants", NULL, "tenants" },
	{ "nap_apps", "state", "apps by state" },
	{ "nap_instances", "state", "instances by state" },
	{ "nap_operations", "state", "kept operations by state" },
	{ "nap_operation_oldest_queued_seconds", NULL, "age of the oldest waiting operation" },
	{ "nap_memory_used_bytes", NULL, "memory that the desired instances take" },
	{ "nap_machines", NULL, "machines of the engine" },
	{ "nap_engine_reachable", NULL, "1 if the engine answered when it was asked last" },
	{ "nap_engine_observed_age_seconds", NULL, "since the engine was last seen whole" },
	{ "nap_held", NULL, "1 if the leader deletes nothing until somebody has looked" },
	{ "nap_leader_epoch", NULL, "counts leaders" },
};

static const struct metric *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(HELP); i++)
		if (streq(HELP[i].name, name))
			return &HELP[i];
	assert(!"a metric that has no help");
	return NULL;
}

/* Prometheus' text format 0.0.4 */
static bool metrics_get(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	const char *before = "";
	struct buf *b;

	if (!db_query(rq->db, &r, e, METRICS))
		return false;
	b = response_body(rs, 200, "text/plain; version=0.0.4; charset=utf-8");
	for (int i = 0; i < db_rows(r); i++) {
		const struct metric *m = find(db_text(r, i, "name"));

		if (!streq(before, m->name))
			buf_printf(b, "# HELP %s %s\n# TYPE %s gauge\n", m->name, m->help, m->name);
		before = m->name;
		buf_puts(b, m->name);
		if (m->label)
			buf_printf(b, "{%s=\"%s\"}", m->label, db_text(r, i, "label"));
		buf_printf(b, " %s\n", db_text(r, i, "value"));
	}
	return true;
}

static bool version_get(struct request *rq, struct response *rs, struct err *e)
{
	(void)rq;
	(void)e;
	response_json(rs, 200, json_pack("{s:s, s:s}", "version", PACKAGE_VERSION, "api", "v1"));
	return true;
}

static const struct route metrics_routes[] = {
	{ "GET", "/version", ACCESS_NONE, ROUTE_BARE, version_get,
		.doc = { "The version of nap", .answer = "Version" } },
	{ "GET", "/metrics", ACCESS_ADMIN, 0, metrics_get,
		.doc = { "Counts, for Prometheus", .type = "text/plain" } },
	/* the socket of the machines' helpers is root's: who reaches it may know */
	{ "GET", "/node/v1/metrics", ACCESS_NODE, 0, metrics_get,
		.doc = { "The same, by the socket" } },
};
ROUTE_TABLE(metrics);
