#include "push/push_shell.h"
#include "base/call.h"
#include "base/text.h"
#include "push/push_command.h"
#include "push/push_git.h"

#include <errno.h>
#include <jansson.h>
#include <sys/prctl.h>

#define CALL_MS 30000
#define IDLE	"--timeout=600" /* seconds, of a fetch whose client says nothing more */

struct visit {
	struct arena *a;
	const char *state, *tenant, *key;
	struct push_command command;
};

static int refuse(const struct err *e)
{
	if (e->kind == ERR_INTERNAL || e->kind == ERR_UPSTREAM)
		(void)die(e);
	(void)fprintf(stderr, "nap: %s\n",
		e->kind == ERR_INTERNAL ? "could not open the repository; the log says why"
					: e->msg);
	return 1;
}

/* the port that the client came to, of "CLIENT PORT SERVER PORT"; 22 if that is not told */
static int64_t own_port(void)
{
	const char *all = getenv("SSH_CONNECTION"), *last = all ? strrchr(all, ' ') : NULL;
	int64_t port = 22;

	return last && parse_i64(last + 1, 1, 65535, &port) ? port : 22;
}

static int greet(const struct visit *v)
{
	int64_t port = own_port();
	const char *apps = port == 22 ? arena_printf(v->a, "%s@THIS-HOST:", v->tenant)
				      : arena_printf(v->a, "ssh://%s@THIS-HOST:%jd/", v->tenant,
						(intmax_t)port);

	(void)printf("Hello %s, this is nap. There is no shell here; git works:\n\n"
		     "  git push %sAPP master   deploys, and makes APP if it does not exist\n"
		     "  git clone %sAPP         gets its source\n",
		v->tenant, apps, apps);
	return 0;
}

static bool is_name(const char *s)
{
	return s && *s && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789") == strlen(s);
}

static bool look_around(struct visit *v, int argc, char **argv, struct err *e)
{
	const char *command = getenv("SSH_ORIGINAL_COMMAND");
	int64_t key;

	v->state = argc == 2 && argv[1][0] == '/' ? argv[1] : NULL;
	v->tenant = getenv("USER");
	v->key = getenv("NAP_KEY");
	if (!v->state || !is_name(v->tenant) || !v->key || !parse_i64(v->key, 1, INT64_MAX, &key))
		return err_set(e, ERR_INVALID, "not_found", "nap-shell is run by nap's sshd");
	push_command_parse(command ? command : "", command ? strlen(command) : 0, &v->command);
	return true;
}

static bool no_answer(struct err *e)
{
	return err_set(
		e, ERR_BUSY, "no_answer", "cannot answer at the moment; try again in a moment");
}

/* the words of nap's own refusal */
static bool refused(struct visit *v, const struct call_answer *answer, struct err *e)
{
	json_auto_t *o = json_loadb(answer->body, answer->len, 0, NULL);
	const char *detail = json_string_value(json_object_get(o, "detail"));

	if (answer->status >= 500 || !detail)
		return no_answer(e);
	return err_set(e, ERR_INVALID, "refused", "%s", utf8_scrub(v->a, detail, strlen(detail)));
}

static bool ask(struct visit *v, struct push_git *g, struct err *e)
{
	json_auto_t *o = json_pack("{s:s, s:s, s:s, s:s}", "tenant", v->tenant, "key", v->key,
		"app", v->command.app, "service",
		v->command.verb == PUSH_VERB_PUSH ? "git-receive-pack" : "git-upload-pack");
	auto_free char *body = json_dumps(o, JSON_COMPACT);
	json_auto_t *said = NULL;
	struct call_answer answer;
	const char *repo, *actor;
	int64_t id;

	if (!call_unix(arena_printf(v->a, "%s/run/git/hook.sock", v->state), "/internal/v1/ssh",
		    body, CALL_MS, v->a, &answer, e))
		return no_answer(e);
	if (answer.status != 200)
		return refused(v, &answer, e);
	said = json_loadb(answer.body, answer.len, 0, NULL);
	repo = json_string_value(json_object_get(said, "repo"));
	actor = json_string_value(json_object_get(said, "actor"));
	if (!repo || !parse_i64(repo, 1, INT64_MAX, &id) || !actor)
		return err_set(e, ERR_INTERNAL, "internal", "nap's answer names no repository");
	g->repo = arena_strdup(v->a, repo);
	g->actor = arena_strdup(v->a, actor);
	return true;
}

/* returns only when that failed */
static bool become_git(struct visit *v, struct push_git *g, struct err *e)
{
	bool push = v->command.verb == PUSH_VERB_PUSH;
	const char *dir = arena_printf(v->a, "%s/git/%s.git", v->state, g->repo);
	const char *const receive[] = { "git", "receive-pack", dir, NULL };
	const char *const upload[] = { "git", "upload-pack", "--strict", IDLE, dir, NULL };
	struct argv env = { 0 };

	push_git_env(g, v->a, &env);
	if (!push_git_ready(g, e))
		return false;
	/* sshd may have a port of root's: git needs no such right */
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	(void)execvpe("git", (char *const *)(uintptr_t)(push ? receive : upload),
		(char *const *)(uintptr_t)env.v);
	return err_errno(e, "could not start git");
}

static bool serve(struct visit *v, struct err *e)
{
	bool push = v->command.verb == PUSH_VERB_PUSH;
	struct push_git g = { .state = v->state,
		.tenant = v->tenant,
		.app = v->command.app,
		.protocol = getenv("GIT_PROTOCOL"),
		.place = push ? "push" : "fetch",
		.places = push ? PUSHES_A_TENANT : FETCHES_A_TENANT };

	if (v->command.verb == PUSH_VERB_OTHER)
		return err_set(e, ERR_INVALID, "refused",
			"only git push, fetch and clone are possible here; ssh without a command says more");
	if (!v->command.app[0])
		return err_set(
			e, ERR_NOT_FOUND, "not_found", "not found: there is no such application");
	return push_git_bin(v->a, &g.bin, e) && ask(v, &g, e) && become_git(v, &g, e);
}

int push_shell_main(int argc, char **argv)
{
	auto_arena struct arena a = { 0 };
	struct visit v = { .a = &a };
	struct err e;

	if (!look_around(&v, argc, argv, &e))
		return refuse(&e);
	if (v.command.verb == PUSH_VERB_NONE)
		return greet(&v);
	return serve(&v, &e) ? 0 : refuse(&e);
}
