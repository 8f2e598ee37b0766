#include "api/routes.h"

#include "base/clock.h"
#include "base/text.h"
#include "store/token.h"

static const char *scope_wrong(const char *s)
{
	return streq(s, "read") || streq(s, "deploy") || streq(s, "manage")
		       ? NULL
		       : "must be read, deploy or manage";
}

static const char *moment_wrong(const char *s)
{
	int64_t us;

	if (!clock_parse_rfc3339(s, &us))
		return "must be a moment like 2030-01-31T12:00:00Z";
	return us > clock_now_us() ? NULL : "must be in the future";
}

struct token_body {
	const char *name, *app, *expires_at;
	struct body_strings scopes;
};

static const struct body_field TOKEN[] = {
	{ "name", BODY_STRING, offsetof(struct token_body, name), BODY_REQUIRED, .min = 1,
		.max = 100, .help = "to know it by" },
	{ "scopes", BODY_STRINGS, offsetof(struct token_body, scopes), BODY_REQUIRED, .min = 1,
		.max = 3, .check = scope_wrong,
		.help = "of read, deploy, manage; each includes the ones before it" },
	{ "app", BODY_STRING, offsetof(struct token_body, app), BODY_NULL, .min = 1, .max = 63,
		.help = "binds it to this app" },
	{ "expires_at", BODY_STRING, offsetof(struct token_body, expires_at), BODY_NULL, .min = 1,
		.max = 40, .check = moment_wrong, .help = "RFC 3339; never, if absent" },
};

/* "{read,deploy}"; the words are checked */
static const char *scopes_text(struct arena *a, const struct body_strings *scopes)
{
	const char *text = "{";

	for (size_t i = 0; i < scopes->n; i++)
		text = arena_printf(a, "%s%s%s", text, i ? "," : "", scopes->v[i]);
	return arena_printf(a, "%s}", text);
}

static bool put_token(struct request *rq, struct response *rs, int status, int64_t id,
	const char *secret, struct err *e)
{
	auto_result PGresult *r = NULL;
	struct rows rows;
	struct buf *b;

	if (!token_get(rq->db, rq->caller.tenant, id, &r, e))
		return false;
	rows_init(&rows, r, TOKEN_FIELDS, TOKEN_FIELDS_N);
	b = response_body(rs, status, "application/json");
	buf_putc(b, '{');
	rows_members(&rows, 0, b);
	if (secret) {
		buf_puts(b, ",\"token\":");
		buf_json(b, secret, strlen(secret));
	}
	buf_putc(b, '}');
	return true;
}

static bool token_create(struct request *rq, struct response *rs, struct err *e)
{
	struct token_body in = { 0 };
	unsigned char hash[CREDENTIAL_HASH];
	char token[CREDENTIAL_SIZE];
	struct token_new n = { .tenant = rq->caller.tenant, .hash = hash };
	int64_t id;

	if (!body_decode(rq, TOKEN, ARRAY_SIZE(TOKEN), &in, e))
		return false;
	if (in.expires_at && !clock_parse_rfc3339(in.expires_at, &n.expires_us))
		assert(!"it was checked");
	credential_token(token);
	credential_hash(token, hash);
	n.name = in.name;
	n.app = in.app;
	n.scopes = scopes_text(rq->a, &in.scopes);
	if (!token_insert(rq->db, &n, &id, e)) {
		if (e->kind != ERR_NOT_FOUND)
			return false;
		fault_add(&rq->faults, "app", "invalid_value", "is no app");
		return faults_end(&rq->faults, e);
	}
	response_secret(rs, "token");
	response_header(rs, "Location", arena_printf(rq->a, "/api/v1/tokens/%jd", (intmax_t)id));
	return put_token(rq, rs, 201, id, token, e);
}

static bool token_list_get(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	int64_t limit, below;

	if (!request_page_id(rq, &limit, &below, e) ||
		!token_list(rq->db, rq->caller.tenant, below, limit + 1, &r, e))
		return false;
	response_rows(rs, r, TOKEN_FIELDS, TOKEN_FIELDS_N, limit, "id");
	return true;
}

static bool token_one_get(struct request *rq, struct response *rs, struct err *e)
{
	int64_t id;

	if (!parse_i64(request_param(rq, "id"), 1, INT64_MAX, &id))
		return request_not_found(rq, e);
	return put_token(rq, rs, 200, id, NULL, e);
}

static bool token_one_delete(struct request *rq, struct response *rs, struct err *e)
{
	int64_t id;

	if (!parse_i64(request_param(rq, "id"), 1, INT64_MAX, &id))
		return request_not_found(rq, e);
	if (!token_delete(rq->db, rq->caller.tenant, id, e))
		return false;
	response_nothing(rs);
	return true;
}

static const struct route tokens_routes[] = {
	{ "GET", "/tokens", ACCESS_MANAGE, 0, token_list_get,
		.doc = { "The tenant's tokens, newest first", .answer = "[Token]",
			.query = "limit after" } },
	{ "POST", "/tokens", ACCESS_MANAGE, BODY_JSON, token_create, ROUTE_BODY(TOKEN),
		.doc = { "Make a token; it is shown this once",
			"{\"name\": \"ci\", \"scopes\": [\"read\", \"deploy\"]}", "TokenMade",
			201 } },
	{ "GET", "/tokens/:id", ACCESS_MANAGE, 0, token_one_get,
		.doc = { "One token, without its secret", .answer = "Token" } },
	{ "DELETE", "/tokens/:id", ACCESS_MANAGE, 0, token_one_delete,
		.doc = { "Revoke a token" } },
};
ROUTE_TABLE(tokens);
