#include "api/app.h"
#include "api/routes.h"
#include "store/operation.h"

static bool one_app(struct request *rq, struct response *rs, const PGresult *r, struct err *e)
{
	struct app_writer w;

	if (db_rows(r) == 0)
		return request_not_found(rq, e);
	app_writer_init(&w, rq, r);
	app_write(&w, 0, response_body(rs, 200, "application/json"));
	response_etag(rs, db_i64(r, 0, "version"));
	return true;
}

static bool app_show(struct request *rq, struct response *rs, struct err *e)
{
	const struct db_ask ask = app_ask_one(request_param(rq, "app"));
	auto_result PGresult *r = NULL;

	return caller_ask(rq, &ask, 1, &r, e) && one_app(rq, rs, r, e);
}

static const char *const STATES[] = { "running", "starting", "degraded", "stopped", "failed",
	"finished", "empty", "deleting" };

static void check_state(struct request *rq, const char *state)
{
	for (size_t i = 0; i < ARRAY_SIZE(STATES); i++)
		if (!state || streq(state, STATES[i]))
			return;
	fault_add(&rq->faults, "state", "invalid_value",
		"must be running, starting, degraded, stopped, failed, finished, empty or deleting");
}

static void write_list(struct request *rq, struct response *rs, const PGresult *r, int64_t limit)
{
	struct buf *b = list_begin(rs);
	int n = (int)MIN(db_rows(r), limit);
	struct app_writer w;

	app_writer_init(&w, rq, r);
	for (int i = 0; i < n; i++) {
		if (i)
			buf_putc(b, ',');
		app_write(&w, i, b);
	}
	list_end(rq, b, db_rows(r) > n ? db_text(r, n - 1, "name") : NULL);
}

static const char *query_or_null(const struct request *rq, const char *name)
{
	const char *text = request_query(rq, name);

	return text && text[0] ? text : NULL;
}

static bool app_list(struct request *rq, struct response *rs, struct err *e)
{
	const char *after, *q = query_or_null(rq, "q"), *group = query_or_null(rq, "group");
	const char *state = query_or_null(rq, "state");
	auto_result PGresult *r = NULL;
	char more[24];
	struct db_ask ask;
	int64_t limit;

	check_state(rq, state);
	if (!request_page(rq, &limit, &after, e))
		return caller_first(rq, e);
	/* one more than asked for tells whether there is a next page */
	ask = app_ask_list(after, q, group, state, db_param_i64(more, limit + 1));
	if (!caller_ask(rq, &ask, 1, &r, e))
		return false;
	if (rq->caller.app_name) { /* a token bound to one app sees that one */
		PQclear(steal(&r));
		ask = app_ask_bound(rq->caller.app_name, after, q, group, state);
		if (!caller_ask(rq, &ask, 1, &r, e))
			return false;
	}
	write_list(rq, rs, r, limit);
	return true;
}

static bool app_delete(struct request *rq, struct response *rs, struct err *e)
{
	const char *confirm = request_query(rq, "confirm");
	struct app app;

	if (!app_take(rq, &app, e))
		return false;
	if (!confirm || !streq(confirm, app.name)) {
		fault_add(&rq->faults, "confirm", "confirm_required",
			"must repeat the name: ?confirm=%s", app.name);
		return err_set(e, ERR_INVALID, "confirm_required",
			"destroying an app needs its name again: ?confirm=%s", app.name);
	}
	/* RULES: queued operations end, the running one is asked to, all in the transaction that marks the app */
	return app_set_deleting(rq->db, app.id, e) && operation_drop_all(rq->db, app.id, e) &&
	       app_operation(rq, rs, app.id, app.name, "destroy", "quick", NULL, e);
}

static const struct route apps_routes[] = {
	{ "GET", "/apps", ACCESS_READ, ROUTE_LAZY | ROUTE_BOUND, app_list,
		.doc = { "Apps, by name", .answer = "[App]",
			.query = "q group state limit after" } },
	{ "GET", "/apps/:app", ACCESS_READ, ROUTE_LAZY, app_show,
		.doc = { "One app", .answer = "App" } },
	{ "DELETE", "/apps/:app", ACCESS_MANAGE, 0, app_delete,
		.doc = { "Destroys an app: its instances, its source, its releases and its data",
			.answer = "AppOperation", .status = 202, .query = "confirm" } },
};
ROUTE_TABLE(apps);
