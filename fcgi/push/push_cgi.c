#include "push/push_cgi.h"
#include "base/proc.h"
#include "base/text.h"
#include "push/push_repo.h"

#include <errno.h>
#include <libgen.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define PUSHES_A_TENANT 2
#define MAX_PUSH_BYTES	(4LL * 1024 * 1024 * 1024)
#define GIT_DATA_BYTES \
	(1024L * 1024 * \
		1024) /* anonymous memory of one git process; maps of packs are not counted */

struct env {
	struct argv list;
	struct argv config; /* key, value, key, value */
};

static void set(struct env *v, struct arena *a, const char *key, const char *value)
{
	if (value)
		argv_addf(&v->list, a, "%s=%s", key, value);
}

static void config(struct env *v, struct arena *a, const char *key, const char *value)
{
	argv_add(&v->config, a, key);
	argv_add(&v->config, a, value);
}

static void config_to_env(struct env *v, struct arena *a)
{
	argv_addf(&v->list, a, "GIT_CONFIG_COUNT=%zu", v->config.n / 2);
	for (size_t i = 0; i < v->config.n; i += 2) {
		argv_addf(&v->list, a, "GIT_CONFIG_KEY_%zu=%s", i / 2, v->config.v[i]);
		argv_addf(&v->list, a, "GIT_CONFIG_VALUE_%zu=%s", i / 2, v->config.v[i + 1]);
	}
}

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

/* Two hooks of one push know each other by it, and the leader knows by its lock whether they live. */
static const char *push_id(struct arena *a)
{
	unsigned char r[16];
	char *hex = arena_alloc(a, 2 * sizeof r + 1);

	if (getrandom(r, sizeof r, 0) != (ssize_t)sizeof r)
		abort();
	hex_encode(hex, r, sizeof r);
	return hex;
}

static bool check_numbers(push_getenv_fn *get, struct arena *a, const char **ret_max, struct err *e)
{
	const char *text = get("NAP_GIT_MAX_BYTES");
	int64_t max = MAX_PUSH_BYTES;

	if (text && *text && !parse_i64(text, 1, INT64_MAX, &max))
		return err_set(
			e, ERR_INTERNAL, "internal", "setting \"git_max_bytes\" is no number");
	*ret_max = arena_printf(a, "%lld", (long long)max);
	return true;
}

bool push_cgi_prepare(
	push_getenv_fn *get, const char *bin, struct arena *a, struct push_cgi *ret, struct err *e)
{
	static const char *const services[] = { "git-upload-pack", "git-receive-pack", NULL };
	static const char *const paths[] = { "info/refs", "git-upload-pack", "git-receive-pack",
		NULL };
	static const char *const passed[] = { "REQUEST_METHOD", "CONTENT_TYPE", "CONTENT_LENGTH",
		"HTTP_CONTENT_ENCODING", "REMOTE_ADDR", "SERVER_PROTOCOL", NULL };
	const char *state = get("NAP_STATE"), *repo = get("NAP_REPO"),
		   *service = get("NAP_SERVICE");
	const char *path = get("NAP_PATH"), *protocol = get("HTTP_GIT_PROTOCOL"), *max = NULL;
	struct env env = { 0 };
	int64_t id;

	if (!state || *state != '/')
		return err_set(e, ERR_INTERNAL, "internal", "NAP_STATE is not set");
	if (!one_of(service, services) || !one_of(path, paths) ||
		(!streq(path, "info/refs") && !streq(path, service)))
		return err_set(e, ERR_NOT_FOUND, "not_found", "there is no such git service");
	if (!is_word(get("NAP_TENANT"), "abcdefghijklmnopqrstuvwxyz0123456789"))
		return err_set(e, ERR_INTERNAL, "internal", "NAP_TENANT is not set");
	if (repo && *repo) {
		if (!parse_i64(repo, 1, INT64_MAX, &id))
			return err_set(e, ERR_INTERNAL, "internal", "NAP_REPO is no id");
		repo = arena_printf(a, "%lld", (long long)id);
	} else if (streq(path, "info/refs") && streq(service, "git-receive-pack")) {
		repo = "empty"; /* looking makes nothing: the POST that follows does */
	} else {
		return err_set(e, ERR_NOT_FOUND, "not_found", "there is no such application");
	}
	if (!check_numbers(get, a, &max, e))
		return false;

	set(&env, a, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	set(&env, a, "HOME", "/nonexistent");
	set(&env, a, "LANG", "C.UTF-8");
	for (size_t i = 0; passed[i]; i++)
		set(&env, a, passed[i], get(passed[i]));
	set(&env, a, "QUERY_STRING",
		streq(path, "info/refs") ? arena_printf(a, "service=%s", service) : "");
	set(&env, a, "GIT_PROJECT_ROOT", arena_printf(a, "%s/git", state));
	set(&env, a, "PATH_INFO", arena_printf(a, "/%s.git/%s", repo, path));
	set(&env, a, "GIT_HTTP_EXPORT_ALL", "1");
	set(&env, a, "GIT_CONFIG_NOSYSTEM", "1");
	set(&env, a, "GIT_CONFIG_GLOBAL", "/dev/null");
	set(&env, a, "GIT_TERMINAL_PROMPT", "0");
	if (is_word(protocol, "abcdefghijklmnopqrstuvwxyz0123456789=:"))
		set(&env, a, "GIT_PROTOCOL", protocol);
	set(&env, a, "REMOTE_USER", get("NAP_TENANT"));
	set(&env, a, "NAP_STATE", state);
	set(&env, a, "NAP_TENANT", get("NAP_TENANT"));
	set(&env, a, "NAP_APP", get("NAP_APP"));
	set(&env, a, "NAP_REPO", repo);
	set(&env, a, "NAP_PUSH", push_id(a));
	set(&env, a, "NAP_ACTOR", get("NAP_ACTOR"));
	set(&env, a, "NAP_REQUEST_ID", get("REQUEST_ID"));
	config(&env, a, "core.hooksPath", arena_printf(a, "%s/git/hooks", state));
	config(&env, a, "safe.directory", "*"); /* the worker made those that came by URL */
	config(&env, a, "transfer.hideRefs", "refs/nap");
	config(&env, a, "http.receivepack", "true");
	config(&env, a, "receive.maxInputSize", max);
	config(&env, a, "receive.advertisePushOptions", "true");
	config(&env, a, "receive.autogc", "false");
	config(&env, a, "gc.auto", "0");
	config(&env, a, "core.bigFileThreshold", "8m");
	config(&env, a, "core.packedGitWindowSize", "32m");
	config(&env, a, "core.packedGitLimit", "512m");
	config(&env, a, "pack.threads", "1");
	config(&env, a, "pack.windowMemory", "64m");
	config_to_env(&env, a);

	*ret = (struct push_cgi){ state, arena_printf(a, "%s/nap-hook", bin), repo, env.list.v };
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

static int pushes_a_tenant(void)
{
	const char *text = getenv("NAP_GIT_PUSHES");
	int64_t n = PUSHES_A_TENANT;

	return text && parse_i64(text, 1, 1000, &n) ? (int)n : PUSHES_A_TENANT;
}

int push_cgi_main(void)
{
	auto_arena struct arena a = { 0 };
	struct push_cgi cgi;
	struct err e;
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	const char *path = getenv("NAP_PATH");

	if (n <= 0) {
		(void)err_errno(&e, "could not read /proc/self/exe");
		return answer(&e);
	}
	self[n] = '\0';
	(void)umask(0007);
	if (!push_cgi_prepare(env_get, dirname(self), &a, &cgi, &e) ||
		!push_repo_make(cgi.state, cgi.repo, &e) ||
		!push_hooks_make(cgi.state, cgi.program, &e))
		return answer(&e);
	if (streq(path, "git-receive-pack") &&
		!push_slot_take(cgi.state, getenv("NAP_TENANT"), pushes_a_tenant(), &e))
		return answer(&e);
#ifndef __SANITIZE_ADDRESS__ /* its shadow counts; nap-hook inherits the limit */
	(void)setrlimit(RLIMIT_DATA, &(struct rlimit){ GIT_DATA_BYTES, GIT_DATA_BYTES });
#endif
	(void)execve("/usr/lib/git-core/git-http-backend",
		(char *[]){ (char[]){ "git-http-backend" }, NULL },
		(char *const *)(uintptr_t)cgi.env);
	(void)execvpe("git", (char *[]){ (char[]){ "git" }, (char[]){ "http-backend" }, NULL },
		(char *const *)(uintptr_t)cgi.env);
	(void)err_errno(&e, "could not start git http-backend");
	return answer(&e);
}
