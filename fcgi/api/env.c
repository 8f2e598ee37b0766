#include "api/app.h"
#include "api/routes.h"
#include "base/limits.h"
#include "model/env.h"

/*
 * An app's environment. The body of PATCH and the answer of GET have one form, so that the one can be sent as the
 * other: "NAME": "value" of what may be shown, "NAME": {"secret": true} of what may not.
 */

static bool secret(const json_t *entry)
{
	return json_is_true(json_object_get(entry, "secret"));
}

static json_t *env_json(const json_t *env)
{
	json_t *body = json_object();
	const char *name;
	json_t *entry;

	json_object_foreach ((json_t *)(uintptr_t)env, name, entry)
		(void)json_object_set_new(body, name,
			secret(entry) ? json_pack("{s:b}", "secret", 1)
				      : json_incref(json_object_get(entry, "value")));
	return body;
}

static json_t *env_of(const struct app *app, struct err *e)
{
	json_t *env = json_loads(app->env, 0, NULL);

	if (!env)
		(void)err_set(e, ERR_INTERNAL, "internal", "the app's environment is no JSON");
	return env;
}

static bool env_get(struct request *rq, struct response *rs, struct err *e)
{
	json_auto_t *env = NULL;
	struct app app;

	if (!app_of(rq, &app, e) || !(env = env_of(&app, e)))
		return false;
	response_json(rs, 200, env_json(env));
	response_etag(rs, app.version);
	return true;
}

static bool value_fits(struct request *rq, const char *name, const json_t *value)
{
	const char *wrong = json_is_string(value) ? env_value_wrong(json_string_value(value),
							    json_string_length(value))
						  : "must be a text";

	if (wrong)
		fault_add(&rq->faults, name, json_is_string(value) ? "invalid_value" : "wrong_type",
			"%s", wrong);
	return !wrong;
}

/*
 * {"value"?: text, "secret"?: bool}: without a value the old one stays; but a secret is never told again, so one that is
 * to be none needs a new one.
 */
static void change_entry(struct request *rq, json_t *env, const char *name, const json_t *to)
{
	json_t *value = json_object_get(to, "value"), *mark = json_object_get(to, "secret");
	const json_t *old = json_object_get(env, name);
	const char *key;
	json_t *any;

	json_object_foreach ((json_t *)(uintptr_t)to, key, any)
		if (!streq(key, "value") && !streq(key, "secret"))
			fault_add(&rq->faults, arena_printf(rq->a, "%s.%.100s", name, key),
				"unknown_field", "is not known here");
	if (mark && !json_is_boolean(mark))
		fault_add(&rq->faults, arena_printf(rq->a, "%s.secret", name), "wrong_type",
			"must be true or false");
	if (!value && !(secret(old) && json_is_false(mark)))
		value = json_object_get(old, "value");
	if (!value)
		fault_add(&rq->faults, name, "required",
			old ? "is secret: what is to be shown needs a new value"
			    : "has no value yet");
	else if (value_fits(rq, name, value))
		(void)json_object_set_new(env, name,
			json_pack("{s:O, s:b}", "value", value, "secret",
				mark ? json_is_true(mark) : secret(old)));
}

static void change(struct request *rq, json_t *env, const char *name, json_t *to)
{
	const char *wrong = env_name_wrong(name);

	if (wrong)
		fault_add(&rq->faults, name, "name_invalid", "%s", wrong);
	else if (json_is_null(to))
		(void)json_object_del(env, name);
	else if (json_is_object(to))
		change_entry(rq, env, name, to);
	else if (!json_is_string(to))
		fault_add(&rq->faults, name, "wrong_type",
			"must be a text, null, or {\"value\": text, \"secret\": true}");
	else if (value_fits(rq, name, to)) /* what was secret stays so */
		(void)json_object_set_new(env, name,
			json_pack("{s:O, s:b}", "value", to, "secret",
				secret(json_object_get(env, name))));
}

static bool check_whole(struct request *rq, const json_t *env, const char *text, struct err *e)
{
	if (json_object_size(env) > MAX_ENV_VARIABLES)
		fault_add(&rq->faults, "", "out_of_range", "at most %d variables are possible",
			MAX_ENV_VARIABLES);
	else if (strlen(text) > MAX_ENV_BYTES)
		fault_add(&rq->faults, "", "out_of_range",
			"all variables together have more than %d bytes", MAX_ENV_BYTES);
	return faults_end(&rq->faults, e);
}

static bool env_patch(struct request *rq, struct response *rs, struct err *e)
{
	json_auto_t *env = NULL, *before = NULL;
	auto_free char *text = NULL;
	const char *name;
	struct app app;
	json_t *to;

	if (!app_take(rq, &app, e) || !request_if_match(rq, app.version, e) ||
		!(env = env_of(&app, e)))
		return false;
	before = json_deep_copy(env);
	json_object_foreach (rq->json, name, to)
		change(rq, env, name, to);
	text = json_dumps(env, JSON_COMPACT);
	if (!faults_end(&rq->faults, e) || !check_whole(rq, env, text, e))
		return false;
	if (!json_equal(env, before) && !app_set_env(rq->db, app.id, text, e))
		return false;
	/* what changes nothing, or has nothing to run with it yet, needs no release */
	if (app.release && !json_equal(env, before))
		return app_operation(rq, rs, app.id, app.name, "env", NULL, NULL, e);
	response_json(rs, 200, env_json(env));
	return true;
}

static const struct route env_routes[] = {
	{ "GET", "/apps/:app/env", ACCESS_READ, 0, env_get,
		.doc = { "The app's variables: values, or {\"secret\": true}", .answer = "Env" } },
	{ "PATCH", "/apps/:app/env", ACCESS_MANAGE, BODY_JSON, env_patch,
		.doc = { "Sets variables, takes away those that are null; a new release runs with them",
			.example =
				"{\"GREETING\": \"hello\", \"KEY\": {\"value\": \"s3cret\", \"secret\": true}}",
			.answer = "AppOperation", .status = 202 } },
};
ROUTE_TABLE(env);
