/*
 * What a tenant sees and sets of itself: its language, its password, the browsers that are signed in.
 */
#include "api/routes.h"

#include "base/text.h"
#include "serve/session.h"
#include "store/session.h"
#include "store/tenant.h"

static const char *language_wrong(const char *s)
{
	return streq(s, "en") || streq(s, "zh-CN") ? NULL : "must be en or zh-CN";
}

struct account_body {
	const char *language, *password, *current_password;
};

static const struct body_field ACCOUNT[] = {
	{ "language", BODY_STRING, offsetof(struct account_body, language), .check = language_wrong,
		.help = "of the manager: en or zh-CN" },
	{ "password", BODY_STRING, offsetof(struct account_body, password), .check = password_wrong,
		.help = "a new one; signs all other browsers out" },
	{ "current_password", BODY_STRING, offsetof(struct account_body, current_password),
		.max = MAX_PASSWORD_BYTES, .help = "needed for a new password" },
};

static bool put_account(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!tenant_account(rq->db, rq->caller.tenant, &r, e))
		return false;
	rows_objects(
		r, ACCOUNT_FIELDS, ACCOUNT_FIELDS_N, 1, response_body(rs, 200, "application/json"));
	return true;
}

/* guesses at it count as failed sign-ins: who found a browser open is slowed down like anybody */
static bool knows_password(
	struct request *rq, struct response *rs, const char *password, struct err *e)
{
	struct session_look look = { 0 };

	if (session_password(rq->db, rq->a, rq->caller.name, rq->address, password, &look, e))
		return true;
	rs->retry_after = look.pause_s;
	if (e->kind != ERR_AUTH)
		return false;
	fault_add(&rq->faults, "current_password", "invalid_value", "is not the password");
	return faults_end(&rq->faults, e);
}

/* hashes outside of the transaction, which would be held for as long */
static bool account_change(struct request *rq, struct response *rs, struct err *e)
{
	struct account_body in = { 0 };
	auto_tx struct tx tx = { 0 };
	char hash[PASSWORD_HASH_SIZE];

	if (!caller_ask(rq, NULL, 0, NULL, e))
		return false;
	body_decode_into(&rq->faults, rq->a, rq->json, NULL, ACCOUNT, ARRAY_SIZE(ACCOUNT), &in);
	if (in.password && !in.current_password)
		fault_add(&rq->faults, "current_password", "required",
			"is needed for a new password");
	if (!faults_end(&rq->faults, e) ||
		(in.password && (!knows_password(rq, rs, in.current_password, e) ||
					!password_hash(in.password, hash, e))))
		return false;
	return caller_begin_again(rq, &tx, e) &&
	       tenant_account_change(rq->db, rq->caller.tenant, in.language,
		       in.password ? hash : NULL, rq->caller.session, e) &&
	       put_account(rq, rs, e) && tx_commit(&tx, e);
}

static bool session_list_get(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	int64_t limit, below;

	if (!request_page_id(rq, &limit, &below, e) ||
		!session_list(
			rq->db, rq->caller.tenant, rq->caller.session, below, limit + 1, &r, e))
		return false;
	response_rows(rs, r, SESSION_FIELDS, SESSION_FIELDS_N, limit, "id");
	return true;
}

static bool session_one_delete(struct request *rq, struct response *rs, struct err *e)
{
	int64_t id;

	if (!parse_i64(request_param(rq, "id"), 1, INT64_MAX, &id))
		return request_not_found(rq, e);
	if (!session_delete(rq->db, rq->caller.tenant, id, e))
		return false;
	response_nothing(rs);
	return true;
}

static const struct route account_routes[] = {
	{ "GET", "/account", ACCESS_READ, 0, put_account,
		.doc = { "Who one is, and what one has set", .answer = "Account" } },
	{ "PATCH", "/account", ACCESS_SESSION, BODY_JSON | ROUTE_LAZY, account_change,
		ROUTE_BODY(ACCOUNT),
		.doc = { "Change language or password",
			"{\"language\": \"en\", \"password\": \"correct horse\", \"current_password\": \"correct horse\"}",
			"Account" } },
	{ "GET", "/sessions", ACCESS_MANAGE, 0, session_list_get,
		.doc = { "The browsers that are signed in, newest first",
			.answer = "[BrowserSession]", .query = "limit after" } },
	{ "DELETE", "/sessions/:id", ACCESS_MANAGE, 0, session_one_delete,
		.doc = { "Sign a browser out" } },
};
ROUTE_TABLE(account);
