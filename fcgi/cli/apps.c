/* What an app is, and what is done to it as a whole. */
#include "base/clock.h"
#include "base/text.h"
#include "cli/operation.h"
#include "cli/rest.h"
#include "cli/table.h"

static const char *bytes(struct cli *c, const json_t *o, const char *key)
{
	char text[BYTES_TEXT_SIZE];

	if (!json_is_integer(json_object_get(o, key)))
		return NULL;
	return arena_strdup(&c->a, bytes_text(text, rest_number(o, key)));
}

static const char *age(struct cli *c, const json_t *o, const char *key)
{
	return term_age(&c->a, rest_text(o, key), clock_now_us());
}

static const char *of(struct cli *c, int64_t part, int64_t whole)
{
	return arena_printf(&c->a, "%lld/%lld", (long long)part, (long long)whole);
}

int cli_apps(struct cli *c)
{
	const char *group = cli_option(c, "group"), *state = cli_option(c, "state");
	struct table t = table_new(
		&c->a, &c->out, "NAME !STATE +INSTANCES +MEMORY +RELEASE +CHANGED *ADDRESS");
	const json_t *app;
	json_t *all;
	size_t i;

	if (!rest_list(c, "/apps",
		    arena_printf(&c->a, "%s%s", group ? rest_path(c, "group=%s&", group) : "",
			    state ? rest_path(c, "state=%s&", state) : ""),
		    &all))
		return c->exit;
	if (rest_print_json(c, all))
		return CLI_OK;
	json_array_foreach (json_object_get(all, "items"), i, app)
		table_row(&t, rest_text(app, "name"), rest_text(app, "state"),
			of(c, rest_number(app, "running_instances"),
				rest_number(app, "desired_instances")),
			bytes(c, app, "memory"), rest_shown(c, app, "release"),
			age(c, app, "updated_at"), rest_text(app, "address"));
	table_print(&t);
	if (t.rows == 0 && c->out.tty)
		(void)fputs("no app yet; make one with: nap deploy URL|DIR\n", c->err.file);
	return CLI_OK;
}

int cli_open(struct cli *c)
{
	const char *address;
	json_t *app;

	if (!rest_get(c, rest_path(c, "/apps/%s", c->word[0]), &app))
		return c->exit;
	if (rest_print_json(c, app))
		return CLI_OK;
	address = rest_text(app, "address");
	if (!*address)
		return cli_fail(c, CLI_REFUSED, "app \"%s\" has no address yet", c->word[0]);
	(void)fprintf(c->out.file, "%s\n", address);
	return CLI_OK;
}

/* how a run ended: "0", "signal 9", "oom-kill" */
static const char *end_of(struct cli *c, const json_t *instance)
{
	const char *result = rest_text(instance, "exit_result");

	if (*result && !streq(result, "finished") && !streq(result, "exit-code"))
		return result;
	if (json_is_integer(json_object_get(instance, "exit_signal")))
		return arena_printf(
			&c->a, "signal %lld", (long long)rest_number(instance, "exit_signal"));
	return rest_shown(c, instance, "exit_code");
}

int cli_ps(struct cli *c)
{
	struct table t = table_new(&c->a, &c->out,
		"+NO !STATE +RELEASE +SINCE +RESTARTS +MEMORY +LIMIT *MACHINE EXIT *REASON");
	const json_t *one;
	json_t *all;
	size_t i;

	if (!rest_list(c, rest_path(c, "/apps/%s/instances", c->word[0]), "", &all))
		return c->exit;
	if (rest_print_json(c, all))
		return CLI_OK;
	json_array_foreach (json_object_get(all, "items"), i, one)
		table_row(&t, rest_shown(c, one, "number"), rest_text(one, "state"),
			rest_shown(c, one, "release"), age(c, one, "since"),
			rest_shown(c, one, "restarts"), bytes(c, one, "memory_bytes"),
			bytes(c, one, "memory_limit"), rest_text(one, "machine"), end_of(c, one),
			rest_text(one, "reason"));
	table_print(&t);
	return CLI_OK;
}

int cli_releases(struct cli *c)
{
	struct table t = table_new(
		&c->a, &c->out, "+NO !STATE KIND COMMIT +SCALE +MEMORY +MADE BY *SUBJECT");
	const json_t *one;
	json_t *all;
	size_t i;

	if (!rest_list(c, rest_path(c, "/apps/%s/releases", c->word[0]), "", &all))
		return c->exit;
	if (rest_print_json(c, all))
		return CLI_OK;
	json_array_foreach (json_object_get(all, "items"), i, one) {
		const json_t *error = json_object_get(one, "error");

		table_row(&t, rest_shown(c, one, "number"), rest_text(one, "state"),
			rest_text(one, "kind"),
			arena_printf(&c->a, "%.8s", rest_text(one, "commit")),
			rest_shown(c, one, "scale"), bytes(c, one, "memory"),
			age(c, one, "created_at"), rest_text(one, "created_by"),
			json_is_object(error) ? rest_text(error, "detail")
					      : rest_text(one, "subject"));
	}
	table_print(&t);
	return CLI_OK;
}

/* the newest release that was live before the one that serves */
static bool release_before(struct cli *c, int64_t *ret)
{
	const json_t *one;
	json_t *all;
	bool behind = false;
	size_t i;

	if (!rest_list(c, rest_path(c, "/apps/%s/releases", c->word[0]), "", &all))
		return false;
	json_array_foreach (json_object_get(all, "items"), i, one) {
		*ret = rest_number(one, "number");
		if (behind && streq(rest_text(one, "state"), "retired"))
			return true;
		behind = behind || json_is_true(json_object_get(one, "current"));
	}
	c->exit = cli_fail(c, CLI_REFUSED, "app \"%s\" has no release to go back to", c->word[0]);
	return false;
}

int cli_rollback(struct cli *c)
{
	int64_t release = 0;

	if (c->words == 2 && !parse_i64(c->word[1], 1, INT64_C(1000000000), &release))
		return cli_fail(c, CLI_USAGE, "\"%s\" is no number of a release", c->word[1]);
	if (c->words == 1 && !release_before(c, &release))
		return c->exit;
	return operation_run(c, "POST", rest_path(c, "/apps/%s/rollback", c->word[0]),
		json_pack("{s:I}", "release", (json_int_t)release),
		arena_printf(&c->a, "%s is back at release %lld", c->word[0], (long long)release));
}

/* {"instances": N}, null of "auto"; NULL: it was told */
static json_t *scale_body(const struct cli *c)
{
	int64_t n;

	if (streq(c->word[1], "auto"))
		return json_pack("{s:n}", "instances");
	if (parse_i64(c->word[1], 0, 500, &n))
		return json_pack("{s:I}", "instances", (json_int_t)n);
	(void)cli_fail(
		c, CLI_USAGE, "\"%s\" is no number of instances: 0 to 500, or auto", c->word[1]);
	return NULL;
}

static int scale(struct cli *c, const char *path)
{
	json_t *body = scale_body(c);

	return body ? operation_run(c, "PUT", path, body,
			      arena_printf(&c->a, "%s: %s", c->word[0],
				      streq(c->word[1], "auto")
					      ? "as many instances as the profile says"
					      : arena_printf(&c->a, "%s instances", c->word[1])))
		    : CLI_USAGE;
}

int cli_scale(struct cli *c)
{
	return scale(c, rest_path(c, "/apps/%s/scale", c->word[0]));
}

int cli_group_scale(struct cli *c)
{
	return scale(c, rest_path(c, "/groups/%s/scale", c->word[0]));
}

static int power(struct cli *c, const char *verb, const char *done)
{
	return operation_run(c, "POST",
		arena_printf(&c->a, "%s/%s", rest_path(c, "/apps/%s", c->word[0]), verb), NULL,
		arena_printf(&c->a, "%s is %s", c->word[0], done));
}

int cli_start(struct cli *c)
{
	return power(c, "start", "started");
}

int cli_stop(struct cli *c)
{
	return power(c, "stop", "stopped");
}

int cli_restart(struct cli *c)
{
	if (c->words == 1)
		return power(c, "restart", "restarted");
	return operation_run(c, "POST",
		rest_path(c, "/apps/%s/instances/%s/restart", c->word[0], c->word[1]), NULL,
		arena_printf(&c->a, "instance %s of %s is restarted", c->word[1], c->word[0]));
}

int cli_destroy(struct cli *c)
{
	/* what is not there is told before anybody is asked */
	json_t *app;

	if (!rest_get(c, rest_path(c, "/apps/%s", c->word[0]), &app))
		return c->exit;
	if (!cli_confirm(c, "destroying app", c->word[0]))
		return CLI_USAGE;
	return operation_run(c, "DELETE",
		rest_path(c, "/apps/%s?confirm=%s", c->word[0], c->word[0]), NULL,
		arena_printf(&c->a, "%s is destroyed", c->word[0]));
}

/* -- variables ---------------------------------------------------------------------------------------------------- */

int cli_env_list(struct cli *c)
{
	struct table t = table_new(&c->a, &c->out, "NAME *VALUE");
	const char *key;
	json_t *env, *value;

	if (!rest_get(c, rest_path(c, "/apps/%s/env", c->word[0]), &env))
		return c->exit;
	if (rest_print_json(c, env))
		return CLI_OK;
	json_object_foreach (env, key, value)
		table_row(&t, key, json_is_string(value) ? json_string_value(value) : "(secret)");
	table_print(&t);
	return CLI_OK;
}

int cli_env_set(struct cli *c)
{
	json_t *body = json_object();

	for (size_t i = 1; i < c->words; i++) {
		const char *eq = strchr(c->word[i], '='), *value;

		if (!eq || eq == c->word[i]) {
			json_decref(body);
			return cli_fail(c, CLI_USAGE, "\"%s\" is no KEY=VALUE", c->word[i]);
		}
		value = streq(eq + 1, "-") ? cli_input(c) : eq + 1;
		(void)json_object_setn_new(body, c->word[i], (size_t)(eq - c->word[i]),
			cli_option(c, "secret")
				? json_pack("{s:s, s:b}", "value", value, "secret", 1)
				: json_string(value));
	}
	return operation_run(c, "PATCH", rest_path(c, "/apps/%s/env", c->word[0]), body,
		arena_printf(&c->a, "the variables of %s are set", c->word[0]));
}

int cli_env_unset(struct cli *c)
{
	json_t *body = json_object();

	for (size_t i = 1; i < c->words; i++)
		(void)json_object_set_new(body, c->word[i], json_null());
	return operation_run(c, "PATCH", rest_path(c, "/apps/%s/env", c->word[0]), body,
		arena_printf(&c->a, "the variables of %s are gone", c->word[0]));
}
