#include "serve/session.h"

#include "base/log.h"
#include "base/text.h"
#include "serve/route.h"
#include "store/credential.h"

#include <strings.h>

#define MAX_COOKIES 4 /* of one name: scripts of apps can plant doubles */

SQL(AUTH_PRESENT, "SELECT set_config('nap.presented', $1, true)");
SQL(AUTH_TOKEN, "SELECT line FROM presented_token");
SQL(AUTH_SESSION, "SELECT line FROM presented_session");
SQL(AUTH_USED, "SELECT nap_auth_used($1, $2)");

struct credential {
	bool cookie;
	char hash[2 * CREDENTIAL_HASH + 3]; /* as a bytea parameter */
	unsigned char csrf[CREDENTIAL_HASH];
};

static bool unauthenticated(struct err *e)
{
	return err_set(e, ERR_AUTH, "unauthenticated", "credentials are missing or not good");
}

const char *cookie_get(struct arena *a, const char *header, const char *name, size_t n)
{
	size_t len = strlen(name);

	for (const char *p = header; p && *p;) {
		size_t size = strcspn(p, ";");
		struct slice s = slice_trim((struct slice){ p, size });

		if (s.n > len && strncmp(s.p, name, len) == 0 && s.p[len] == '=' && n-- == 0)
			return arena_strndup(a, s.p + len + 1, s.n - len - 1);
		p += size + (p[size] == ';');
	}
	return NULL;
}

const char *session_cookie_name(const struct request *rq)
{
	return arena_printf(rq->a, "nap_session_%jd", (intmax_t)rq->cfg->port);
}

static bool is_safe(const char *method)
{
	return streq(method, "GET") || streq(method, "HEAD");
}

/* "http://host:port" of the Origin header against the Host that the request came to */
static bool origin_is_host(const char *origin, const char *host)
{
	if (starts_with(origin, "http://"))
		origin += 7;
	else if (starts_with(origin, "https://"))
		origin += 8;
	else
		return false;
	return strcasecmp(origin, host) == 0;
}

bool session_same_origin(const struct request *rq, struct err *e)
{
	const char *site = request_header(rq, "Sec-Fetch-Site");
	const char *origin = request_header(rq, "Origin"), *host = request_header(rq, "Host");

	if (site ? streq(site, "same-origin") : origin && host && origin_is_host(origin, host))
		return true;
	return err_set(e, ERR_FORBIDDEN, "cross_site",
		"the request does not come from a page of this host");
}

static void put_hash(struct credential *c, const char *text)
{
	unsigned char hash[CREDENTIAL_HASH];

	credential_hash(text, hash);
	(void)db_param_bytes(c->hash, hash, sizeof hash);
}

static bool read_token(const char *header, struct credential *ret, struct err *e)
{
	static const char scheme[] = "Bearer ";
	const char *token = header + sizeof scheme - 1;

	if (strncasecmp(header, scheme, sizeof scheme - 1) != 0)
		return unauthenticated(e);
	token += strspn(token, " ");
	if (!credential_is_token(token))
		return unauthenticated(e);
	put_hash(ret, token);
	return true;
}

/* the n-th cookie of the name */
static bool read_cookie(struct request *rq, size_t n, struct credential *ret, struct err *e)
{
	const char *value =
		cookie_get(rq->a, request_header(rq, "Cookie"), session_cookie_name(rq), n);
	const char *csrf = request_header(rq, "X-CSRF-Token");

	if (!value)
		return unauthenticated(e);
	if (!csrf)
		return err_set(e, ERR_FORBIDDEN, "csrf_missing",
			"a request with the session's cookie needs the header X-CSRF-Token");
	if (!is_safe(rq->method) && !session_same_origin(rq, e))
		return false;
	ret->cookie = true;
	put_hash(ret, value);
	credential_hash(csrf, ret->csrf);
	return true;
}

static bool read_credential(struct request *rq, size_t n, struct credential *ret, struct err *e)
{
	const char *header = request_header(rq, "Authorization");

	*ret = (struct credential){ 0 };
	if (!header)
		return read_cookie(rq, n, ret, e);
	return n == 0 ? read_token(header, ret, e) : unauthenticated(e);
}

#define ASKS 2 /* come before those of the handler */

static void ask_who(const struct credential *c, struct db_ask ret[ASKS])
{
	ret[0] = (struct db_ask){ AUTH_PRESENT, { c->hash }, 1 };
	ret[1] = (struct db_ask){ c->cookie ? AUTH_SESSION : AUTH_TOKEN, { NULL }, 0 };
}

static unsigned scopes_of(const char *words)
{
	unsigned scopes = 0;

	if (strstr(words, "manage"))
		scopes |= SCOPE_MANAGE | SCOPE_DEPLOY | SCOPE_READ;
	if (strstr(words, "deploy"))
		scopes |= SCOPE_DEPLOY | SCOPE_READ;
	if (strstr(words, "read"))
		scopes |= SCOPE_READ;
	return scopes;
}

/* one line of sql/0049_presented.sql; the widths are those of the schema's constraints */
struct known {
	intmax_t tenant, id, release, app;
	char name[25], role[8], stale, scopes[24], app_name[64], csrf[2 * CREDENTIAL_HASH + 1];
};

static bool read_known(const char *line, bool cookie, struct known *ret)
{
	int n = 0;

	*ret = (struct known){ 0 };
	if (sscanf(line, "%jd %24s %7s %c %*[a-z]:%jd %n", &ret->tenant, ret->name, ret->role,
		    &ret->stale, &ret->id, &n) != 5)
		return false;
	return cookie ? sscanf(line + n, "%64s", ret->csrf) == 1
		      : sscanf(line + n, "%23s %jd %jd %63s", ret->scopes, &ret->release, &ret->app,
				ret->app_name) == 4;
}

static void fill_caller(struct request *rq, const struct known *k, bool cookie)
{
	struct caller *c = &rq->caller;

	*c = (struct caller){ .tenant = k->tenant,
		.name = arena_strdup(rq->a, k->name),
		.role = arena_strdup(rq->a, k->role) };
	c->admin = streq(c->role, "admin");
	if (cookie) {
		c->session = k->id;
		c->scopes = SCOPE_READ | SCOPE_DEPLOY | SCOPE_MANAGE;
		c->actor = arena_printf(rq->a, "session:%jd", k->id);
	} else {
		c->token = k->id;
		c->scopes = scopes_of(k->scopes);
		c->app = k->app;
		c->app_name = k->app ? arena_strdup(rq->a, k->app_name) : NULL;
		c->release = k->release;
		c->actor = arena_printf(rq->a, "token:%jd", k->id);
	}
	rq->credential_stale = k->stale == 't';
}

static bool csrf_fits(const struct known *k, const struct credential *c)
{
	unsigned char hash[CREDENTIAL_HASH];

	return hex_decode(hash, sizeof hash, k->csrf) && credential_same(hash, c->csrf);
}

/* what the database knows of the credential; *ret_next: the next cookie of that name may be the right one */
static bool take_answer(struct request *rq, const PGresult *r, const struct credential *c,
	bool *ret_next, struct err *e)
{
	struct known k;

	*ret_next = c->cookie;
	if (db_rows(r) == 0)
		return unauthenticated(e);
	if (!read_known(db_text(r, 0, "line"), c->cookie, &k))
		return err_set(e, ERR_INTERNAL, "internal", "the credential's line cannot be read");
	if (c->cookie && !csrf_fits(&k, c))
		return err_set(e, ERR_FORBIDDEN, "csrf_invalid",
			"X-CSRF-Token is not the one that this session was given");
	*ret_next = false;
	fill_caller(rq, &k, c->cookie);
	return true;
}

static bool has_scope(const struct caller *c, enum access access)
{
	switch (access) {
	case ACCESS_READ:
		return c->scopes & SCOPE_READ;
	case ACCESS_DEPLOY:
		return c->scopes & SCOPE_DEPLOY;
	case ACCESS_MANAGE:
	case ACCESS_ADMIN:
		return c->scopes & SCOPE_MANAGE;
	case ACCESS_SESSION:
		return true;
	default:
		return false;
	}
}

static const char *app_of_path(const struct request *rq)
{
	for (size_t i = 0; i < rq->params_n; i++)
		if (streq(rq->params[i].name, "app"))
			return rq->params[i].value;
	return NULL;
}

static bool may(struct request *rq, struct err *e)
{
	const struct caller *c = &rq->caller;
	const struct route *route = rq->route;
	const char *app = app_of_path(rq);

	if (route->access == ACCESS_SESSION && !c->session)
		return err_set(
			e, ERR_FORBIDDEN, "session_only", "only a signed-in browser may do this");
	if (!has_scope(c, route->access) || (c->release && !(route->flags & ROUTE_INSTANCE)))
		return err_set(e, ERR_FORBIDDEN, "scope_missing",
			"this token lacks the scope \"%s\"", route_access_word(route->access));
	if (route->access == ACCESS_ADMIN && !c->admin)
		return err_set(e, ERR_FORBIDDEN, "admin_only", "only the operator may do this");
	if (!c->app || (route->flags & ROUTE_BOUND))
		return true;
	if (!app)
		return err_set(e, ERR_FORBIDDEN, "token_bound", "this token is bound to one app");
	return (c->app_name && streq(app, c->app_name)) || request_not_found(rq, e);
}

static void drop_results(PGresult **r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		PQclear(r[i]);
		r[i] = NULL;
	}
}

/* who the credential is of, and the answers to ask, in one round trip */
static bool look_up(struct request *rq, const struct credential *c, const struct db_ask *ask,
	size_t n, PGresult **ret, bool *ret_next, struct err *e)
{
	struct db_ask all[8];
	PGresult *got[8];
	bool known;

	assert(n + ASKS <= ARRAY_SIZE(all));
	ask_who(c, all);
	for (size_t k = 0; k < n; k++)
		all[k + ASKS] = ask[k];
	*ret_next = false;
	if (!db_pipeline(rq->db, all, n + ASKS, got, e))
		return false;
	known = take_answer(rq, got[ASKS - 1], c, ret_next, e);
	drop_results(got, known ? ASKS : n + ASKS);
	for (size_t k = 0; k < n && known; k++)
		ret[k] = got[k + ASKS];
	return known;
}

bool caller_ask(
	struct request *rq, const struct db_ask *ask, size_t n, PGresult **ret, struct err *e)
{
	bool next = true;

	for (size_t i = 0; next && i < MAX_COOKIES; i++) {
		struct credential c;
		struct err first = *e;

		if (!read_credential(rq, i, &c, e)) {
			if (i > 0) /* what was wrong with the first one is told */
				*e = first;
			return false;
		}
		if (look_up(rq, &c, ask, n, ret, &next, e)) {
			if (may(rq, e))
				return true;
			drop_results(ret, n);
		}
	}
	return false;
}

bool caller_begin(struct request *rq, struct tx *tx, struct err *e)
{
	bool next = true;

	for (size_t i = 0; next && i < MAX_COOKIES; i++) {
		struct credential c;
		struct db_ask ask[ASKS];
		PGresult *got[ASKS];
		struct err first = *e;
		bool known;

		if (!read_credential(rq, i, &c, e)) {
			if (i > 0)
				*e = first;
			return false;
		}
		ask_who(&c, ask);
		if (!tx_begin_ask(rq->db, tx, ask, ASKS, got, e))
			return false;
		known = take_answer(rq, got[ASKS - 1], &c, &next, e);
		drop_results(got, ASKS);
		if (known && may(rq, e))
			return true;
		tx_rollback(tx);
	}
	return false;
}

bool caller_token(struct request *rq, const char *token, const struct db_ask *ask, size_t n,
	PGresult **ret, struct err *e)
{
	struct credential c = { 0 };
	bool next;

	if (!credential_is_token(token))
		return unauthenticated(e);
	put_hash(&c, token);
	return look_up(rq, &c, ask, n, ret, &next, e);
}

bool caller_begin_again(struct request *rq, struct tx *tx, struct err *e)
{
	const struct caller *c = &rq->caller;

	return tx_begin_as(rq->db, tx, c->tenant, c->role, c->actor, e);
}

void caller_used(struct request *rq)
{
	struct err e;

	if (!rq->credential_stale)
		return;
	rq->credential_stale = false;
	if (!db_exec(rq->db, NULL, &e, AUTH_USED, I64(rq->caller.token), I64(rq->caller.session)))
		LOG(WARNING, "credential.used", KV("error", e.detail));
}
