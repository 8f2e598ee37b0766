/* Who asks: tokens kept on this machine. */
#include "cli/account.h"
#include "cli/rest.h"
#include "model/address.h"

/* the token asked for stays c->token; what it is good for is told by GET /session */
static bool try_token(struct cli *c, json_t **ret)
{
	return rest_get(c, "/session", ret);
}

static const char *token_name(struct cli *c)
{
	char host[65] = "";

	(void)gethostname(host, sizeof host - 1);
	return arena_printf(&c->a, "nap on %s", *host ? host : "a machine");
}

/* A session for the moment that it takes to make a token of its own for this machine. */
static const char *token_by_password(struct cli *c, const char *tenant)
{
	const char *password = cli_secret(c, "the password"), *headers[4] = { NULL };
	struct rest_request rq = {
		.method = "POST", .path = "/session", .headers = headers, .wanted = "Set-Cookie"
	};
	struct rest_answer signed_in, made, out;

	if (!password) {
		c->exit = CLI_USAGE;
		return NULL;
	}
	rq.body = json_pack("{s:s, s:s}", "tenant", tenant, "password", password);
	if (!rest_call(c, &rq, &signed_in))
		return NULL;
	headers[0] = arena_printf(
		&c->a, "Cookie: %.*s", (int)strcspn(signed_in.header, ";"), signed_in.header);
	headers[1] = arena_printf(&c->a, "X-CSRF-Token: %s", rest_text(signed_in.json, "csrf"));
	headers[2] = "Sec-Fetch-Site: same-origin";
	rq.path = "/tokens";
	rq.body = json_pack("{s:s, s:[s]}", "name", token_name(c), "scopes", "manage");
	if (!rest_call(c, &rq, &made))
		return NULL;
	rq = (struct rest_request){ .method = "DELETE", .path = "/session", .headers = headers };
	return rest_call(c, &rq, &out) ? rest_text(made.json, "token") : NULL;
}

static bool ask_token(struct cli *c, const char *tenant)
{
	c->token = "";
	c->token = tenant ? token_by_password(c, tenant) : cli_secret(c, "the token");
	if (!c->token && !tenant)
		c->exit = CLI_USAGE;
	if (c->token && c->token[strcspn(c->token, "\r\n\t ")]) {
		c->exit = cli_fail(c, CLI_USAGE, "a token holds no blanks");
		return false;
	}
	return c->token && *c->token;
}

int cli_login(struct cli *c)
{
	struct err e;
	json_t *session;

	if (c->words && !account_url(&c->a, c->word[0], &c->url, &e))
		return cli_err(c, CLI_USAGE, &e);
	if (!*c->url)
		return cli_fail(c, CLI_USAGE, "which nap? nap login URL");
	if (starts_with(c->url, "http://") && !address_is_loopback(c->url))
		(void)cli_fail(c, 0,
			"warning: %s is not encrypted: who can listen on the way reads the token",
			c->url);
	if (!ask_token(c, cli_option(c, "tenant")) || !try_token(c, &session))
		return c->exit;
	if (!account_keep(c, rest_text(session, "tenant"), c->token, &e))
		return cli_err(c, CLI_FAILED, &e);
	if (!rest_print_json(c, session))
		(void)fprintf(c->out.file, "logged in at %s as %s (%s)\n", c->url,
			rest_text(session, "tenant"), rest_text(session, "role"));
	return CLI_OK;
}

int cli_logout(struct cli *c)
{
	struct err e;

	if (!*c->url)
		return cli_fail(c, CLI_USAGE, "nobody is logged in");
	if (!account_keep(c, NULL, NULL, &e))
		return cli_err(c, CLI_FAILED, &e);
	(void)fprintf(c->out.file,
		"the token for %s is forgotten here; it is good until it is revoked\n", c->url);
	return CLI_OK;
}

int cli_whoami(struct cli *c)
{
	const char *app;
	json_t *session;

	if (!try_token(c, &session))
		return c->exit;
	if (rest_print_json(c, session))
		return CLI_OK;
	app = rest_text(session, "app");
	(void)fprintf(c->out.file, "%s (%s)%s%s at %s\n", rest_text(session, "tenant"),
		rest_text(session, "role"), *app ? ", for app " : "", app, c->url);
	return CLI_OK;
}

/* its own is told whether or not a nap answers */
int cli_version(struct cli *c)
{
	json_t *there = NULL;

	if (!c->json) {
		(void)fprintf(c->out.file, "nap %s\n", PACKAGE_VERSION);
		(void)fflush(c->out.file);
	}
	if (*c->url && !rest_get(c, "/version", &there))
		return c->exit;
	if (c->json) {
		json_auto_t *both =
			json_pack("{s:s, s:O?}", "cli", PACKAGE_VERSION, "server", there);

		(void)rest_print_json(c, both);
	} else if (there) {
		(void)fprintf(c->out.file, "%s runs %s\n", c->url, rest_text(there, "version"));
	}
	return CLI_OK;
}
