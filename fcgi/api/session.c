/*
 * Signing in and out of the manager (RULES 11, 12, 14).
 */
#include "api/routes.h"

#include "model/address.h"
#include "serve/session.h"
#include "store/session.h"

struct sign_in {
	const char *tenant, *password;
};

static const struct body_field SIGN_IN[] = {
	{ "tenant", BODY_STRING, offsetof(struct sign_in, tenant), BODY_REQUIRED, .min = 1,
		.max = 100 },
	{ "password", BODY_STRING, offsetof(struct sign_in, password), BODY_REQUIRED, .min = 1,
		.max = MAX_PASSWORD_BYTES },
};

/* "http://{label}.localhost:8080/": {label} stands for LABEL-TENANT; null where apps have ports instead */
static json_t *address_pattern(const struct request *rq)
{
	static const char sample[] = "//x-y.";
	struct buf b;
	const char *at;
	json_t *pattern = json_null();

	buf_init(&b, 4096);
	if (address_of_app(&b, rq->cfg, "y", "x", 0) && (at = strstr(b.data, sample)))
		pattern = json_sprintf(
			"%.*s//{label}.%s", (int)(at - b.data), b.data, at + sizeof sample - 1);
	buf_release(&b);
	return pattern;
}

SQL(ISOLATION,
	"SELECT coalesce((SELECT metadata->>'isolation' FROM machine WHERE metadata ? 'isolation' "
	"ORDER BY metadata->>'isolation' = 'none' DESC LIMIT 1), $1::text) AS isolation");

static bool info(struct request *rq, json_t **ret, struct err *e)
{
	auto_result PGresult *r = NULL;
	const struct caller *c = &rq->caller;

	if (!db_query(rq->db, &r, e, ISOLATION, rq->cfg->isolation))
		return false;
	*ret = json_pack("{s:s, s:s, s:o, s:s, s:s*}", "tenant", c->name, "role", c->role,
		"app_address", address_pattern(rq), "isolation", db_text(r, 0, "isolation"), "app",
		c->app_name);
	return true;
}

static bool session_get(struct request *rq, struct response *rs, struct err *e)
{
	json_t *body;

	if (!info(rq, &body, e))
		return false;
	response_json(rs, 200, body);
	return true;
}

static void set_cookie(struct request *rq, struct response *rs, const char *value, int64_t age_s)
{
	/* narrow: to apps on other ports of this host it would go too */
	response_header(rs, "Set-Cookie",
		arena_printf(rq->a, "%s=%s; Path=/api/v1; Max-Age=%jd; HttpOnly; SameSite=Strict%s",
			session_cookie_name(rq), value, (intmax_t)age_s,
			starts_with(rq->cfg->url, "https:") ? "; Secure" : ""));
}

/* without a transaction: hashing takes its time, and a failure is to be counted although the request fails */
static bool session_create(struct request *rq, struct response *rs, struct err *e)
{
	struct sign_in in = { 0 };
	struct session_look look = { 0 };
	char cookie[CREDENTIAL_SIZE], csrf[CREDENTIAL_SIZE];
	const char *agent = request_header(rq, "User-Agent");
	json_t *body;

	if ((request_header(rq, "Sec-Fetch-Site") || request_header(rq, "Origin")) &&
		!session_same_origin(rq, e))
		return false;
	if (!body_decode(rq, SIGN_IN, ARRAY_SIZE(SIGN_IN), &in, e))
		return false;
	if (!session_password(rq->db, rq->a, in.tenant, rq->address, in.password, &look, e)) {
		rs->retry_after = look.pause_s;
		return false;
	}
	credential_secret(cookie);
	credential_secret(csrf);
	if (!session_make(rq->db, in.tenant, rq->address, look.tenant, cookie, csrf,
		    agent ? agent : "", rq->cfg->session_hours, &rq->caller.session, e))
		return false;
	rq->caller.name = in.tenant;
	rq->caller.role = look.role;
	if (!info(rq, &body, e))
		return false;
	(void)json_object_set_new(body, "csrf", json_string(csrf));
	set_cookie(rq, rs, cookie, rq->cfg->session_hours * 3600);
	response_json(rs, 201, body);
	return true;
}

static bool session_end(struct request *rq, struct response *rs, struct err *e)
{
	if (!session_delete(rq->db, rq->caller.tenant, rq->caller.session, e))
		return false;
	set_cookie(rq, rs, "", 0);
	response_nothing(rs);
	return true;
}

static const struct route session_routes[] = {
	{ "POST", "/session", ACCESS_NONE, BODY_JSON | ROUTE_BARE | ROUTE_NO_KEY, session_create,
		ROUTE_BODY(SIGN_IN),
		.doc = { "Sign in: sets the cookie and tells the CSRF token, once",
			"{\"tenant\": \"iwanna\", \"password\": \"correct horse\"}", "SignedIn",
			201 } },
	{ "GET", "/session", ACCESS_READ, ROUTE_BOUND, session_get,
		.doc = { "Who one is, and what a client needs to know of this copy of nap",
			.answer = "Session" } },
	{ "DELETE", "/session", ACCESS_SESSION, 0, session_end, .doc = { "Sign out" } },
};
ROUTE_TABLE(session);
