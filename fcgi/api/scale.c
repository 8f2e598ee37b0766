#include "api/app.h"
#include "api/routes.h"
#include "base/limits.h"

struct scale_body {
	struct body_i64 instances;
};
static const struct body_field SCALE[] = {
	{ "instances", BODY_I64, offsetof(struct scale_body, instances), BODY_REQUIRED | BODY_NULL,
		0, MAX_INSTANCES,
		.help = "how many there are to be; null: follow the profile again" },
};

/* The tag tells what the scale is and nothing else of the app, so that it stays while instances come and go. */
static int64_t scale_version(const struct app *app)
{
	return (int64_t)(app->scale_override + 1) * (MAX_INSTANCES + 1) + app->scale_profile;
}

static bool scale_get(struct request *rq, struct response *rs, struct err *e)
{
	struct app app;

	if (!app_of(rq, &app, e))
		return false;
	response_json(rs, 200,
		json_pack("{s:i, s:b, s:o, s:i}", "instances", app.instances, "follows_profile",
			app.scale_override < 0, "scale_override",
			app.scale_override < 0 ? json_null() : json_integer(app.scale_override),
			"scale_profile", app.scale_profile));
	response_etag(rs, scale_version(&app));
	return true;
}

static bool scale_put(struct request *rq, struct response *rs, struct err *e)
{
	struct scale_body body = { 0 };
	auto_free char *args = NULL;
	struct app app;
	int n;

	if (!body_decode(rq, SCALE, ARRAY_SIZE(SCALE), &body, e) || !app_take(rq, &app, e) ||
		!request_if_match(rq, scale_version(&app), e))
		return false;
	n = body.instances.null ? app.scale_profile : (int)body.instances.n;
	if (!app_set_scale(rq->db, app.id, body.instances.null ? -1 : n, e))
		return false;
	args = xasprintf("{\"instances\":%d}", n);
	/* giving up instances must never wait behind builds */
	return app_operation(
		rq, rs, app.id, app.name, "scale", n < app.instances ? "quick" : NULL, args, e);
}

static const struct route scale_routes[] = {
	{ "GET", "/apps/:app/scale", ACCESS_READ, 0, scale_get,
		.doc = { "How many instances there are to be, and who says so",
			.answer = "Scale" } },
	{ "PUT", "/apps/:app/scale", ACCESS_DEPLOY, BODY_JSON, scale_put, ROUTE_BODY(SCALE),
		.doc = { "Sets the number of instances; If-Match is honoured",
			.example = "{\"instances\": 2}", .answer = "AppOperation",
			.status = 202 } },
};
ROUTE_TABLE(scale);
