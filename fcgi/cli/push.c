/*
 * git push: the remote, and the helper that gives git the token (gitcredentials(7)), so that it stands in no address, no
 * configuration and no list of processes.
 */
#include "base/buf.h"
#include "base/proc.h"
#include "base/spawn.h"
#include "base/text.h"
#include "cli/account.h"
#include "cli/rest.h"
#include "model/name.h"

#include <errno.h>
#include <libgen.h>
#include <sys/wait.h>

#define GIT_MS 60000

/* git's first line, or NULL where it fails */
static const char *git_line(struct cli *c, const char *const *args)
{
	struct proc_result r;
	struct argv v = { 0 };
	struct err e;

	argv_add(&v, &c->a, "git");
	for (; *args; args++)
		argv_add(&v, &c->a, *args);
	if (!proc_run(&(struct proc_spec){ .argv = v.v,
			      .env = (const char *const *)(uintptr_t)environ,
			      .timeout_ms = GIT_MS,
			      .max_bytes = 64 * 1024 },
		    &c->a, &r, &e)) {
		(void)cli_err(c, CLI_USAGE, &e);
		return NULL;
	}
	if (r.status != 0)
		return NULL;
	r.out[strcspn(r.out, "\n")] = '\0';
	return r.out;
}
#define GIT(c, ...) git_line(c, (const char *const[]){ __VA_ARGS__, NULL })

static const char *self_tenant(struct cli *c)
{
	json_t *session;

	return rest_get(c, "/session", &session) ? rest_text(session, "tenant") : NULL;
}

/* APP of a remote "URL/git/TENANT/APP.git" that was set before */
static const char *app_of_remote(struct cli *c, const char *base)
{
	const char *url = GIT(c, "remote", "get-url", "nap");

	if (!url || !starts_with(url, base) || !ends_with(url, ".git"))
		return NULL;
	return arena_strndup(&c->a, url + strlen(base), strlen(url) - strlen(base) - 4);
}

/* how git calls this program: with the folder of this machine's nap, which it needs to find the operator's token */
static const char *helper(struct cli *c)
{
	const char *state = account_state(c), *config = getenv("NAP_CONFIG");
	auto_buf struct buf b;

	buf_init(&b, 64 * 1024);
	buf_puts(&b, "!");
	for (size_t i = 0; i < 3; i++) {
		const char *name = (const char *const[]){ "NAP_URL", "NAP_STATE", "NAP_CONFIG" }[i];
		const char *value = (const char *const[]){ c->url, state, config }[i];

		if (!value || !*value)
			continue;
		buf_printf(&b, "%s=", name);
		buf_shell(&b, value);
		buf_putc(&b, ' ');
	}
	buf_shell(&b, c->self);
	buf_puts(&b, " git-credential");
	return arena_strdup(&c->a, b.data);
}

static bool set_remote(struct cli *c, const char *url)
{
	const char *key = arena_printf(&c->a, "credential.%s.helper", c->url);
	bool known = GIT(c, "remote", "get-url", "nap") != NULL;

	/* the empty one first: no other helper is to keep the token */
	return (known ? GIT(c, "remote", "set-url", "nap", url)
		      : GIT(c, "remote", "add", "nap", url)) &&
	       GIT(c, "config", "--local", "--replace-all", key, "") &&
	       GIT(c, "config", "--local", "--add", key, helper(c));
}

/* with this program's own standard streams: git tells its progress, and nap's lines */
static int push(struct cli *c, const char *from, const char *to)
{
	const char *const argv[] = { "git", "push", "nap",
		arena_printf(&c->a, "%s:refs/heads/%s", from, to), NULL };
	struct err e;
	int status;
	pid_t pid;

	(void)fflush(NULL);
	if (!spawn_start(&(struct spawn){ .path = "git",
				 .argv = argv,
				 .env = (const char *const *)(uintptr_t)environ },
		    &pid, &e))
		return cli_err(c, CLI_FAILED, &e);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? CLI_OK : CLI_FAILED;
}

/* the branch that deploys: the app's own, or main for a first push */
static bool branch_of(struct cli *c, const char *app, const char **ret)
{
	struct rest_request rq = { .path = rest_path(c, "/apps/%s", app), .may_miss = true };
	struct rest_answer an;

	if (!rest_call(c, &rq, &an))
		return false;
	*ret = an.status == 404 ? "" : rest_text(an.json, "branch");
	if (!**ret)
		*ret = "main";
	return true;
}

int cli_push(struct cli *c)
{
	const char *top = GIT(c, "rev-parse", "--show-toplevel"), *tenant, *base, *app, *wrong;
	const char *from = cli_option(c, "branch"), *to = cli_option(c, "to");

	if (!top)
		return cli_fail(c, CLI_USAGE,
			"this is no git repository: see nap deploy DIR, which needs none");
	tenant = self_tenant(c);
	if (!tenant)
		return c->exit;
	base = arena_printf(&c->a, "%s/git/%s/", c->url, tenant);
	app = c->words ? c->word[0] : app_of_remote(c, base);
	if (!app)
		app = name_from_url(&c->a, top);
	wrong = app_name_wrong(app);
	if (wrong)
		return cli_fail(c, CLI_USAGE, "app name \"%s\" %s", app, wrong);
	if (!to && !branch_of(c, app, &to))
		return c->exit;
	if (!from && !(from = GIT(c, "symbolic-ref", "--quiet", "--short", "HEAD")))
		from = "HEAD";
	if (!set_remote(c, arena_printf(&c->a, "%s%s.git", base, app)))
		return cli_fail(
			c, CLI_FAILED, "could not set the remote \"nap\" of this repository");
	return push(c, from, to);
}

/* git's side: lines "key=value" in, two of them out; see git-credential(1) */
int cli_git_credential(struct cli *c)
{
	const char *protocol = "", *host = "", *tenant;
	auto_free char *line = NULL;
	size_t size = 0;

	if (!streq(c->word[0], "get") || !*c->token)
		return CLI_OK;
	while (getline(&line, &size, stdin) > 0 && *line != '\n') {
		line[strcspn(line, "\n")] = '\0';
		if (starts_with(line, "protocol="))
			protocol = arena_strdup(&c->a, line + 9);
		else if (starts_with(line, "host="))
			host = arena_strdup(&c->a, line + 5);
	}
	if (!streq(arena_printf(&c->a, "%s://%.*s", protocol, (int)strlen(host), host),
		    arena_strndup(&c->a, c->url,
			    strcspn(c->url + strcspn(c->url, ":") + 3, "/") + strcspn(c->url, ":") +
				    3)))
		return CLI_OK;
	tenant = self_tenant(c);
	if (!tenant)
		return c->exit;
	(void)fprintf(c->out.file, "username=%s\npassword=%s\n", tenant, c->token);
	return CLI_OK;
}
