#include "api/app.h"
#include "api/routes.h"
#include "model/profile.h"
#include "store/release.h"

static bool profile_get(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	json_t *body;
	struct app app;

	if (!app_of(rq, &app, e))
		return false;
	if (!app.release)
		return err_set(e, ERR_NOT_FOUND, "not_found",
			"application \"%s\" has no release yet, so no profile", app.name);
	if (!release_get(rq->db, app.id, app.release, &r, e))
		return false;
	body = json_loads(db_text(r, 0, "profile"), 0, NULL);
	if (body) {
		(void)json_object_set_new(body, "release", json_integer(app.release));
		(void)json_object_set_new(body, "text", json_string(db_text(r, 0, "profile_text")));
	}
	response_json(rs, 200, body);
	return true;
}

/* what a profile says, without an app; its errors as a 422 with their lines */
static bool profile_check(struct request *rq, struct response *rs, struct err *e)
{
	struct profile p;

	if (!profile_parse(rq->body, rq->body_len, rq->a, &p, e)) {
		profile_faults(&rq->faults, &p);
		return false;
	}
	response_json(rs, 200, profile_json(&p));
	return true;
}

static const struct route profile_routes[] = {
	{ "GET", "/apps/:app/profile", ACCESS_READ, 0, profile_get,
		.doc = { "The profile of the release that serves, as it was read, with its warnings",
			.answer = "Profile" } },
	{ "POST", "/profile/check", ACCESS_READ, BODY_TEXT | ROUTE_BOUND, profile_check,
		.doc = { "Reads a profile without an app: values and warnings, or all its errors",
			.example = "command: python3 app.py\nmemory: 128m\nscale: 2\n",
			.answer = "Profile" } },
};
ROUTE_TABLE(profile);
