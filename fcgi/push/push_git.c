#include "push/push_git.h"
#include "base/text.h"
#include "push/push_repo.h"

#include <libgen.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define MAX_PUSH_BYTES "4294967296"
#define GIT_DATA_BYTES \
	(1024L * 1024 * \
		1024) /* anonymous memory of one git process; maps of packs are not counted */

static void set(struct argv *env, struct arena *a, const char *key, const char *value)
{
	if (value)
		argv_addf(env, a, "%s=%s", key, value);
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

/* for every git of a push, in front of what the repository's own configuration says (git-config(1)) */
static void set_config(const struct push_git *g, struct arena *a, struct argv *env)
{
	const char *const config[][2] = {
		{ "core.hooksPath", arena_printf(a, "%s/git/hooks", g->state) },
		{ "safe.directory", "*" }, /* the worker made those that came by URL */
		{ "transfer.hideRefs", "refs/nap" },
		{ "http.receivepack", "true" },
		{ "receive.maxInputSize", g->max_bytes ? g->max_bytes : MAX_PUSH_BYTES },
		{ "receive.advertisePushOptions", "true" },
		{ "receive.autogc", "false" },
		{ "gc.auto", "0" },
		{ "core.bigFileThreshold", "8m" },
		{ "core.packedGitWindowSize", "32m" },
		{ "core.packedGitLimit", "512m" },
		{ "pack.threads", "1" },
		{ "pack.windowMemory", "64m" },
	};

	argv_addf(env, a, "GIT_CONFIG_COUNT=%zu", ARRAY_SIZE(config));
	for (size_t i = 0; i < ARRAY_SIZE(config); i++) {
		argv_addf(env, a, "GIT_CONFIG_KEY_%zu=%s", i, config[i][0]);
		argv_addf(env, a, "GIT_CONFIG_VALUE_%zu=%s", i, config[i][1]);
	}
}

static bool is_protocol(const char *s)
{
	return s && *s && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789=:") == strlen(s);
}

void push_git_env(const struct push_git *g, struct arena *a, struct argv *ret)
{
	set(ret, a, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	set(ret, a, "HOME", "/nonexistent");
	set(ret, a, "LANG", "C.UTF-8");
	set(ret, a, "GIT_CONFIG_NOSYSTEM", "1");
	set(ret, a, "GIT_CONFIG_GLOBAL", "/dev/null");
	set(ret, a, "GIT_TERMINAL_PROMPT", "0");
	if (is_protocol(g->protocol))
		set(ret, a, "GIT_PROTOCOL", g->protocol);
	set(ret, a, "NAP_STATE", g->state);
	set(ret, a, "NAP_TENANT", g->tenant);
	set(ret, a, "NAP_APP", g->app);
	set(ret, a, "NAP_REPO", g->repo);
	set(ret, a, "NAP_PUSH", push_id(a));
	set(ret, a, "NAP_ACTOR", g->actor);
	set(ret, a, "NAP_REQUEST_ID", g->request_id);
	set_config(g, a, ret);
}

bool push_git_ready(const struct push_git *g, struct err *e)
{
	auto_free char *hook = xasprintf("%s/nap-hook", g->bin);

	(void)umask(0007);
	if (!push_repo_make(g->state, g->repo, e) || !push_hooks_make(g->state, hook, e))
		return false;
	if (g->place && !push_slot_take(g->state, g->tenant, g->place, g->places, e))
		return false;
#ifndef __SANITIZE_ADDRESS__ /* its shadow counts; nap-hook inherits the limit */
	(void)setrlimit(RLIMIT_DATA, &(struct rlimit){ GIT_DATA_BYTES, GIT_DATA_BYTES });
#endif
	return true;
}

bool push_git_bin(struct arena *a, const char **ret, struct err *e)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	if (n <= 0)
		return err_errno(e, "could not read /proc/self/exe");
	self[n] = '\0';
	*ret = arena_strdup(a, dirname(self));
	return true;
}
