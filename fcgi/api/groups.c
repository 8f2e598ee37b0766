#include "api/similar.h"

#include "api/routes.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include "store/applog.h"
#include "store/operation.h"

#define MAX_MERGED_BYTES (6 * 1024 * 1024) /* of the messages of one answer */

static bool group_of(struct request *rq, PGresult **ret, struct err *e)
{
	if (group_get(rq->db, rq->caller.tenant, request_param(rq, "group"), ret, e))
		return true;
	return e->kind == ERR_NOT_FOUND ? request_not_found(rq, e) : false;
}

static bool groups_get(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	const char *after;
	int64_t limit;
	struct buf *b;
	int n;

	if (!request_page(rq, &limit, &after, e) ||
		!group_list(rq->db, rq->caller.tenant, after ? after : "", limit + 1, &r, e))
		return false;
	n = (int)MIN(db_rows(r), limit);
	b = list_begin(rs);
	rows_objects(r, GROUP_FIELDS, GROUP_FIELDS_N, n, b);
	list_end(rq, b, db_rows(r) > n ? db_text(r, n - 1, "name") : NULL);
	return true;
}

/* the group's own members, then {"items": one row per member, "next"} */
static bool group_show(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *group = NULL, *r = NULL;
	const char *after;
	int64_t limit, place = 0;
	struct rows rows;
	struct buf *b;
	int n;

	if (!request_page(rq, &limit, &after, e) || !group_of(rq, &group, e))
		return false;
	if (after && !parse_i64(after, 0, INT64_MAX, &place)) {
		fault_add(&rq->faults, "after", "invalid_value",
			"must be the \"next\" of an earlier answer");
		return faults_end(&rq->faults, e);
	}
	if (!group_members(rq->db, rq->caller.tenant, request_param(rq, "group"),
		    after ? place : -1, limit + 1, &r, e))
		return false;
	n = (int)MIN(db_rows(r), limit);
	b = response_body(rs, 200, "application/json");
	rows_init(&rows, group, GROUP_FIELDS, GROUP_FIELDS_N);
	buf_putc(b, '{');
	rows_members(&rows, 0, b);
	buf_puts(b, ",\"items\":[");
	rows_objects(r, MEMBER_FIELDS, MEMBER_FIELDS_N, n, b);
	list_end(rq, b, db_rows(r) > n ? db_text(r, n - 1, "place") : NULL);
	return true;
}

static json_t *group_json(struct request *rq, struct err *e)
{
	auto_result PGresult *r = NULL;
	struct rows rows;
	auto_buf struct buf b;
	json_t *body;

	if (!group_of(rq, &r, e))
		return NULL;
	buf_init(&b, 65536);
	rows_init(&rows, r, GROUP_FIELDS, GROUP_FIELDS_N);
	buf_putc(&b, '{');
	rows_members(&rows, 0, &b);
	buf_putc(&b, '}');
	body = json_loadb(b.data, b.len, 0, NULL);
	if (!body)
		(void)err_set(e, ERR_INTERNAL, "internal", "the group's body is no JSON");
	return body;
}

static bool group_operation(struct request *rq, struct response *rs, const char *action,
	const char *lane, json_t *more, struct err *e)
{
	const char *group = request_param(rq, "group");
	json_auto_t *args = json_pack("{s:s, s:s}", "action", action, "group", group);
	auto_free char *text = NULL;
	int64_t id;
	json_t *body;

	if (more)
		(void)json_object_update(args, more);
	json_decref(more);
	text = json_dumps(args, JSON_COMPACT);
	if (!operation_insert(rq->db,
		    &(struct operation_new){ .tenant = rq->caller.tenant,
			    .app = group,
			    .kind = "group",
			    .lane = lane,
			    .args = text,
			    .request_id = rq->id,
			    .created_by = rq->caller.actor },
		    &id, e))
		return false;
	body = group_json(rq, e);
	return body && response_operation(rq, rs, id, "group", body, e);
}

static bool group_start(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	int64_t n;

	return group_of(rq, &r, e) &&
	       group_set_stopped(
		       rq->db, rq->caller.tenant, request_param(rq, "group"), false, &n, e) &&
	       group_operation(rq, rs, "start", NULL, NULL, e);
}

static bool group_stop(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	int64_t n;

	return group_of(rq, &r, e) &&
	       group_set_stopped(
		       rq->db, rq->caller.tenant, request_param(rq, "group"), true, &n, e) &&
	       group_operation(rq, rs, "stop", "quick", NULL, e);
}

static bool group_restart(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;

	return group_of(rq, &r, e) && group_operation(rq, rs, "restart", NULL, NULL, e);
}

struct scale_body {
	struct body_i64 instances;
};
static const struct body_field SCALE[] = {
	{ "instances", BODY_I64, offsetof(struct scale_body, instances), BODY_REQUIRED | BODY_NULL,
		0, MAX_INSTANCES,
		.help = "how many each member is to have; null: follow the profile again" },
};

static bool group_scale(struct request *rq, struct response *rs, struct err *e)
{
	struct scale_body body = { 0 };
	auto_result PGresult *r = NULL;
	int64_t n;

	return body_decode(rq, SCALE, ARRAY_SIZE(SCALE), &body, e) && group_of(rq, &r, e) &&
	       group_set_scale(rq->db, rq->caller.tenant, request_param(rq, "group"),
		       body.instances.null ? -1 : (int)body.instances.n, &n, e) &&
	       group_operation(rq, rs, "scale", NULL, NULL, e);
}

static bool group_delete(struct request *rq, struct response *rs, struct err *e)
{
	const char *group = request_param(rq, "group");
	auto_result PGresult *r = NULL;
	int64_t n;

	return group_of(rq, &r, e) && request_confirmed(rq, group, e) &&
	       group_set_deleting(rq->db, rq->caller.tenant, group, &n, e) &&
	       group_operation(rq, rs, "destroy", "quick", NULL, e);
}

struct rerun_body {
	const char *which;
};
static const char *which_wrong(const char *word)
{
	return streq(word, "failed") || streq(word, "all") ? NULL : "must be failed or all";
}
static const struct body_field RERUN[] = {
	{ "which", BODY_STRING, offsetof(struct rerun_body, which), .check = which_wrong,
		.help = "failed (unless given), or all that have ended" },
};

static bool group_run_again(struct request *rq, struct response *rs, struct err *e)
{
	struct rerun_body body = { 0 };
	auto_result PGresult *r = NULL;
	int64_t n;

	if (!body_decode(rq, RERUN, ARRAY_SIZE(RERUN), &body, e) || !group_of(rq, &r, e) ||
		!group_rerun(rq->db, rq->caller.tenant, request_param(rq, "group"),
			!body.which || streq(body.which, "failed"), &n, e))
		return false;
	if (n == 0)
		return err_set(e, ERR_CONFLICT, "nothing_to_run",
			"group \"%s\" has no member that could run again",
			request_param(rq, "group"));
	return group_operation(rq, rs, "rerun", NULL, NULL, e);
}

/* more members: of the root's source, or where that is gone of the oldest member's */
static bool group_extend(struct request *rq, struct response *rs, struct err *e)
{
	struct similar_body body = { 0 };
	auto_result PGresult *group = NULL, *oldest = NULL;
	struct app app;

	if (!body_decode(rq, SIMILAR_BODY, SIMILAR_BODY_FIELDS, &body, e) ||
		!group_of(rq, &group, e) ||
		!group_members(
			rq->db, rq->caller.tenant, request_param(rq, "group"), -1, 1, &oldest, e))
		return false;
	if (!app_lock(rq->db, rq->a, rq->caller.tenant, db_text(oldest, 0, "name"), &app, e))
		return e->kind == ERR_NOT_FOUND ? request_not_found(rq, e) : false;
	if (app.deleting)
		return err_set(e, ERR_CONFLICT, "app_deleting",
			"application \"%s\" is being destroyed", app.name);
	return similar_make(rq, rs, app.name, &body, e);
}

struct patch_body {
	struct body_i64 parallel;
};
static const struct body_field PATCH[] = {
	{ "parallel", BODY_I64, offsetof(struct patch_body, parallel), BODY_REQUIRED | BODY_NULL, 1,
		1000, .help = "how many of the members that take turns run at a time; null: all" },
};

static bool group_patch(struct request *rq, struct response *rs, struct err *e)
{
	struct patch_body body = { 0 };
	auto_result PGresult *r = NULL;
	json_t *group;

	if (!body_decode(rq, PATCH, ARRAY_SIZE(PATCH), &body, e) || !group_of(rq, &r, e) ||
		!group_set_parallel(
			rq->db, rq->caller.tenant, request_param(rq, "group"), body.parallel.n, e))
		return false;
	group = group_json(rq, e);
	if (!group)
		return false;
	response_json(rs, 200, group);
	return true;
}

struct deploy_body {
	struct body_bool back;
};
static const struct body_field DEPLOY[] = {
	{ "back", BODY_BOOL, offsetof(struct deploy_body, back),
		.help = "members that have the root's source go back to their release before" },
};

static bool group_deploy(struct request *rq, struct response *rs, struct err *e)
{
	struct deploy_body body = { 0 };
	auto_result PGresult *r = NULL;

	if (!body_decode(rq, DEPLOY, ARRAY_SIZE(DEPLOY), &body, e) || !group_of(rq, &r, e))
		return false;
	if (db_is_null(r, 0, "root"))
		return err_set(e, ERR_CONFLICT, "app_empty",
			"the root of group \"%s\" was destroyed: there is no source to deploy",
			request_param(rq, "group"));
	return group_operation(
		rq, rs, "deploy", NULL, json_pack("{s:b}", "back", (int)body.back.on), e);
}

/* -- logs ---------------------------------------------------------------------------------------------------------- */

struct merged {
	const char *app;
	struct applog_entry entry;
};

static int by_time(const void *x, const void *y)
{
	const struct merged *a = x, *b = y;
	int n = strcmp(a->entry.time, b->entry.time);

	if (n == 0)
		n = strcmp(a->app, b->app);
	return n ? n : (a->entry.seq > b->entry.seq) - (a->entry.seq < b->entry.seq);
}

static bool read_merged(struct request *rq, const PGresult *members, size_t lines,
	struct merged **ret, size_t *ret_n, struct err *e)
{
	const char *dir = arena_printf(rq->a, "%s/logs", rq->cfg->state);
	const struct applog_filter filter = { .lines = lines };
	struct merged *list = NULL;
	size_t n = 0, bytes = 0;

	for (int i = 0; i < db_rows(members); i++) {
		struct applog_entry *entries;
		int64_t last;
		size_t found;

		if (!applog_read(dir, db_i64(members, i, "id"), &filter, rq->a, &entries, &found,
			    &last, e)) {
			free(list);
			return false;
		}
		list = xrealloc_array(list, n + found + 1, sizeof *list);
		for (size_t k = 0; k < found; k++)
			list[n++] = (struct merged){ db_text(members, i, "name"), entries[k] };
	}
	if (n)
		qsort(list, n, sizeof *list, by_time);
	*ret = list;
	*ret_n = MIN(n, lines);
	if (n > *ret_n)
		memmove(list, list + (n - *ret_n), *ret_n * sizeof *list);
	for (size_t k = *ret_n; k-- > 0;) {
		bytes += list[k].entry.message.n;
		if (bytes <= MAX_MERGED_BYTES)
			continue;
		*ret_n -= k + 1;
		memmove(list, list + k + 1, *ret_n * sizeof *list);
		break;
	}
	return true;
}

static void write_merged(
	struct request *rq, struct response *rs, const struct merged *list, size_t n)
{
	bool text = wants_text(rq);
	struct buf *b = text ? response_body(rs, 200, "text/plain; charset=utf-8") : list_begin(rs);

	for (size_t i = 0; i < n; i++) {
		const struct applog_entry *entry = &list[i].entry;

		if (text) {
			buf_printf(b, "%s %s %d ", entry->time, list[i].app, entry->instance);
			buf_add(b, entry->message.p, entry->message.n);
			buf_putc(b, '\n');
			continue;
		}
		buf_printf(b, "%s{\"app\":\"%s\",\"line\":", i ? "," : "", list[i].app);
		applog_json(b, entry);
		buf_putc(b, '}');
	}
	if (!text)
		list_end(rq, b, NULL);
}

static bool group_logs(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *group = NULL, *members = NULL;
	struct merged *list;
	int64_t lines = 100;
	size_t n;

	(void)request_query_i64(rq, "lines", 1, MAX_LIST, &lines);
	if (!faults_end(&rq->faults, e) || !group_of(rq, &group, e) ||
		!group_members(rq->db, rq->caller.tenant, request_param(rq, "group"), -1, 10000,
			&members, e) ||
		!read_merged(rq, members, (size_t)lines, &list, &n, e))
		return false;
	write_merged(rq, rs, list, n);
	free(list);
	tenants_bytes(rs);
	return true;
}

static const struct route groups_routes[] = {
	{ "GET", "/groups", ACCESS_READ, 0, groups_get,
		.doc = { "Groups: apps that others were made similar to, with their members",
			.answer = "[Group]", .query = "limit after" } },
	{ "GET", "/groups/:group", ACCESS_READ, 0, group_show,
		.doc = { "One group: a row for each member, the root first, then in their order",
			.answer = "GroupMembers", .query = "limit after" } },
	{ "PATCH", "/groups/:group", ACCESS_DEPLOY, BODY_JSON, group_patch, ROUTE_BODY(PATCH),
		.doc = { "Changes how many members run at a time", .example = "{\"parallel\": 8}",
			.answer = "Group" } },
	{ "DELETE", "/groups/:group", ACCESS_MANAGE, 0, group_delete,
		.doc = { "Destroys all members of a group, its root too",
			.answer = "GroupOperation", .status = 202, .query = "confirm" } },
	{ "POST", "/groups/:group/start", ACCESS_DEPLOY, 0, group_start,
		.doc = { "Starts all members; of those that are not stopped the instances that have ended",
			.answer = "GroupOperation", .status = 202 } },
	{ "POST", "/groups/:group/stop", ACCESS_DEPLOY, 0, group_stop,
		.doc = { "Stops all members", .answer = "GroupOperation", .status = 202 } },
	{ "POST", "/groups/:group/restart", ACCESS_DEPLOY, 0, group_restart,
		.doc = { "Restarts all members, of each one instance after the other",
			.answer = "GroupOperation", .status = 202 } },
	{ "PUT", "/groups/:group/scale", ACCESS_DEPLOY, BODY_JSON, group_scale, ROUTE_BODY(SCALE),
		.doc = { "Sets the number of instances of each member",
			.example = "{\"instances\": 2}", .answer = "GroupOperation",
			.status = 202 } },
	{ "POST", "/groups/:group/releases", ACCESS_DEPLOY, BODY_JSON | BODY_MAYBE, group_deploy,
		ROUTE_BODY(DEPLOY),
		.doc = { "Brings the root's source to the members, one after the other, each with its own command; stops at "
			 "the first that does not get ready. Sent again it goes on",
			.example = "{}", .answer = "GroupOperation", .status = 202 } },
	{ "POST", "/groups/:group/rerun", ACCESS_DEPLOY, BODY_JSON | BODY_MAYBE, group_run_again,
		ROUTE_BODY(RERUN),
		.doc = { "Runs the members again that failed, or all that have ended",
			.example = "{\"which\": \"failed\"}", .answer = "GroupOperation",
			.status = 202 } },
	{ "POST", "/groups/:group/extend", ACCESS_DEPLOY, BODY_JSON | BODY_COMMAND, group_extend,
		.body = SIMILAR_BODY, .body_n = SIMILAR_BODY_FIELDS,
		.doc = { "Makes more members, as POST /apps/{app}/similar of the root does",
			.example = "{\"command\": \"./solve --seed {seed:21..40}\"}",
			.answer = "SimilarOperation", .status = 202, .query = "dry_run" } },
	{ "GET", "/groups/:group/logs", ACCESS_READ, 0, group_logs,
		.doc = { "The last lines of all members, merged by time; text/plain for curl, text/event-stream follows",
			.answer = "[GroupLogLine]", .query = "lines" } },
};
ROUTE_TABLE(groups);
