/* Tokens, and keys for pushes by SSH. */
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/rest.h"
#include "cli/table.h"

#define KEY_MAX 16384

static const char *scopes_of(struct cli *c, const json_t *token)
{
	const char *text = "";
	const json_t *scope;
	size_t i;

	json_array_foreach (json_object_get(token, "scopes"), i, scope)
		text = arena_printf(&c->a, "%s%s%s", text, i ? " " : "", json_string_value(scope));
	return text;
}

int cli_tokens_list(struct cli *c)
{
	struct table t = table_new(&c->a, &c->out, "ID *NAME SCOPES APP +USED EXPIRES");
	int64_t now = clock_now_us();
	const json_t *one;
	json_t *all;
	size_t i;

	if (!rest_list(c, "/tokens", "", &all))
		return c->exit;
	if (rest_print_json(c, all))
		return CLI_OK;
	json_array_foreach (json_object_get(all, "items"), i, one)
		table_row(&t, rest_text(one, "id"), rest_text(one, "name"), scopes_of(c, one),
			rest_text(one, "app"), term_age(&c->a, rest_text(one, "last_used_at"), now),
			arena_printf(&c->a, "%.10s", rest_text(one, "expires_at")));
	table_print(&t);
	return CLI_OK;
}

int cli_tokens_add(struct cli *c)
{
	const char *scope = cli_option(c, "scope"), *app = cli_option(c, "app");
	int64_t days = 0;
	json_t *body;

	if (!cli_number(c, "expires", 1, 36500, &days))
		return CLI_USAGE;
	body = json_pack("{s:s, s:[s], s:s*}", "name", c->word[0], "scopes",
		scope ? scope : "deploy", "app", app);
	if (days) {
		char when[RFC3339_SIZE];

		clock_rfc3339(when, clock_now_us() + days * 86400 * INT64_C(1000000), 0);
		(void)json_object_set_new(body, "expires_at", json_string(when));
	}
	if (!rest_send(c, "POST", "/tokens", body, &body))
		return c->exit;
	if (!rest_print_json(c, body))
		(void)fprintf(c->out.file, "%s\n", rest_text(body, "token"));
	return CLI_OK;
}

static int remove_one(struct cli *c, const char *kind, const char *done)
{
	json_t *none;

	if (!rest_send(c, "DELETE",
		    arena_printf(&c->a, "/%s%s", kind, rest_path(c, "/%s", c->word[0])), NULL,
		    &none))
		return c->exit;
	if (!c->json)
		(void)fprintf(c->out.file, "%s %s\n", done, c->word[0]);
	return CLI_OK;
}

int cli_tokens_revoke(struct cli *c)
{
	return remove_one(c, "tokens", "revoked token");
}

int cli_keys_list(struct cli *c)
{
	struct table t = table_new(&c->a, &c->out, "ID *NAME *FINGERPRINT +MADE");
	int64_t now = clock_now_us();
	const json_t *one;
	json_t *all;
	size_t i;

	if (!rest_list(c, "/keys", "", &all))
		return c->exit;
	if (rest_print_json(c, all))
		return CLI_OK;
	json_array_foreach (json_object_get(all, "items"), i, one)
		table_row(&t, rest_text(one, "id"), rest_text(one, "name"),
			rest_text(one, "fingerprint"),
			term_age(&c->a, rest_text(one, "created_at"), now));
	table_print(&t);
	return CLI_OK;
}

int cli_keys_add(struct cli *c)
{
	json_t *body;
	struct err e;
	const char *key;
	char *text;

	if (c->words == 1)
		key = cli_input(c);
	else if (file_read(c->word[1], KEY_MAX, &c->a, &text, NULL, &e))
		key = text;
	else
		return cli_err(c, CLI_USAGE, &e);
	if (strstr(key, "PRIVATE KEY"))
		return cli_fail(c, CLI_USAGE,
			"that is a private key, which stays where it is: give the file that ends in .pub");
	if (!utf8_valid(key, strlen(key)))
		return cli_fail(
			c, CLI_USAGE, "that is no public key: give the file that ends in .pub");
	if (!rest_send(c, "POST", "/keys", json_pack("{s:s, s:s}", "name", c->word[0], "key", key),
		    &body))
		return c->exit;
	if (!rest_print_json(c, body))
		(void)fprintf(c->out.file, "added key %s\n", rest_text(body, "id"));
	return CLI_OK;
}

int cli_keys_remove(struct cli *c)
{
	return remove_one(c, "keys", "removed key");
}
