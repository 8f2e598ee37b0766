#include "api/app.h"
#include "api/routes.h"
#include "base/limits.h"
#include "base/text.h"
#include "serve/operation_json.h"
#include "serve/wait.h"
#include "store/operation.h"

static const char *const STATES[] = { "queued", "running", "succeeded", "failed", "cancelled" };

static void check_state(struct request *rq, const char *state)
{
	for (size_t i = 0; i < ARRAY_SIZE(STATES); i++)
		if (!state || streq(state, STATES[i]))
			return;
	fault_add(&rq->faults, "state", "invalid_value",
		"must be queued, running, succeeded, failed or cancelled");
}

static bool page(struct request *rq, const char *state, int64_t *ret_limit, int64_t *ret_below,
	struct err *e)
{
	const char *after;

	check_state(rq, state);
	if (!request_page(rq, ret_limit, &after, e))
		return false;
	*ret_below = 0;
	if (!after || parse_i64(after, 1, INT64_MAX, ret_below))
		return true;
	fault_add(
		&rq->faults, "after", "invalid_value", "must be the \"next\" of an earlier answer");
	return faults_end(&rq->faults, e);
}

static bool operations_get(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	const char *app = request_query(rq, "app"), *state = request_query(rq, "state");
	const char *next = NULL;
	int64_t limit, below;
	json_t *items;
	int n;

	if (rq->caller.app_name) { /* a token bound to an app sees that one's */
		if (app && !streq(app, rq->caller.app_name))
			return request_not_found(rq, e);
		app = rq->caller.app_name;
	}
	if (!page(rq, state, &limit, &below, e) ||
		!operation_list(rq->db, rq->caller.tenant, app, state, below, limit + 1, &r, e))
		return false;
	n = (int)MIN(db_rows(r), limit);
	items = json_array();
	for (int i = 0; i < n; i++)
		(void)json_array_append_new(items, operation_json(r, i));
	if (db_rows(r) > n)
		next = cursor_make(rq->a, db_text(r, n - 1, "id"));
	response_json(rs, 200,
		json_pack("{s:o, s:o}", "items", items, "next",
			next ? json_string(next) : json_null()));
	return true;
}

static bool find(struct request *rq, int64_t *ret_id, PGresult **ret, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!path_number(rq, "id", INT64_MAX, ret_id, e))
		return false;
	if (!operation_get(rq->db, *ret_id, &r, e))
		return e->kind == ERR_NOT_FOUND ? request_not_found(rq, e) : false;
	if (rq->caller.app && db_i64(r, 0, "app_id") != rq->caller.app)
		return request_not_found(rq, e);
	*ret = steal(&r);
	return true;
}

static bool has_ended(const PGresult *r)
{
	const char *state = db_text(r, 0, "state");

	return !streq(state, "queued") && !streq(state, "running") && !streq(state, "receiving");
}

/* ?outcome=1: the status says how it ended, for `curl -f` */
static bool outcome(struct response *rs, const PGresult *r, struct err *e)
{
	const char *state = db_text(r, 0, "state"), *why = db_text(r, 0, "error");

	if (!has_ended(r)) {
		response_json(rs, 202, operation_json(r, 0));
		return true;
	}
	if (streq(state, "succeeded")) {
		response_json(rs, 200, operation_json(r, 0));
		return true;
	}
	response_problem_member(rs, "operation", operation_json(r, 0));
	if (streq(state, "cancelled"))
		return err_set(e, ERR_CONFLICT, "operation_cancelled", "%s",
			why[0] ? why : "the operation was cancelled");
	return err_set(
		e, ERR_CONFLICT, "operation_failed", "%s", why[0] ? why : "the operation failed");
}

static bool operation_show(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	const char *asked = request_query(rq, "outcome");
	int64_t wait = wait_asked(rq, MAX_WAIT_S), id;

	if (asked && !streq(asked, "0") && !streq(asked, "1"))
		fault_add(&rq->faults, "outcome", "invalid_value", "must be 0 or 1");
	if (!faults_end(&rq->faults, e) || !find(rq, &id, &r, e))
		return false;
	if (wait && !has_ended(r))
		response_again(rs, "nap_operation", db_text(r, 0, "id"), wait);
	if (asked && asked[0] == '1')
		return outcome(rs, r, e);
	response_json(rs, 200, operation_json(r, 0));
	return true;
}

static bool cancel(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	int64_t id;

	return find(rq, &id, &r, e) && operation_cancel(rq->db, id, e) &&
	       response_operation(rq, rs, id, NULL, NULL, e);
}

static void log_text(struct response *rs, const PGresult *r)
{
	struct buf *b = response_body(rs, 200, "text/plain; charset=utf-8");

	for (int i = 0; i < db_rows(r); i++) {
		buf_puts(b, db_text(r, i, "line"));
		buf_putc(b, '\n');
	}
}

static void log_json(struct response *rs, const PGresult *r, int64_t limit)
{
	struct buf *b = list_begin(rs);
	int n = (int)MIN(db_rows(r), limit);

	for (int i = 0; i < n; i++) {
		if (i)
			buf_putc(b, ',');
		operation_line_json(b, r, i);
	}
	/* a place in the log, as plain as the stream's id: lines are numbered for everybody */
	buf_puts(b, "],\"next\":");
	if (db_rows(r) > n)
		buf_printf(b, "\"%s\"}", db_text(r, n - 1, "seq"));
	else
		buf_puts(b, "null}");
}

static bool log_get(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL, *lines = NULL;
	int64_t wait = wait_asked(rq, MAX_LONG_POLL_S), after = 0, limit = 1000, id;

	(void)request_query_i64(rq, "after", 0, INT32_MAX, &after);
	(void)request_query_i64(rq, "limit", 1, 1000, &limit);
	if (!faults_end(&rq->faults, e) || !find(rq, &id, &r, e) ||
		!operation_lines(rq->db, id, after, limit + 1, &lines, e))
		return false;
	if (wait && db_rows(lines) == 0 && !has_ended(r))
		response_again(rs, "nap_operation", db_text(r, 0, "id"), wait);
	tenants_bytes(rs);
	if (wants_text(rq))
		log_text(rs, lines);
	else
		log_json(rs, lines, limit);
	return true;
}

static const struct route operations_routes[] = {
	{ "GET", "/operations", ACCESS_READ, ROUTE_BOUND, operations_get,
		.doc = { "Operations, newest first", .answer = "[Operation]",
			.query = "app state limit after" } },
	{ "GET", "/operations/:id", ACCESS_READ, ROUTE_BOUND, operation_show,
		.doc = { "One operation; ?wait= seconds for its end, ?outcome=1 makes a failure 409",
			.answer = "Operation", .query = "wait outcome" } },
	{ "POST", "/operations/:id/cancel", ACCESS_DEPLOY, ROUTE_BOUND, cancel,
		.doc = { "Cancels: a queued one at once, a running one as soon as it can stop",
			.answer = "Accepted", .status = 202 } },
	{ "GET", "/operations/:id/log", ACCESS_READ, ROUTE_BOUND, log_get,
		.doc = { "Lines of the operation's log, as JSON or text/plain",
			.answer = "[OperationLine]", .query = "after limit wait" } },
};
ROUTE_TABLE(operations);
