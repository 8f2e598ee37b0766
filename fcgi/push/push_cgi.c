#include "push/push_cgi.h"
#include "base/text.h"

#include <errno.h>

static bool one_of(const char *s, const char *const *words)
{
	for (; s && *words; words++)
		if (streq(s, *words))
			return true;
	return false;
}

static bool is_word(const char *s, const char *more)
{
	return s && *s && strspn(s, more) == strlen(s);
}

static bool check_numbers(push_getenv_fn *get, struct push_git *g, struct err *e)
{
	const char *max = get("NAP_GIT_MAX_BYTES"), *places = get("NAP_GIT_PUSHES");
	int64_t n = PUSHES_A_TENANT;

	if ((max && *max && !parse_i64(max, 1, INT64_MAX, &n)) ||
		(places && *places && !parse_i64(places, 1, 1000, &n)))
		return err_set(e, ERR_INTERNAL, "internal",
			"NAP_GIT_MAX_BYTES or NAP_GIT_PUSHES is no number");
	g->max_bytes = max && *max ? max : NULL;
	g->places = places && *places ? (int)n : PUSHES_A_TENANT;
	return true;
}

/* which repository: that of the id, or the empty one */
static bool choose_repo(push_getenv_fn *get, struct arena *a, const char **ret, struct err *e)
{
	const char *repo = get("NAP_REPO");
	int64_t id;

	if (repo && *repo) {
		if (!parse_i64(repo, 1, INT64_MAX, &id))
			return err_set(e, ERR_INTERNAL, "internal", "NAP_REPO is no id");
		*ret = arena_printf(a, "%lld", (long long)id);
		return true;
	}
	if (!streq(get("NAP_PATH"), "info/refs") || !streq(get("NAP_SERVICE"), "git-receive-pack"))
		return err_set(e, ERR_NOT_FOUND, "not_found", "there is no such application");
	*ret = "empty"; /* looking makes nothing: the POST that follows does */
	return true;
}

/* what git http-backend wants beside git's own (git-http-backend(1)) */
static void add_cgi(
	push_getenv_fn *get, const struct push_git *g, struct arena *a, struct argv *env)
{
	static const char *const passed[] = { "REQUEST_METHOD", "CONTENT_TYPE", "CONTENT_LENGTH",
		"HTTP_CONTENT_ENCODING", "REMOTE_ADDR", "SERVER_PROTOCOL", NULL };
	const char *path = get("NAP_PATH");

	for (size_t i = 0; passed[i]; i++)
		if (get(passed[i]))
			argv_addf(env, a, "%s=%s", passed[i], get(passed[i]));
	if (streq(path, "info/refs"))
		argv_addf(env, a, "QUERY_STRING=service=%s", get("NAP_SERVICE"));
	else
		argv_add(env, a, "QUERY_STRING=");
	argv_addf(env, a, "GIT_PROJECT_ROOT=%s/git", g->state);
	argv_addf(env, a, "PATH_INFO=/%s.git/%s", g->repo, path);
	argv_add(env, a, "GIT_HTTP_EXPORT_ALL=1");
	argv_addf(env, a, "REMOTE_USER=%s", g->tenant);
}

bool push_cgi_prepare(
	push_getenv_fn *get, const char *bin, struct arena *a, struct push_cgi *ret, struct err *e)
{
	static const char *const services[] = { "git-upload-pack", "git-receive-pack", NULL };
	static const char *const paths[] = { "info/refs", "git-upload-pack", "git-receive-pack",
		NULL };
	const char *service = get("NAP_SERVICE"), *path = get("NAP_PATH");
	struct push_git g = { .state = get("NAP_STATE"),
		.bin = bin,
		.tenant = get("NAP_TENANT"),
		.app = get("NAP_APP"),
		.actor = get("NAP_ACTOR"),
		.request_id = get("REQUEST_ID"),
		.protocol = get("HTTP_GIT_PROTOCOL") };
	struct argv env = { 0 };

	if (!g.state || *g.state != '/')
		return err_set(e, ERR_INTERNAL, "internal", "NAP_STATE is not set");
	if (!one_of(service, services) || !one_of(path, paths) ||
		(!streq(path, "info/refs") && !streq(path, service)))
		return err_set(e, ERR_NOT_FOUND, "not_found", "there is no such git service");
	if (!is_word(g.tenant, "abcdefghijklmnopqrstuvwxyz0123456789"))
		return err_set(e, ERR_INTERNAL, "internal", "NAP_TENANT is not set");
	if (!choose_repo(get, a, &g.repo, e) || !check_numbers(get, &g, e))
		return false;
	if (streq(path, "git-receive-pack"))
		g.place = "push";
	push_git_env(&g, a, &env);
	add_cgi(get, &g, a, &env);
	*ret = (struct push_cgi){ g, env.v };
	return true;
}

/* git shows the client the status line, and a text/plain body as "remote:" lines */
static int answer(const struct err *e)
{
	static const struct {
		enum err_kind kind;
		const char *status;
	} rows[] = {
		{ ERR_NOT_FOUND, "404 Not Found" },
		{ ERR_BUSY, "429 Too Many Requests" },
		{ ERR_INVALID, "400 Bad Request" },
	};
	const char *status = "500 Internal Server Error",
		   *text = "nap could not open the repository";

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].kind == e->kind) {
			status = rows[i].status;
			text = e->msg;
		}
	if (e->kind == ERR_INTERNAL || e->kind == ERR_UPSTREAM)
		(void)die(e);
	printf("Status: %s\r\n%sContent-Type: text/plain; charset=utf-8\r\nCache-Control: "
	       "no-store\r\n\r\n%s\n",
		status, e->kind == ERR_BUSY ? "Retry-After: 10\r\n" : "", text);
	return 0;
}

static const char *env_get(const char *name)
{
	return getenv(name);
}

int push_cgi_main(void)
{
	auto_arena struct arena a = { 0 };
	struct push_cgi cgi;
	struct err e;
	const char *bin;

	if (!push_git_bin(&a, &bin, &e) || !push_cgi_prepare(env_get, bin, &a, &cgi, &e) ||
		!push_git_ready(&cgi.git, &e))
		return answer(&e);
	(void)execve("/usr/lib/git-core/git-http-backend",
		(char *[]){ (char[]){ "git-http-backend" }, NULL },
		(char *const *)(uintptr_t)cgi.env);
	(void)execvpe("git", (char *[]){ (char[]){ "git" }, (char[]){ "http-backend" }, NULL },
		(char *const *)(uintptr_t)cgi.env);
	(void)err_errno(&e, "could not start git http-backend");
	return answer(&e);
}
