/* Tenants, quotas and machines. */
#include "base/clock.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/rest.h"
#include "cli/table.h"

static const struct limit {
	const char *name;
	bool size;
} LIMITS[] = { { "memory", true }, { "instances", false }, { "apps", false }, { "disk", true } };

static const char *used_of(struct cli *c, const json_t *quota, const struct limit *l)
{
	const json_t *o = json_object_get(quota, l->name);
	char used[BYTES_TEXT_SIZE], limit[BYTES_TEXT_SIZE];

	if (!l->size)
		return arena_printf(&c->a, "%lld/%lld", (long long)rest_number(o, "used"),
			(long long)rest_number(o, "limit"));
	return arena_printf(&c->a, "%s/%s", bytes_text(used, rest_number(o, "used")),
		bytes_text(limit, rest_number(o, "limit")));
}

int cli_quota(struct cli *c)
{
	struct table t = table_new(&c->a, &c->out, "QUOTA +USED/LIMIT");
	json_t *quota;

	if (!rest_get(c, "/quota", &quota))
		return c->exit;
	if (rest_print_json(c, quota))
		return CLI_OK;
	for (size_t i = 0; i < ARRAY_SIZE(LIMITS); i++)
		table_row(&t, LIMITS[i].name, used_of(c, quota, &LIMITS[i]));
	table_print(&t);
	return CLI_OK;
}

int cli_machines(struct cli *c)
{
	struct table t = table_new(&c->a, &c->out, "ID ADDRESS +SEEN *METADATA");
	int64_t now = clock_now_us();
	const json_t *m;
	json_t *all;
	size_t i;

	if (!rest_list(c, "/machines", "", &all))
		return c->exit;
	if (rest_print_json(c, all))
		return CLI_OK;
	json_array_foreach (json_object_get(all, "items"), i, m) {
		const char *text = "", *key;
		json_t *value;

		json_object_foreach (json_object_get(m, "metadata"), key, value)
			text = arena_printf(&c->a, "%s%s%s=%s", text, *text ? " " : "", key,
				json_string_value(value) ? json_string_value(value) : "");
		table_row(&t, arena_printf(&c->a, "%.12s", rest_text(m, "id")),
			rest_text(m, "address"), term_age(&c->a, rest_text(m, "observed_at"), now),
			text);
	}
	table_print(&t);
	return CLI_OK;
}

/* {"memory": "4g", …} of the options; NULL where none was given. *ret_ok false: it was told */
static json_t *quota_body(const struct cli *c, bool *ret_ok)
{
	json_t *quota = json_object();

	*ret_ok = true;
	for (size_t i = 0; i < ARRAY_SIZE(LIMITS) && *ret_ok; i++) {
		const char *text = cli_option(c, LIMITS[i].name);
		int64_t n = 0;

		if (!text)
			continue;
		if (!LIMITS[i].size)
			*ret_ok = cli_number(c, LIMITS[i].name, 0, INT64_C(1000000000), &n);
		(void)json_object_set_new(quota, LIMITS[i].name,
			LIMITS[i].size ? json_string(text) : json_integer(n));
	}
	if (*ret_ok && json_object_size(quota))
		return quota;
	json_decref(quota);
	return NULL;
}

int cli_tenant_list(struct cli *c)
{
	struct table t =
		table_new(&c->a, &c->out, "NAME ROLE !STATE +MEMORY +INSTANCES +APPS +DISK +MADE");
	int64_t now = clock_now_us();
	const json_t *one;
	json_t *all;
	size_t i;

	if (!rest_list(c, "/tenants", "", &all))
		return c->exit;
	if (rest_print_json(c, all))
		return CLI_OK;
	json_array_foreach (json_object_get(all, "items"), i, one) {
		const json_t *quota = json_object_get(one, "quota");

		table_row(&t, rest_text(one, "name"), rest_text(one, "role"),
			json_is_true(json_object_get(one, "disabled")) ? "disabled" : "ok",
			used_of(c, quota, &LIMITS[0]), used_of(c, quota, &LIMITS[1]),
			used_of(c, quota, &LIMITS[2]), used_of(c, quota, &LIMITS[3]),
			term_age(&c->a, rest_text(one, "created_at"), now));
	}
	table_print(&t);
	return CLI_OK;
}

static int told(struct cli *c, const json_t *body, const char *done)
{
	if (!rest_print_json(c, body))
		(void)fprintf(c->out.file, "tenant %s %s\n", c->word[0], done);
	return CLI_OK;
}

int cli_tenant_add(struct cli *c)
{
	const char *password;
	json_t *body, *quota;
	bool ok;

	quota = quota_body(c, &ok);
	if (!ok)
		return CLI_USAGE;
	password = cli_secret(c, "the new tenant's password");
	if (!password) {
		json_decref(quota);
		return CLI_USAGE;
	}
	body = json_pack(
		"{s:s, s:s, s:o*}", "name", c->word[0], "password", password, "quota", quota);
	return rest_send(c, "POST", "/tenants", body, &body) ? told(c, body, "is made") : c->exit;
}

static int patch(struct cli *c, json_t *body, const char *done)
{
	return rest_send(c, "PATCH", rest_path(c, "/tenants/%s", c->word[0]), body, &body)
		       ? told(c, body, done)
		       : c->exit;
}

int cli_tenant_quota(struct cli *c)
{
	json_t *quota;
	bool ok;

	quota = quota_body(c, &ok);
	if (ok && !quota)
		return cli_fail(
			c, CLI_USAGE, "nothing is to be changed: see nap tenant quota --help");
	return ok ? patch(c, json_pack("{s:o}", "quota", quota), "has the new quota") : CLI_USAGE;
}

/* tenant disable, tenant enable */
int cli_tenant_switch(struct cli *c)
{
	bool off = ends_with(c->command->name, "disable");

	return patch(c, json_pack("{s:b}", "disabled", off),
		off ? "is shut out; its apps go on" : "may come in again");
}

int cli_tenant_destroy(struct cli *c)
{
	json_t *body;

	if (!rest_get(c, rest_path(c, "/tenants/%s", c->word[0]), &body))
		return c->exit;
	if (!cli_confirm(c, "removing tenant", c->word[0]))
		return CLI_USAGE;
	return rest_send(c, "DELETE",
		       rest_path(c, "/tenants/%s?confirm=%s", c->word[0], c->word[0]), NULL, &body)
		       ? told(c, body, "is removed")
		       : c->exit;
}
