#include "serve/response.h"

#include "base/limits.h"
#include "base/log.h"
#include "serve/operation_json.h"
#include "store/operation.h"
#include "store/rows.h"

/* clang-format off */
const struct response_code RESPONSE_CODES[] = {
	{ "malformed", 400, "The request cannot be read; for JSON the line and column are told." },
	{ "unauthenticated", 401, "No credentials, or bad ones." },
	{ "sign_in_failed", 401, "Tenant or password is wrong." },
	{ "scope_missing", 403, "The token lacks the scope." },
	{ "admin_only", 403, "Only the operator may do this." },
	{ "session_only", 403, "Only a signed-in browser may do this." },
	{ "token_bound", 403, "The token is bound to one app." },
	{ "csrf_missing", 403, "A request with the cookie needs X-CSRF-Token." },
	{ "csrf_invalid", 403, "X-CSRF-Token is not this session's." },
	{ "cross_site", 403, "The request did not come from nap's own page." },
	{ "not_found", 404, "It does not exist, or is another tenant's." },
	{ "no_such_route", 404, "The API has no such path." },
	{ "method_not_allowed", 405, "The path has no such method; Allow tells which." },
	{ "conflict", 409, "It contradicts the present state." },
	{ "name_taken", 409, "There is one of this name already; suggestion is the next free one." },
	{ "app_deleting", 409, "The app is being destroyed." },
	{ "app_empty", 409, "The app has no release that could run." },
	{ "nothing_to_run", 409, "No member of the group failed, or has ended." },
	{ "app_stopped", 409, "The app is stopped." },
	{ "files_unreachable", 409, "The files lie on machines of a cluster, which nap cannot read from here." },
	{ "url_differs", 409, "The app is deployed from another url, or pushed to." },
	{ "url_missing", 409, "The app has no url to deploy from." },
	{ "release_current", 409, "The release is the one that runs." },
	{ "tenant_not_empty", 409, "The tenant still has apps." },
	{ "isolation_missing", 409, "This machine cannot isolate tenants from each other." },
	{ "domain_missing", 409, "More than one tenant needs names for apps: the setting domain." },
	{ "name_used", 409, "The name had an app; a push makes it anew only with -o create." },
	{ "key_taken", 409, "The SSH key is registered already, here or by another tenant." },
	{ "in_progress", 409, "A request with the same Idempotency-Key is still running." },
	{ "too_late", 409, "The operation can no longer be cancelled." },
	{ "operation_failed", 409, "The operation that was waited for failed; see operation." },
	{ "operation_cancelled", 409, "The operation that was waited for was cancelled; see operation." },
	{ "gone", 410, "It was there, and is no longer wanted." },
	{ "length_required", 411, "The body needs a Content-Length." },
	{ "precondition_failed", 412, "If-Match names a version that is no longer the newest." },
	{ "too_large", 413, "The body is larger than the route takes." },
	{ "unsupported_media_type", 415, "The body has another type than the route takes." },
	{ "validation_failed", 422, "Fields are wrong; errors lists all of them." },
	{ "required", 422, "The field is missing." },
	{ "unknown_field", 422, "There is no such field." },
	{ "wrong_type", 422, "The field has another JSON type." },
	{ "out_of_range", 422, "Too small, too large, too short or too long." },
	{ "invalid_value", 422, "The value is not possible." },
	{ "key_invalid", 422, "The SSH key is none that git push could come by." },
	{ "too_many_keys", 422, "A tenant has at most 100 SSH keys." },
	{ "too_many_hosts", 413, "Too many keys of git hosts are known." },
	{ "sealed_by_another_key", 500, "A secret was sealed by a key that the file of keys has lost." },
	{ "seal_broken", 500, "A sealed secret was changed." },
	{ "url_invalid", 422, "The url is none that git could fetch from here." },
	{ "protocol_not_allowed", 422, "The url's protocol is not allowed here." },
	{ "release_unusable", 422, "The release was never live." },
	{ "name_invalid", 422, "The name breaks the grammar." },
	{ "name_reserved", 409, "The name is a reserved word." },
	{ "name_too_long", 422, "The name is too long." },
	{ "instances_out_of_range", 422, "An app has 0 to 500 instances." },
	{ "memory_out_of_range", 422, "Memory is from 6m to 1024g." },
	{ "invalid_command", 422, "The command is blank, no UTF-8 text, too long, or cannot stand in a profile." },
	{ "template_invalid", 422, "A brace of the command holds \"..\" and is no range; its position is told." },
	{ "too_many_members", 422, "The template makes more than 1000 commands." },
	{ "profile_invalid", 422, "The profile has faults; errors has their lines." },
	{ "profile_missing", 422, "The source has neither a profile nor a file run." },
	{ "source_too_large", 413, "The source is larger than the operator's limit." },
	{ "quota_memory", 422, "The memory quota does not suffice." },
	{ "quota_instances", 422, "The quota of instances does not suffice." },
	{ "quota_apps", 422, "The quota of apps does not suffice." },
	{ "quota_disk", 422, "The disk quota does not suffice." },
	{ "disk_full", 507, "The disk of nap's machine is full." },
	{ "confirm_required", 422, "?confirm= must repeat the name." },
	{ "idempotency_key_reused", 422, "The Idempotency-Key was used for another body." },
	{ "rate_limited", 429, "Too many tries; Retry-After tells when." },
	{ "too_many_streams", 429, "The tenant has too many streams open." },
	{ "internal", 500, "nap's fault; the log has it under the request's id." },
	{ "retry", 503, "Another request changed the same at the same time: try again." },
	{ "locked", 503, "Another request holds the same: try again." },
	{ "database_unavailable", 503, "The database cannot be reached: try again." },
	{ "database_busy", 503, "The database has no room: try again." },
	{ "database_timeout", 504, "The database took too long." },
	{ "engine_unavailable", 503, "The engine cannot be reached: try again." },
	{ NULL, 0, NULL },
};
/* clang-format on */

static const int KIND_STATUS[] = { [ERR_NONE] = 500,
	[ERR_INVALID] = 422,
	[ERR_AUTH] = 401,
	[ERR_FORBIDDEN] = 403,
	[ERR_NOT_FOUND] = 404,
	[ERR_CONFLICT] = 409,
	[ERR_TOO_LARGE] = 413,
	[ERR_BUSY] = 503,
	[ERR_TIMEOUT] = 504,
	[ERR_UPSTREAM] = 503,
	[ERR_INTERNAL] = 500 };

int response_status_of(const struct err *e)
{
	for (const struct response_code *c = RESPONSE_CODES; c->code; c++)
		if (streq(c->code, e->code))
			return c->status;
	return KIND_STATUS[e->kind];
}

const char *response_reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = { { 200, "OK" }, { 201, "Created" }, { 202, "Accepted" },
		{ 204, "No Content" }, { 304, "Not Modified" }, { 400, "Bad Request" },
		{ 401, "Unauthorized" }, { 403, "Forbidden" }, { 404, "Not Found" },
		{ 405, "Method Not Allowed" }, { 409, "Conflict" }, { 410, "Gone" },
		{ 411, "Length Required" }, { 412, "Precondition Failed" },
		{ 413, "Content Too Large" }, { 415, "Unsupported Media Type" },
		{ 422, "Unprocessable Content" }, { 429, "Too Many Requests" },
		{ 500, "Internal Server Error" }, { 502, "Bad Gateway" },
		{ 503, "Service Unavailable" }, { 504, "Gateway Timeout" },
		{ 507, "Insufficient Storage" } };

	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Unknown";
}

void response_init(struct response *rs, struct arena *a)
{
	*rs = (struct response){ .a = a };
	buf_init(&rs->body, MAX_RESPONSE_BYTES);
}

void response_release(struct response *rs)
{
	buf_release(&rs->body);
	json_decref(rs->problem);
	rs->problem = NULL;
}

void response_clear(struct response *rs)
{
	struct buf body = rs->body;
	struct arena *a = rs->a;

	json_decref(rs->problem);
	buf_clear(&body);
	*rs = (struct response){ .a = a, .body = body };
}

struct buf *response_body(struct response *rs, int status, const char *content_type)
{
	buf_clear(&rs->body);
	rs->status = status;
	rs->content_type = content_type;
	return &rs->body;
}

void response_json(struct response *rs, int status, json_t *body)
{
	struct buf *b = response_body(rs, status, "application/json");
	auto_free char *text = body ? json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	json_decref(body);
	if (text)
		buf_puts(b, text);
	else
		b->failed = true;
}

void response_text(struct response *rs, int status, const char *content_type, const char *text)
{
	buf_puts(response_body(rs, status, content_type), text);
}

void response_next(struct response *rs, struct buf *b, const char *last)
{
	buf_puts(b, "],\"next\":");
	if (last)
		buf_printf(b, "\"%s\"}", cursor_make(rs->a, last));
	else
		buf_puts(b, "null}");
}

void response_rows(struct response *rs, const PGresult *r, const struct row_field *fields, size_t n,
	int64_t limit, const char *key)
{
	struct buf *b = response_body(rs, 200, "application/json");
	int shown = (int)MIN((int64_t)db_rows(r), limit);

	buf_puts(b, "{\"items\":[");
	rows_objects(r, fields, n, shown, b);
	response_next(rs, b, db_rows(r) > limit ? db_text(r, shown - 1, key) : NULL);
}

void response_nothing(struct response *rs)
{
	(void)response_body(rs, 204, NULL);
}

void response_header(struct response *rs, const char *name, const char *value)
{
	assert(rs->headers_n < RESPONSE_MAX_HEADERS);
	assert(!strpbrk(value, "\r\n"));
	rs->headers[rs->headers_n++] = (struct response_header){ name, arena_strdup(rs->a, value) };
}

void response_etag(struct response *rs, int64_t version)
{
	char tag[32];

	(void)snprintf(tag, sizeof tag, "\"%jd\"", (intmax_t)version);
	response_header(rs, "ETag", tag);
}

void response_secret(struct response *rs, const char *member)
{
	assert(rs->secrets_n < ARRAY_SIZE(rs->secrets));
	rs->secrets[rs->secrets_n++] = member;
}

void response_problem_member(struct response *rs, const char *name, json_t *value)
{
	if (!rs->problem)
		rs->problem = json_object();
	(void)json_object_set_new(rs->problem, name, value);
}

void response_again(struct response *rs, const char *channel, const char *payload, int64_t seconds)
{
	rs->again_channel = channel;
	rs->again_payload = payload ? arena_strdup(rs->a, payload) : NULL;
	rs->again_s = seconds;
}

bool response_operation(struct request *rq, struct response *rs, int64_t operation,
	const char *member, json_t *more, struct err *e)
{
	auto_result PGresult *r = NULL;
	json_auto_t *extra = more;
	json_t *body;

	if (!operation_get(rq->db, operation, &r, e))
		return false;
	body = json_pack("{s:o}", "operation", operation_json(r, 0));
	if (body && extra && member)
		(void)json_object_set(body, member, extra);
	else if (body && extra)
		(void)json_object_update(body, extra);
	rs->operation = operation;
	response_json(rs, 202, body);
	response_header(
		rs, "Location", arena_printf(rs->a, "/api/v1/operations/%jd", (intmax_t)operation));
	return true;
}

static json_t *faults_json(const struct faults *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->n; i++) {
		const struct fault *v = &f->v[i];
		json_t *row = json_pack(
			"{s:s, s:s, s:s}", "field", v->field, "code", v->code, "detail", v->detail);

		if (row && v->line)
			(void)json_object_set_new(row, "line", json_integer(v->line));
		(void)json_array_append_new(list, row);
	}
	return list;
}

static int usual_retry_after(int status, const char *code)
{
	if (streq(code, "retry") || streq(code, "locked"))
		return 1;
	return status == 429 || status == 503 ? 5 : 0;
}

void response_problem(struct request *rq, struct response *rs, const struct err *e)
{
	int status = response_status_of(e);
	int after = rs->retry_after ? rs->retry_after : usual_retry_after(status, e->code);
	/* a fault of nap tells strangers nothing */
	const char *detail =
		status == 500
			? "nap has made a mistake; its log tells which, under this request's id"
			: e->msg;
	json_t *body = json_pack("{s:o, s:s, s:i, s:s, s:s, s:s}", "type",
		json_sprintf("urn:nap:error:%s", e->code), "title", response_reason(status),
		"status", status, "code", e->code, "detail", detail, "instance", rq->id);

	if (!body) /* a name that is no UTF-8 */
		body = json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", "urn:nap:error", "title",
			response_reason(status), "status", status, "code", e->code, "instance",
			rq->id);
	if (status == 422 && rq->faults.n)
		(void)json_object_set_new(body, "errors", faults_json(&rq->faults));
	if (rs->problem)
		(void)json_object_update_missing(body, rs->problem);
	rs->operation = 0;
	rs->again_channel = NULL;
	response_json(rs, status, body);
	rs->content_type = "application/problem+json";
	if ((status == 429 || status == 503) && after)
		response_header(rs, "Retry-After", arena_printf(rs->a, "%d", after));
	if (status == 401)
		response_header(rs, "WWW-Authenticate",
			rq->door == DOOR_AUTH ? "Basic realm=\"nap\", charset=\"UTF-8\""
					      : "Bearer realm=\"nap\"");
}

void response_head(struct response *rs, const struct request *rq, struct buf *ret)
{
	buf_printf(ret, "Status: %d %s\r\nRequest-Id: %s\r\n", rs->status,
		response_reason(rs->status), rq->id);
	if (rs->content_type)
		buf_printf(ret, "Content-Type: %s\r\n", rs->content_type);
	if (rs->status != 204 && rs->status != 304 && !rs->streamed)
		buf_printf(ret, "Content-Length: %zu\r\n", rs->body.len);
	buf_puts(ret, "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
	for (size_t i = 0; i < rs->headers_n; i++) {
		buf_puts(ret, rs->headers[i].name);
		buf_puts(ret, ": ");
		buf_puts(ret, rs->headers[i].value);
		buf_puts(ret, "\r\n");
	}
	buf_puts(ret, "\r\n");
}

bool response_is_bare(const struct response *rs, const struct request *rq)
{
	return rs->status == 304 || streq(rq->method, "HEAD");
}
