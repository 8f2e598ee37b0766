#include "api/app.h"
#include "api/routes.h"
#include "base/text.h"
#include "model/source.h"
#include "store/release.h"

static bool after_number(struct request *rq, const char *after, int64_t *ret, struct err *e)
{
	*ret = 0;
	if (!after || parse_i64(after, 1, INT64_MAX, ret))
		return true;
	fault_add(
		&rq->faults, "after", "invalid_value", "must be the \"next\" of an earlier answer");
	return faults_end(&rq->faults, e);
}

static bool releases_get(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	const char *after;
	int64_t limit, below;
	struct app app;
	struct buf *b;
	int n;

	if (!request_page(rq, &limit, &after, e) || !after_number(rq, after, &below, e) ||
		!app_of(rq, &app, e) || !release_list(rq->db, app.id, below, limit + 1, &r, e))
		return false;
	n = (int)MIN(db_rows(r), limit);
	b = list_begin(rs);
	rows_objects(r, RELEASE_FIELDS, RELEASE_FIELDS_N, n, b);
	list_end(rq, b, db_rows(r) > n ? db_text(r, n - 1, "number") : NULL);
	return true;
}

static bool release_show(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	struct app app;
	int64_t number;

	if (!path_number(rq, "n", INT64_MAX, &number, e) || !app_of(rq, &app, e))
		return false;
	if (!release_get(rq->db, app.id, number, &r, e))
		return e->kind == ERR_NOT_FOUND ? request_not_found(rq, e) : false;
	rows_objects(r, RELEASE_ONE_FIELDS, RELEASE_ONE_FIELDS_N, 1,
		response_body(rs, 200, "application/json"));
	return true;
}

struct deploy_body {
	const char *ref;
};
static const struct body_field DEPLOY[] = {
	{ "ref", BODY_STRING, offsetof(struct deploy_body, ref), 0, .check = ref_wrong,
		.help = "for this deploy only, instead of the app's own" },
};

static bool deploy_again(struct request *rq, struct response *rs, struct err *e)
{
	struct deploy_body body = { 0 };
	auto_free char *args = NULL;
	json_auto_t *o = NULL;
	struct app app;

	if (!body_decode(rq, DEPLOY, ARRAY_SIZE(DEPLOY), &body, e) || !app_take(rq, &app, e))
		return false;
	if (!app.url)
		return err_set(e, ERR_CONFLICT, "url_missing",
			"application \"%s\" has no url to deploy from: push to it", app.name);
	if (body.ref) {
		o = json_pack("{s:s}", "ref", body.ref);
		args = json_dumps(o, JSON_COMPACT);
	}
	return app_set_starting(rq->db, app.id, e) &&
	       app_operation(rq, rs, app.id, app.name, "deploy", NULL, args, e);
}

struct rollback_body {
	struct body_i64 release;
};
static const struct body_field ROLLBACK[] = {
	{ "release", BODY_I64, offsetof(struct rollback_body, release), BODY_REQUIRED, 1,
		INT64_C(1000000000), .help = "number of the release to go back to" },
};

static bool can_go_back(
	struct request *rq, const struct app *app, int64_t number, const PGresult *r, struct err *e)
{
	const char *state = db_text(r, 0, "state");

	if (app->release == number)
		return err_set(e, ERR_CONFLICT, "release_current",
			"release %jd is the one that runs", (intmax_t)number);
	if (streq(state, "live") || streq(state, "retired"))
		return true;
	fault_add(&rq->faults, "release", "release_unusable",
		"release %jd was never live: it is %s", (intmax_t)number, state);
	return faults_end(&rq->faults, e);
}

static bool rollback(struct request *rq, struct response *rs, struct err *e)
{
	struct rollback_body body = { 0 };
	auto_result PGresult *r = NULL;
	auto_free char *args = NULL;
	struct app app;

	if (!body_decode(rq, ROLLBACK, ARRAY_SIZE(ROLLBACK), &body, e) || !app_take(rq, &app, e))
		return false;
	if (!release_get(rq->db, app.id, body.release.n, &r, e)) {
		if (e->kind != ERR_NOT_FOUND)
			return false;
		fault_add(&rq->faults, "release", "not_found", "release %jd does not exist",
			(intmax_t)body.release.n);
		return faults_end(&rq->faults, e);
	}
	if (!can_go_back(rq, &app, body.release.n, r, e))
		return false;
	args = xasprintf("{\"release\":%jd}", (intmax_t)body.release.n);
	return app_operation(rq, rs, app.id, app.name, "rollback", NULL, args, e);
}

static const struct route releases_routes[] = {
	{ "GET", "/apps/:app/releases", ACCESS_READ, 0, releases_get,
		.doc = { "Releases, newest first", .answer = "[Release]",
			.query = "limit after" } },
	{ "GET", "/apps/:app/releases/:n", ACCESS_READ, 0, release_show,
		.doc = { "One release, with its profile", .answer = "Release" } },
	{ "POST", "/apps/:app/releases", ACCESS_DEPLOY, BODY_JSON | BODY_MAYBE, deploy_again,
		ROUTE_BODY(DEPLOY),
		.doc = { "Deploys again from the app's url", .example = "{}",
			.answer = "AppOperation", .status = 202 } },
	{ "POST", "/apps/:app/rollback", ACCESS_DEPLOY, BODY_JSON, rollback, ROUTE_BODY(ROLLBACK),
		.doc = { "Makes a new release of an old one's source and settings",
			.example = "{\"release\": 1}", .answer = "AppOperation", .status = 202 } },
};
ROUTE_TABLE(releases);
