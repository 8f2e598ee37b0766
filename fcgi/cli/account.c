#include "cli/account.h"

#include "base/file.h"
#include "model/address.h"

#include <libgen.h>

#define LOGINS_MAX (1024 * 1024)

static const char *env(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static const char *logins_path(struct cli *c)
{
	const char *own = env("NAP_CONFIG"), *xdg = env("XDG_CONFIG_HOME"), *home = env("HOME");

	if (own)
		return arena_printf(&c->a, "%s/logins.json", own);
	if (xdg)
		return arena_printf(&c->a, "%s/nap/logins.json", xdg);
	return arena_printf(&c->a, "%s/.config/nap/logins.json", home ? home : "");
}

static void drop_json(void *json)
{
	json_decref(json);
}

/* an empty object where there are none; in c->a */
static bool read_logins(struct cli *c, json_t **ret, struct err *e)
{
	const char *path = logins_path(c);
	json_error_t fault;
	char *text;

	if (!file_read(path, LOGINS_MAX, &c->a, &text, NULL, e)) {
		if (e->kind != ERR_NOT_FOUND)
			return false;
		text = arena_strdup(&c->a, "{}");
	}
	*ret = json_loads(text, JSON_REJECT_DUPLICATES, &fault);
	if (!json_is_object(*ret)) {
		json_decref(*ret);
		return err_set(e, ERR_INVALID, "logins_broken",
			"file \"%s\" is no list of logins (line %d): remove it, and log in again",
			path, fault.line);
	}
	arena_defer(&c->a, drop_json, *ret);
	return true;
}

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

bool account_url(struct arena *a, const char *text, const char **ret, struct err *e)
{
	size_t n = strlen(text);
	const char *url;

	while (n && text[n - 1] == '/')
		n--;
	url = arena_strndup(a, text, n);
	if (!strstr(url, "://")) {
		const char *plain = arena_printf(a, "http://%s", url);

		url = address_is_loopback(plain) ? plain : arena_printf(a, "https://%s", url);
	}
	if (!starts_with(url, "http://") && !starts_with(url, "https://"))
		return err_set(e, ERR_INVALID, "url_invalid",
			"\"%s\" is no address of a nap: https://HOST is expected", text);
	if (strpbrk(url, "@?# \t\n") || ends_with(url, ":"))
		return err_set(e, ERR_INVALID, "url_invalid",
			"\"%s\" is no address of a nap: only https://HOST, without a name, a password or a query, is expected",
			text);
	*ret = url;
	return true;
}

const char *account_state(struct cli *c)
{
	const char *state = env("NAP_STATE");

	return state && access(arena_printf(&c->a, "%s/address", state), R_OK) == 0 ? state : NULL;
}

/* the first line of a file of this machine's nap; NULL where it cannot be read */
static const char *state_line(struct cli *c, const char *name)
{
	const char *state = account_state(c);
	struct err ignored;
	char *text;

	if (!state || !file_read(arena_printf(&c->a, "%s/%s", state, name), 4096, &c->a, &text,
			      NULL, &ignored))
		return NULL;
	text[strcspn(text, "\n")] = '\0';
	return text;
}

bool account_find(struct cli *c, struct err *e)
{
	const char *here = state_line(c, "address"), *url = env("NAP_URL"), *token;
	json_t *logins;

	if (!read_logins(c, &logins, e))
		return false;
	if (!url)
		url = here ? here : text_of(logins, "current");
	if (!url)
		return err_set(e, ERR_INVALID, "no_address",
			"which nap? Log in with `nap login URL`, or set NAP_URL and NAP_TOKEN");
	if (!account_url(&c->a, url, &c->url, e))
		return false;
	token = env("NAP_TOKEN");
	if (!token)
		token = text_of(
			json_object_get(json_object_get(logins, "logins"), c->url), "token");
	if (!token && here && streq(here, c->url))
		token = state_line(c, "admin-token");
	if (!token)
		return err_set(e, ERR_AUTH, "no_token",
			"no token is kept for %s: log in with `nap login %s`", c->url, c->url);
	/* it becomes a line of a request's head */
	if (strpbrk(token, "\r\n"))
		return err_set(e, ERR_AUTH, "no_token", "the token holds a line break");
	c->token = arena_strdup(&c->a, token);
	return true;
}

bool account_keep(struct cli *c, const char *tenant, const char *token, struct err *e)
{
	const char *path = logins_path(c);
	auto_free char *folder = xstrdup(path), *text = NULL;
	json_t *file, *logins;

	if (!read_logins(c, &file, e))
		return false;
	logins = json_object_get(file, "logins");
	if (!json_is_object(logins)) {
		logins = json_object();
		(void)json_object_set_new(file, "logins", logins);
	}
	if (token) {
		(void)json_object_set_new(
			logins, c->url, json_pack("{s:s, s:s}", "tenant", tenant, "token", token));
		(void)json_object_set_new(file, "current", json_string(c->url));
	} else {
		(void)json_object_del(logins, c->url);
		(void)json_object_del(file, "current");
	}
	text = json_dumps(file, JSON_INDENT(1));
	return dir_make(dirname(folder), 0700, e) &&
	       file_replace(path, text, strlen(text), 0600, e);
}
