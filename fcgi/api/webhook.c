/*
 * Webhooks in: GitHub's and GitLab's push events deploy an app from its own url (RULES 24).
 *
 * A delivery is a hint: it may say that there is nothing to do, never what is to be done. Url and ref are the app's
 * settings, the commit is what the worker fetches; where that runs already the operation ends with nothing done.
 */
#include "api/app.h"
#include "api/routes.h"

#include "base/text.h"
#include "store/credential.h"
#include "store/operation.h"
#include "store/webhook.h"

static const struct row_field WEBHOOK[] = {
	{ "id", ROW_TEXT },
	{ "last_used_at", ROW_TIME },
	{ "created_at", ROW_TIME },
};

/* secret NULL: it was told before */
static bool put_webhook(struct request *rq, struct response *rs, int status, int64_t app,
	const char *secret, struct err *e)
{
	auto_result PGresult *r = NULL;
	struct rows rows;
	struct buf *b;

	if (!webhook_get(rq->db, app, &r, e))
		return e->kind == ERR_NOT_FOUND ? request_not_found(rq, e) : false;
	b = response_body(rs, status, "application/json");
	buf_putc(b, '{');
	rows_init(&rows, r, WEBHOOK, ARRAY_SIZE(WEBHOOK));
	rows_members(&rows, 0, b);
	buf_printf(b, ",\"url\":\"%s/api/v1/hooks/%s\"", rq->cfg->url, db_text(r, 0, "id"));
	if (secret)
		buf_printf(b, ",\"secret\":\"%s\"", secret);
	buf_putc(b, '}');
	return true;
}

static bool hook_get(struct request *rq, struct response *rs, struct err *e)
{
	struct app app;

	return app_of(rq, &app, e) && put_webhook(rq, rs, 200, app.id, NULL, e);
}

/* an app without a url is pushed to: nothing could be fetched */
static bool has_url(const struct app *app, struct err *e)
{
	return app->url ||
	       err_set(e, ERR_CONFLICT, "url_missing",
		       "application \"%s\" has no url to deploy from: push to it", app->name);
}

static bool hook_make(struct request *rq, struct response *rs, struct err *e)
{
	char id[CREDENTIAL_SIZE], secret[CREDENTIAL_SIZE];
	struct app app;

	if (!app_take(rq, &app, e) || !has_url(&app, e))
		return false;
	credential_secret(id);
	credential_secret(secret);
	if (!webhook_make(rq->db, app.id, id, secret, e))
		return false;
	response_secret(rs, "secret");
	response_header(rs, "Location", arena_printf(rq->a, "/api/v1/apps/%s/hook", app.name));
	return put_webhook(rq, rs, 201, app.id, secret, e);
}

static bool hook_delete(struct request *rq, struct response *rs, struct err *e)
{
	struct app app;

	if (!app_of(rq, &app, e))
		return false;
	if (!webhook_delete(rq->db, app.id, e))
		return e->kind == ERR_NOT_FOUND ? request_not_found(rq, e) : false;
	response_nothing(rs);
	return true;
}

/* -- deliveries ---------------------------------------------------------------------------------------------------- */

static bool visitor_of(struct request *rq, struct webhook_visitor *ret, struct err *e)
{
	const char *signature = request_header(rq, "X-Hub-Signature-256");
	const char *name = request_header(rq, "X-Gitlab-Event-UUID");
	struct webhook_visit visit = { .id = request_param(rq, "id"),
		.body = rq->body,
		.token = request_header(rq, "X-Gitlab-Token"),
		.name = name };

	/* what has another scheme is compared as it is, and is wrong */
	if (signature)
		visit.signature = strncmp(signature, "sha256=", 7) == 0 ? signature + 7 : signature;
	if (!webhook_auth(rq->db, rq->a, &visit, ret, e))
		return e->kind == ERR_NOT_FOUND ? request_not_found(rq, e) : false;
	rq->caller = (struct caller){ .tenant = ret->tenant,
		.name = ret->tenant_name,
		.role = "tenant",
		.actor = ret->actor };
	return true;
}

static bool is_push(const struct request *rq)
{
	const char *github = request_header(rq, "X-GitHub-Event");
	const char *gitlab = request_header(rq, "X-Gitlab-Event");

	return (github && streq(github, "push")) || (gitlab && streq(gitlab, "Push Hook"));
}

static bool ref_is(const char *ref, const char *kind, const char *name)
{
	size_t n = strlen(kind);

	return strncmp(ref, kind, n) == 0 && streq(ref + n, name);
}

/* whether what was pushed can be what the app is deployed from; what the body leaves open can */
static bool concerns(const struct request *rq, const struct webhook_visitor *v)
{
	const char *ref = json_string_value(json_object_get(rq->json, "ref"));
	const char *wanted = v->ref;

	if (!wanted) {
		const json_t *at = json_object_get(rq->json, "repository");

		if (!json_object_get(at, "default_branch"))
			at = json_object_get(rq->json, "project");
		wanted = json_string_value(json_object_get(at, "default_branch"));
	}
	return !ref || !wanted || streq(ref, wanted) || ref_is(ref, "refs/heads/", wanted) ||
	       ref_is(ref, "refs/tags/", wanted);
}

static bool nothing(struct response *rs, const char *why)
{
	response_json(rs, 200, json_pack("{s:s, s:s}", "result", "nothing to do", "detail", why));
	return true;
}

static bool deploy(struct request *rq, struct response *rs, const struct app *app, struct err *e)
{
	const struct operation_new operation = { .tenant = rq->caller.tenant,
		.app_id = app->id,
		.app = app->name,
		.kind = "deploy",
		.args = "{\"hint\":true}",
		.request_id = rq->id,
		.created_by = rq->caller.actor };
	int64_t id;

	/* the app's body is the tenant's: a git host shows answers to whoever may see its settings */
	return app_set_starting(rq->db, app->id, e) &&
	       operation_insert(rq->db, &operation, &id, e) &&
	       response_operation(rq, rs, id, NULL, NULL, e);
}

static bool hook_deliver(struct request *rq, struct response *rs, struct err *e)
{
	struct webhook_visitor v;
	struct app app;
	bool is_new;

	if (!visitor_of(rq, &v, e))
		return false;
	if (!is_push(rq))
		return nothing(rs, "only a push deploys; this was another event");
	if (!concerns(rq, &v))
		return nothing(rs, "this is not the branch that the app is deployed from");
	if (!app_lock(rq->db, rq->a, v.tenant, v.app, &app, e))
		return e->kind == ERR_NOT_FOUND ? request_not_found(rq, e) : false;
	if (app.deleting)
		return err_set(e, ERR_CONFLICT, "app_deleting",
			"application \"%s\" is being destroyed", app.name);
	if (!has_url(&app, e) || !webhook_take(rq->db, &v, &is_new, e))
		return false;
	return is_new ? deploy(rq, rs, &app, e) : nothing(rs, "this delivery came before");
}

static const struct route webhook_routes[] = {
	{ "GET", "/apps/:app/hook", ACCESS_MANAGE, 0, hook_get,
		.doc = { "The app's webhook, without its secret", .answer = "Webhook" } },
	{ "POST", "/apps/:app/hook", ACCESS_MANAGE, 0, hook_make,
		.doc = { "Makes the webhook by which a git host has the app deployed, or renews it: id, url and secret "
			 "are new; the secret is shown this once",
			.answer = "WebhookMade", .status = 201 } },
	{ "DELETE", "/apps/:app/hook", ACCESS_MANAGE, 0, hook_delete,
		.doc = { "Removes the webhook: its url is unknown from then on" } },
	{ "POST", "/hooks/:id", ACCESS_NONE, BODY_JSON | ROUTE_NO_KEY, hook_deliver,
		.doc = { "A push event of GitHub (X-Hub-Signature-256) or GitLab (X-Gitlab-Token): deploys from the app's "
			 "own url and ref. 200 with result \"nothing to do\": another event, another branch, or it came before",
			.example = "{\"ref\": \"refs/heads/main\"}", .answer = "HookTaken",
			.status = 202 } },
};
ROUTE_TABLE(webhook);
