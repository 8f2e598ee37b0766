/*
 * The two doors of git ask: may this one, for which repository?
 *
 * nginx before a git request, for a token (auth_request; push/push_cgi.h): 200 with X-Nap-Repo (empty: there is no such
 * app) and X-Nap-Actor. Whatever else is said goes to the person as X-Nap-Error, since nginx drops the body.
 *
 * nap-shell for an SSH key (push/push_shell.h): 200 with repo and actor.
 */
#include "api/routes.h"

#include "model/name.h"
#include "serve/operation_json.h"
#include "serve/session.h"
#include "store/credential.h"
#include "store/push.h"
#include "store/ssh_key.h"

#include <sodium.h>
#include <strings.h>

#define MAX_BASIC_BYTES 512

static bool unauthenticated(struct err *e)
{
	return err_set(e, ERR_AUTH, "unauthenticated",
		"git asks for a user and a password: the tenant's name, and a token");
}

/* user and password of "Basic …", in memory of rq->a (RFC 7617) */
static bool read_basic(
	struct request *rq, const char **ret_user, const char **ret_password, struct err *e)
{
	const char *header = request_header(rq, "Authorization");
	char *text = arena_alloc(rq->a, MAX_BASIC_BYTES + 1), *colon;
	size_t n;

	if (!header || strncasecmp(header, "Basic ", 6) != 0)
		return unauthenticated(e);
	header += 6 + strspn(header + 6, " ");
	if (sodium_base642bin((unsigned char *)text, MAX_BASIC_BYTES, header, strlen(header), NULL,
		    &n, NULL, sodium_base64_VARIANT_ORIGINAL) != 0 ||
		strlen(text) != n || !(colon = strchr(text, ':')))
		return unauthenticated(e);
	*colon = '\0';
	*ret_user = text;
	*ret_password = colon + 1;
	return true;
}

static bool name_fits(const struct request *rq, const char *app, struct err *e)
{
	const char *wrong = app_name_wrong(app);

	if (wrong)
		return err_set(e, ERR_INVALID, "name_invalid", "the application's name %s", wrong);
	if (strlen(app) + 1 + strlen(rq->caller.name) > 63)
		return err_set(e, ERR_INVALID, "name_too_long",
			"the names of application and tenant together have more than 62 characters");
	return true;
}

/* a push to an app that does not exist: looking makes nothing, the push that follows keeps an id for it */
static bool repo_of_new(struct request *rq, const PGresult *app, const char *name, bool writes,
	int64_t *ret, struct err *e)
{
	if (!name_fits(rq, name, e))
		return false;
	if (db_i64(app, 0, "apps_left") <= 0)
		return err_set(
			e, ERR_INVALID, "quota_apps", "no more apps are allowed: 0 are left");
	*ret = 0;
	return !writes || push_id(rq->db, rq->caller.tenant, name, ret, e);
}

/* 0: there is none, which over HTTP is said by nap-git, or where the push has not come to its second request yet */
static bool repo_of(struct request *rq, const PGresult *r, const char *app, bool push, bool writes,
	int64_t *ret, struct err *e)
{
	if (db_bool(r, 0, "deleting"))
		return err_set(e, ERR_CONFLICT, "app_deleting",
			"application \"%s\" is being destroyed", app);
	*ret = db_i64(r, 0, "id");
	return *ret || !push || repo_of_new(rq, r, app, writes, ret, e);
}

static bool may(struct request *rq, const char *app, bool push, struct err *e)
{
	const struct caller *c = &rq->caller;

	if (c->app && (!c->app_name || !streq(c->app_name, app)))
		return err_set(e, ERR_NOT_FOUND, "not_found", "there is no such application");
	if (c->release || !(c->scopes & (push ? SCOPE_DEPLOY : SCOPE_READ)))
		return err_set(e, ERR_FORBIDDEN, "scope_missing",
			"this token lacks the scope \"%s\"", push ? "deploy" : "read");
	return true;
}

static bool find_repo(struct request *rq, int64_t *ret, struct err *e)
{
	auto_result PGresult *r = NULL;
	const char *tenant = request_cgi(rq, "NAP_TENANT"), *app = request_cgi(rq, "NAP_APP");
	const char *service = request_cgi(rq, "NAP_SERVICE"), *path = request_cgi(rq, "NAP_PATH");
	const char *user, *password;
	struct db_ask ask;
	bool push;

	if (!tenant || !app || !service)
		return err_set(e, ERR_NOT_FOUND, "not_found", "there is no such git service");
	push = streq(service, "git-receive-pack");
	ask = push_ask_app(app);
	if (!read_basic(rq, &user, &password, e) || !caller_token(rq, password, &ask, 1, &r, e))
		return false;
	if (!streq(user, rq->caller.name))
		return unauthenticated(e);
	if (!streq(tenant, rq->caller.name))
		return err_set(e, ERR_NOT_FOUND, "not_found", "there is no such application");
	if (!may(rq, app, push, e))
		return false;
	/* git gives any object of a repository by its id, and those of the whole group are in its reach */
	if (rq->caller.app && db_bool(r, 0, "borrows"))
		return err_set(e, ERR_FORBIDDEN, "token_bound",
			"application \"%s\" shares objects with its group: a token bound to one app has no access",
			app);
	return repo_of(rq, r, app, push, path && streq(path, "git-receive-pack"), ret, e);
}

static bool git_auth(struct request *rq, struct response *rs, struct err *e)
{
	int64_t repo;

	if (!find_repo(rq, &repo, e)) {
		if (e->kind != ERR_INTERNAL)
			response_header(rs, "X-Nap-Error", e->msg);
		return false;
	}
	response_header(rs, "X-Nap-Repo", repo ? arena_printf(rq->a, "%jd", (intmax_t)repo) : "");
	response_header(rs, "X-Nap-Actor", rq->caller.actor);
	(void)response_body(rs, 200, "text/plain");
	return true;
}

struct ssh_body {
	const char *tenant, *key, *app, *service;
};

#define SSH_FIELD(name) \
	{ \
#name, BODY_STRING, offsetof(struct ssh_body, name), BODY_REQUIRED, .help = NULL \
	}

static const struct body_field SSH[] = { SSH_FIELD(tenant), SSH_FIELD(key), SSH_FIELD(app),
	SSH_FIELD(service) };

/* the key of the session is the tenant's still; rq->caller is that tenant then */
static bool ssh_caller(struct request *rq, const struct ssh_body *in, struct err *e)
{
	struct ssh_visitor visitor;
	int64_t key;

	if (!parse_i64(in->key, 1, INT64_MAX, &key))
		return err_set(e, ERR_NOT_FOUND, "not_found", "the key does not exist");
	if (!ssh_key_visitor(rq->db, rq->a, in->tenant, key, &visitor, e))
		return false;
	rq->caller = (struct caller){ .tenant = visitor.tenant,
		.name = visitor.name,
		.role = visitor.role,
		.actor = visitor.actor };
	return true;
}

static bool git_ssh(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	struct ssh_body in = { 0 };
	struct db_ask ask;
	int64_t repo;
	bool push;

	if (!body_decode(rq, SSH, ARRAY_SIZE(SSH), &in, e) || !ssh_caller(rq, &in, e))
		return false;
	push = streq(in.service, "git-receive-pack");
	ask = push_ask_app(in.app);
	if (!db_query(rq->db, &r, e, ask.sql, in.app) ||
		!repo_of(rq, r, in.app, push, push, &repo, e))
		return false;
	if (!repo)
		return err_set(
			e, ERR_NOT_FOUND, "not_found", "not found: there is no such application");
	response_json(
		rs, 200, json_pack("{s:o, s:s}", "repo", json_id(repo), "actor", rq->caller.actor));
	return true;
}

static const struct route git_auth_routes[] = {
	{ "GET", "/internal/v1/git-auth", ACCESS_AUTH, 0, git_auth, .body = NULL },
	{ "POST", "/internal/v1/ssh", ACCESS_HOOK, BODY_JSON, git_ssh, ROUTE_BODY(SSH) },
};
ROUTE_TABLE(git_auth);
