/*
 * nginx asks before a git request: may this token, for which repository? (auth_request; push/push_cgi.h)
 *
 * 200 with X-Nap-Repo (empty: there is no such app) and X-Nap-Actor. Whatever else is said goes to the person as
 * X-Nap-Error, since nginx drops the body.
 */
#include "api/routes.h"

#include "model/name.h"
#include "serve/session.h"
#include "store/credential.h"
#include "store/push.h"

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
	if (db_bool(r, 0, "deleting"))
		return err_set(e, ERR_CONFLICT, "app_deleting",
			"application \"%s\" is being destroyed", app);
	*ret = db_i64(r, 0, "id");
	if (*ret || !push)
		return true;
	return repo_of_new(rq, r, app, path && streq(path, "git-receive-pack"), ret, e);
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

static const struct route git_auth_routes[] = {
	{ "GET", "/internal/v1/git-auth", ACCESS_AUTH, 0, git_auth, .body = NULL },
};
ROUTE_TABLE(git_auth);
