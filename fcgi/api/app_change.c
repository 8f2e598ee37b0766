#include "api/app.h"
#include "api/routes.h"
#include "base/limits.h"
#include "model/address.h"
#include "model/name.h"
#include "model/profile.h"
#include "model/source.h"

#define MAX_MEMORY_BYTES INT64_C(1099511627776)

/* What an app is made or changed by, as the request says it. */
struct wanted {
	const char *name, *url, *ref, *profile, *command;
	struct body_i64 memory, scale;
	struct source source; /* of url */
	/* of the profile in the request, to show until there is a release; 0 and -1: it does not say */
	const char *show;
	int64_t profile_memory;
	int profile_scale;
};

/* clang-format off */
#define NAME { "name", BODY_STRING, offsetof(struct wanted, name), \
	.help = "made of the URL's last part unless given" }
#define URL(flags) { "url", BODY_STRING, offsetof(struct wanted, url), flags, \
	.help = "https, ssh or git@host:path; pages' addresses like …/tree/BRANCH too; without it the app waits for a push" }
#define REF(flags) { "ref", BODY_STRING, offsetof(struct wanted, ref), flags, .check = ref_wrong, \
	.help = "branch, tag or commit; else the remote's default branch" }
#define PROFILE(flags) { "profile", BODY_STRING, offsetof(struct wanted, profile), flags, \
	.help = "the text to use where the source has no file profile" }
#define COMMAND(flags) { "command", BODY_STRING, offsetof(struct wanted, command), flags, 1, MAX_COMMAND_BYTES, \
	.check = command_wrong, .help = "instead of the profile's" }
#define MEMORY(flags) { "memory", BODY_MEMORY, offsetof(struct wanted, memory), flags, MIN_MEMORY_BYTES, \
	MAX_MEMORY_BYTES, .help = "of one instance, instead of the profile's" }
#define SCALE(flags) { "scale", BODY_I64, offsetof(struct wanted, scale), flags, 0, MAX_INSTANCES, \
	.help = "instances, instead of the profile's" }
/* clang-format on */

static const char *command_wrong(const char *command)
{
	if (command[strspn(command, " \t\r\n")] == '\0')
		return "must not be blank";
	return NULL;
}

static const struct body_field CREATE[] = { NAME, URL(0), REF(0), PROFILE(0), COMMAND(0), MEMORY(0),
	SCALE(0) };
static const struct body_field PUT[] = { URL(BODY_REQUIRED), REF(0), PROFILE(0), COMMAND(0),
	MEMORY(0), SCALE(0) };
static const struct body_field PATCH[] = { URL(BODY_NULL), REF(BODY_NULL), PROFILE(BODY_NULL),
	COMMAND(BODY_NULL), MEMORY(BODY_NULL), SCALE(BODY_NULL) };

static void check_name(struct request *rq, const char *name)
{
	const char *wrong = app_name_wrong(name);
	const char *code = "name_invalid";

	if (!wrong)
		return;
	if (strlen(name) > MAX_APP_NAME)
		code = "name_too_long";
	else if (name_is_reserved(name))
		code = "name_reserved";
	fault_add(&rq->faults, "name", code, "%s", wrong);
}

/* the command lines of a profile as one text, without the last newline */
static const char *first_lines(struct arena *a, const char *text)
{
	size_t n = strlen(text);

	while (n && text[n - 1] == '\n')
		n--;
	return n ? arena_strndup(a, text, n) : NULL;
}

static void check_profile(struct request *rq, struct wanted *w)
{
	struct profile p;
	struct err first;

	if (profile_parse(w->profile, strlen(w->profile), rq->a, &p, &first)) {
		w->show = first_lines(rq->a, p.command);
		w->profile_memory = p.memory;
		w->profile_scale = p.scale;
		return;
	}
	for (size_t i = 0; i < p.faults_n; i++)
		if (p.faults[i].error)
			fault_add_line(&rq->faults, "profile", p.faults[i].line, p.faults[i].code,
				"line %d: %s", p.faults[i].line, p.faults[i].text);
}

/* everything that can be said without I/O; faults are added, not ended */
static void check_wanted(struct request *rq, struct wanted *w)
{
	const char *wrong =
		w->url ? source_parse(rq->a, w->url, rq->cfg->git_protocols, &w->source) : NULL;

	if (wrong)
		fault_add(&rq->faults, "url", w->source.code, "%s", wrong);
	if (!w->ref)
		w->ref = w->source.ref;
	if (w->profile)
		check_profile(rq, w);
	if (w->command)
		w->show = w->command;
}

static void read_wanted(
	struct request *rq, const struct body_field *fields, size_t n, struct wanted *ret)
{
	*ret = (struct wanted){ .profile_scale = -1 };
	body_decode_into(&rq->faults, rq->a, rq->json, NULL, fields, n, ret);
	check_wanted(rq, ret);
}

/* What is certain to be too much is refused at once; what the profile says is known to the deploy only. */
static bool fits_quota(struct request *rq, const struct wanted *w, struct err *e)
{
	int64_t instances = w->scale.given ? w->scale.n : 0;
	int64_t each = w->memory.given ? w->memory.n : MIN_MEMORY_BYTES;
	int64_t memory = each * MAX(instances, w->scale.given ? 0 : 1);

	return app_quota_check(rq->db, rq->caller.tenant, memory, instances, e);
}

static bool name_taken(struct request *rq, struct response *rs, const char *name, struct err *e)
{
	struct err why = *e;
	const char *suggestion;

	if (!app_suggest(rq->db, rq->a, rq->caller.name, name, &suggestion, e))
		return false;
	*e = why;
	response_problem_member(
		rs, "suggestion", suggestion ? json_string(suggestion) : json_null());
	return false;
}

static bool insert(struct request *rq, struct response *rs, const char *name,
	const struct wanted *w, int64_t *ret_id, struct err *e)
{
	struct app_new n = {
		.tenant = rq->caller.tenant,
		.name = name,
		.url = w->source.url,
		.url_secret = w->source.secret,
		.ref = w->ref,
		.profile_text = w->profile,
		.command_override = w->command,
		.command = w->show,
		.memory = w->memory.given     ? w->memory.n
			  : w->profile_memory ? w->profile_memory
					      : rq->cfg->memory_default,
		.memory_override = w->memory.n,
		.scale_override = w->scale.given ? (int)w->scale.n : -1,
		.scale_profile = w->profile_scale >= 0 ? w->profile_scale : 1,
	};

	if (!rq->cfg->domain[0] && !address_app_ports(rq->cfg, &n.port_low, &n.port_high))
		return err_set(e, ERR_INTERNAL, "internal",
			"setting app_ports is no range of ports: \"%s\"", rq->cfg->app_ports);
	if (!fits_quota(rq, w, e))
		return false;
	if (app_insert(rq->db, &n, ret_id, e))
		return true;
	return e->code && streq(e->code, "name_taken") ? name_taken(rq, rs, name, e) : false;
}

static bool create(struct request *rq, struct response *rs, const char *name,
	const struct wanted *w, struct err *e)
{
	json_t *body;
	int64_t id;

	if (!insert(rq, rs, name, w, &id, e))
		return false;
	if (w->source.url)
		return app_operation(rq, rs, id, name, "deploy", NULL, NULL, e);
	body = app_json(rq, name, e);
	if (!body)
		return false;
	response_json(rs, 201, json_pack("{s:o, s:n}", "app", body, "operation"));
	response_header(rs, "Location", arena_printf(rq->a, "/api/v1/apps/%s", name));
	return true;
}

static bool app_create(struct request *rq, struct response *rs, struct err *e)
{
	struct wanted w;
	const char *name;

	read_wanted(rq, CREATE, ARRAY_SIZE(CREATE), &w);
	name = w.name ? w.name : w.source.url ? name_from_url(rq->a, w.source.url) : NULL;
	if (name)
		check_name(rq, name);
	else if (!json_object_get(rq->json, "url") && !json_object_get(rq->json, "name"))
		fault_add(&rq->faults, "name", "required",
			"is missing, and there is no url to make it of");
	if (w.ref && !w.url && !json_object_get(rq->json, "url"))
		fault_add(&rq->faults, "ref", "invalid_value", "needs a url that it belongs to");
	return faults_end(&rq->faults, e) && create(rq, rs, name, &w, e);
}

/* how much more the desired set takes when memory and scale change */
static bool growth_fits(
	struct request *rq, const struct app *app, const struct wanted *w, struct err *e)
{
	int64_t each = w->memory.given && !w->memory.null ? w->memory.n : app->memory;
	int64_t n = app->instances;

	if (w->scale.given)
		n = w->scale.null ? app->scale_profile : w->scale.n;
	if (!app->deployed || app->stopped)
		return fits_quota(rq, w, e);
	return app_quota_check(rq->db, rq->caller.tenant, each * n - app->memory * app->instances,
		n - app->instances, e);
}

static struct app_settings settings_of(struct request *rq, const struct wanted *w)
{
	const json_t *body = rq->json;

	return (struct app_settings){
		.url_given = json_object_get(body, "url") != NULL,
		.ref_given = json_object_get(body, "ref") || w->source.ref,
		.profile_given = json_object_get(body, "profile") != NULL,
		.command_given = json_object_get(body, "command") != NULL,
		.memory_given = w->memory.given,
		.scale_given = w->scale.given,
		.url = w->source.url,
		.url_secret = w->source.secret,
		.ref = w->ref,
		.profile_text = w->profile,
		.command = w->command,
		.memory = w->memory.n,
		.scale = w->scale.null ? -1 : (int)w->scale.n,
	};
}

/* PUT says all of where the source comes from: without a ref it is the remote's default branch again */
static bool deploy_again(struct request *rq, struct response *rs, const struct app *app,
	const struct wanted *w, struct err *e)
{
	struct app_settings s = settings_of(rq, w);

	if (!app->url || !streq(app->url, w->source.url))
		return err_set(e, ERR_CONFLICT, "url_differs",
			app->url ? "application \"%s\" is deployed from another url"
				 : "application \"%s\" has no url: it is pushed to",
			app->name);
	s.ref_given = true;
	s.url_given = w->source.secret !=
		      NULL; /* a new password is taken, a missing one leaves the old */
	return growth_fits(rq, app, w, e) && app_configure(rq->db, app->id, &s, e) &&
	       app_set_starting(rq->db, app->id, e) &&
	       app_operation(rq, rs, app->id, app->name, "deploy", NULL, NULL, e);
}

static bool app_put(struct request *rq, struct response *rs, struct err *e)
{
	const char *name = request_param(rq, "app");
	struct wanted w;
	struct app app;

	read_wanted(rq, PUT, ARRAY_SIZE(PUT), &w);
	check_name(rq, name);
	if (!faults_end(&rq->faults, e))
		return false;
	if (app_take(rq, &app, e))
		return deploy_again(rq, rs, &app, &w, e);
	return e->kind == ERR_NOT_FOUND ? create(rq, rs, name, &w, e) : false;
}

static bool app_patch(struct request *rq, struct response *rs, struct err *e)
{
	struct app_settings s;
	struct wanted w;
	struct app app;
	json_t *body;

	read_wanted(rq, PATCH, ARRAY_SIZE(PATCH), &w);
	s = settings_of(rq, &w);
	if (!faults_end(&rq->faults, e) || !app_take(rq, &app, e) ||
		!request_if_match(rq, app.version, e))
		return false;
	if (rq->caller.app && s.url_given)
		return err_set(e, ERR_FORBIDDEN, "token_bound",
			"a token bound to one app cannot change its url");
	if (!growth_fits(rq, &app, &w, e) || !app_configure(rq->db, app.id, &s, e))
		return false;
	/* what the instances run with needs a release of the same commit; a stopped app's waits for its start */
	if (app.release && (s.profile_given || s.command_given || s.memory_given))
		return app_operation(
			rq, rs, app.id, app.name, "env", NULL, "{\"settings\":true}", e);
	if (s.scale_given && app.release)
		return app_operation(rq, rs, app.id, app.name, "scale", NULL, NULL, e);
	body = app_json(rq, app.name, e);
	if (!body)
		return false;
	response_json(rs, 200, body);
	return true;
}

static const struct route app_change_routes[] = {
	{ "POST", "/apps", ACCESS_DEPLOY, BODY_JSON, app_create, ROUTE_BODY(CREATE),
		.doc = { "Makes an app and deploys it; without a url an empty one (201) that waits for a push",
			.example = "{\"name\": \"example\"}", .answer = "AppOperation",
			.status = 201 } },
	{ "PUT", "/apps/:app", ACCESS_DEPLOY, BODY_JSON, app_put, ROUTE_BODY(PUT),
		.doc = { "For CI: makes the app, or deploys a new release where the url is the same",
			.example = "{\"url\": \"https://git.invalid/owner/example\"}",
			.answer = "AppOperation", .status = 202 } },
	{ "PATCH", "/apps/:app", ACCESS_MANAGE, BODY_JSON, app_patch, ROUTE_BODY(PATCH),
		.doc = { "Changes settings: those of the source at the next deploy (200), others by a new release of "
			 "the same commit (202); null takes a setting away",
			.example = "{\"ref\": \"main\"}", .answer = "App" } },
};
ROUTE_TABLE(app_change);
