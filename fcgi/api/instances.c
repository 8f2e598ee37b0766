#include "api/app.h"
#include "api/routes.h"
#include "base/limits.h"
#include "base/text.h"
#include "store/instance.h"

/* "number id" of the last one shown */
static bool read_place(
	struct request *rq, const char *after, int64_t *ret_number, int64_t *ret_id, struct err *e)
{
	const char *space = after ? strchr(after, ' ') : NULL;

	*ret_number = *ret_id = 0;
	if (!after || (space &&
			      parse_slice_i64((struct slice){ after, (size_t)(space - after) }, 0,
				      MAX_INSTANCES, ret_number) &&
			      parse_i64(space + 1, 0, INT64_MAX, ret_id)))
		return true;
	fault_add(
		&rq->faults, "after", "invalid_value", "must be the \"next\" of an earlier answer");
	return faults_end(&rq->faults, e);
}

static bool instances_get(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	const char *after, *next = NULL;
	int64_t limit, number, id;
	struct app app;
	struct buf *b;
	int n;

	if (!request_page(rq, &limit, &after, e) || !read_place(rq, after, &number, &id, e) ||
		!app_of(rq, &app, e) ||
		!instance_list(rq->db, app.id, number, id, limit + 1, &r, e))
		return false;
	n = (int)MIN(db_rows(r), limit);
	if (db_rows(r) > n)
		next = arena_printf(
			rq->a, "%s %s", db_text(r, n - 1, "number"), db_text(r, n - 1, "id"));
	b = list_begin(rs);
	rows_objects(r, INSTANCE_FIELDS, INSTANCE_FIELDS_N, n, b);
	list_end(rq, b, next);
	return true;
}

static bool find(struct request *rq, const struct app *app, PGresult **ret, int64_t *ret_number,
	struct err *e)
{
	if (!path_number(rq, "i", MAX_INSTANCES, ret_number, e))
		return false;
	if (instance_get(rq->db, app->id, *ret_number, ret, e))
		return true;
	return e->kind == ERR_NOT_FOUND ? request_not_found(rq, e) : false;
}

static bool instance_show(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	int64_t number;
	struct app app;

	if (!app_of(rq, &app, e) || !find(rq, &app, &r, &number, e))
		return false;
	rows_objects(r, INSTANCE_FIELDS, INSTANCE_FIELDS_N, 1,
		response_body(rs, 200, "application/json"));
	return true;
}

static bool has_release(const struct app *app, struct err *e)
{
	return app->release ||
	       err_set(e, ERR_CONFLICT, "app_empty",
		       "application \"%s\" has no release that could run", app->name);
}

static bool is_run(const struct app *app, struct err *e)
{
	if (!has_release(app, e))
		return false;
	return !app->stopped ||
	       err_set(e, ERR_CONFLICT, "app_stopped", "application \"%s\" is stopped", app->name);
}

static bool instance_restart(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	auto_free char *args = NULL;
	int64_t number;
	struct app app;

	if (!app_take(rq, &app, e) || !find(rq, &app, &r, &number, e) || !is_run(&app, e))
		return false;
	args = xasprintf("{\"instance\":%jd}", (intmax_t)number);
	return app_operation(rq, rs, app.id, app.name, "restart", NULL, args, e);
}

static bool endpoints_get(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	struct app app;
	struct buf *b;

	if (!app_of(rq, &app, e))
		return false;
	/* an instance's token reads its own app and the group of it (DESIGN 11) */
	if (rq->caller.app && rq->caller.app != app.id &&
		(!rq->caller.release || !app_same_group(rq->db, rq->caller.app, app.id)))
		return request_not_found(rq, e);
	if (!endpoint_list(rq->db, app.id, &r, e))
		return false;
	b = list_begin(rs);
	rows_objects(r, ENDPOINT_FIELDS, ENDPOINT_FIELDS_N, db_rows(r), b);
	list_end(rq, b, NULL);
	return true;
}

static bool app_start(struct request *rq, struct response *rs, struct err *e)
{
	struct app app;

	if (!app_take(rq, &app, e) || !has_release(&app, e))
		return false;
	/* of an app that is not stopped those that ended or failed for good run again */
	return (app.stopped ? app_set_stopped(rq->db, app.id, false, e)
			    : instance_run_ended(rq->db, app.id, e)) &&
	       app_operation(rq, rs, app.id, app.name, "start", NULL, NULL, e);
}

static bool app_stop(struct request *rq, struct response *rs, struct err *e)
{
	struct app app;

	return app_take(rq, &app, e) && app_set_stopped(rq->db, app.id, true, e) &&
	       app_operation(rq, rs, app.id, app.name, "stop", "quick", NULL, e);
}

static bool app_restart(struct request *rq, struct response *rs, struct err *e)
{
	struct app app;

	return app_take(rq, &app, e) && is_run(&app, e) &&
	       app_operation(rq, rs, app.id, app.name, "restart", NULL, NULL, e);
}

static const struct route instances_routes[] = {
	{ "GET", "/apps/:app/instances", ACCESS_READ, 0, instances_get,
		.doc = { "Instances, by number; during a deploy a number may stand twice",
			.answer = "[Instance]", .query = "limit after" } },
	{ "GET", "/apps/:app/instances/:i", ACCESS_READ, 0, instance_show,
		.doc = { "One instance, of the release that serves", .answer = "Instance" } },
	{ "POST", "/apps/:app/instances/:i/restart", ACCESS_DEPLOY, 0, instance_restart,
		.doc = { "Restarts one instance", .answer = "AppOperation", .status = 202 } },
	{ "GET", "/apps/:app/endpoints", ACCESS_READ, ROUTE_INSTANCE | ROUTE_BOUND, endpoints_get,
		.doc = { "Service discovery: what the sidekicks announced, with its age in seconds",
			.answer = "[Endpoint]" } },
	{ "POST", "/apps/:app/start", ACCESS_DEPLOY, 0, app_start,
		.doc = { "Starts a stopped app; of another one the instances that have ended",
			.answer = "AppOperation", .status = 202 } },
	{ "POST", "/apps/:app/stop", ACCESS_DEPLOY, 0, app_stop,
		.doc = { "Stops all instances; what the app is stays", .answer = "AppOperation",
			.status = 202 } },
	{ "POST", "/apps/:app/restart", ACCESS_DEPLOY, 0, app_restart,
		.doc = { "Restarts the instances one after the other", .answer = "AppOperation",
			.status = 202 } },
};
ROUTE_TABLE(instances);
