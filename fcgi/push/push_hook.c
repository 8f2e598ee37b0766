#include "push/push_hook.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/text.h"
#include "base/call.h"
#include "push/push_source.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define MAX_UPDATES	 10000
#define MAX_UPDATE_BYTES (4 * 1024 * 1024)
#define CALL_MS		 60000
#define FOLLOW_MS	 60000
#define PATIENCE_MS	 (15 * 60 * 1000) /* nap itself is restarted, upgraded */

struct update {
	const char *old, *new, *ref;
};

struct push {
	struct arena *a;
	const char *socket, *repo, *id;
	const char *head, *head_commit; /* the branch HEAD names; its commit or NULL */
	json_t *options;
};

static void say(const char *fmt, ...) PRINTF(1, 2);

/* One write a line. The client may be gone: then nobody reads, and the deploy goes on (SIGPIPE is ignored). */
static void say(const char *fmt, ...)
{
	auto_free char *line = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&line, fmt, ap) < 0)
		abort();
	va_end(ap);
	(void)dprintf(STDOUT_FILENO, "%s\n", line);
}

static void say_text(const struct push *p, const char *before, const char *text)
{
	say("%s%s", before, utf8_scrub(p->a, text, strlen(text)));
}

static int refuse(const struct err *e)
{
	if (e->kind == ERR_INTERNAL)
		(void)die(e);
	say("error: %s", e->kind == ERR_INTERNAL
				 ? "nap could not look at the push; its log says why"
				 : e->msg);
	return 1;
}

static const char *short_name(const char *ref)
{
	return starts_with(ref, "refs/heads/") ? ref + 11 : ref;
}

static bool is_branch(const char *ref)
{
	return starts_with(ref, "refs/heads/");
}

static bool may_become_default(const char *ref)
{
	return streq(ref, "refs/heads/master") || streq(ref, "refs/heads/main");
}

const char *push_text_fault(const char *text, size_t n, size_t *ret_line)
{
	size_t line = 1;

	while (n) {
		size_t step = utf8_step(text, n);

		if (step == 0 || *text == '\0') {
			*ret_line = line;
			return step ? "it holds a NUL byte" : "it is not UTF-8";
		}
		line += *text == '\n';
		text += step;
		n -= step;
	}
	return NULL;
}

/* -- what nap says ------------------------------------------------------------------------------------------------ */

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* problem details as lines; profile faults as FILE:LINE: REASON */
static void say_problem(const struct push *p, const struct call_answer *answer)
{
	json_auto_t *o = json_loadb(answer->body, answer->len, 0, NULL);
	const char *detail = text_of(o, "detail"), *code = text_of(o, "code");
	const json_t *row;
	size_t i;

	say_text(p, "error: ", detail ? detail : code ? code : "nap refused the push");
	json_array_foreach (json_object_get(o, "errors"), i, row) {
		const char *field = text_of(row, "field"), *why = text_of(row, "detail");
		json_int_t line = json_integer_value(json_object_get(row, "line"));

		if (line > 0)
			say_text(p,
				arena_printf(p->a, "  %s:%lld: ", field ? field : "profile",
					(long long)line),
				why ? why : "");
		else
			say_text(p, arena_printf(p->a, "  %s: ", field ? field : "profile"),
				why ? why : "");
	}
}

static void pause_ms(long ms)
{
	(void)nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

/* Asks until there is an answer below 500; every question here may be asked twice. */
static bool ask(const struct push *p, const char *target, const char *body, int timeout_ms,
	struct arena *a, struct call_answer *ret, struct err *e)
{
	int64_t since = clock_mono_ms();
	bool told = false;

	for (;;) {
		bool ok = call_unix(p->socket, target, body, timeout_ms, a, ret, e);
		int64_t waited = clock_mono_ms() - since;

		if (ok && ret->status < 500 && ret->status != 429)
			return true;
		if (waited > PATIENCE_MS)
			return err_set(e, ERR_UPSTREAM, "no_answer", "nap does not answer");
		if (!told && waited > 3000) {
			say("nap does not answer, still trying");
			told = true;
		}
		pause_ms(1000);
	}
}

static char *body_text(struct arena *a, const json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT);

	if (!text)
		abort();
	arena_defer(a, free, text);
	return text;
}

static json_t *text_or_null(const char *s)
{
	return s && *s ? json_string(s) : json_null();
}

/* -- pre-receive -------------------------------------------------------------------------------------------------- */

static bool read_updates(struct arena *a, struct update **ret, size_t *ret_n, struct err *e)
{
	struct update *list = arena_alloc(a, MAX_UPDATES * sizeof *list);
	auto_free char *line = NULL;
	size_t size = 0, n = 0, total = 0;
	ssize_t len;

	while ((len = getline(&line, &size, stdin)) > 0) {
		char *copy = arena_strndup(a, line, strcspn(line, "\n")), *old = strsep(&copy, " "),
		     *new = strsep(&copy, " ");

		total += (size_t)len;
		if (n == MAX_UPDATES || total > MAX_UPDATE_BYTES)
			return err_set(e, ERR_TOO_LARGE, "too_large",
				"a push may hold at most %d refs", MAX_UPDATES);
		if (!new || !copy)
			return err_set(e, ERR_INTERNAL, "internal", "git gave no ref");
		list[n++] = (struct update){ old, new, copy };
	}
	*ret = list;
	*ret_n = n;
	return true;
}

/* the update that is deployed, or NULL; says what is only stored */
static const struct update *choose(
	struct push *p, const struct update *list, size_t n, struct err *e)
{
	const struct update *chosen = NULL;

	for (size_t i = 0; i < n && !p->head_commit; i++)
		if (may_become_default(list[i].ref) && !push_is_zero(list[i].new)) {
			p->head = list[i].ref;
			break;
		}
	for (size_t i = 0; i < n; i++) {
		const struct update *u = &list[i];

		if (streq(u->ref, p->head) && push_is_zero(u->new)) {
			(void)err_set(e, ERR_CONFLICT, "default_branch",
				"branch \"%s\" is the one that is deployed and cannot be deleted",
				short_name(u->ref));
			return NULL;
		}
		if (streq(u->ref, p->head))
			chosen = u;
		else if (is_branch(u->ref) && !push_is_zero(u->new) &&
			 (p->head_commit || may_become_default(p->head)))
			say("branch \"%s\" is stored; only \"%s\" is deployed", short_name(u->ref),
				short_name(p->head));
	}
	return chosen;
}

static bool has_option(const struct push *p, const char *word)
{
	const json_t *o;
	size_t i;

	json_array_foreach (p->options, i, o)
		if (streq(json_string_value(o), word))
			return true;
	return false;
}

static bool check_source(
	const struct push *p, const struct update *u, struct push_source *ret, struct err *e)
{
	struct push_source s;
	bool related = true;
	const char *fault;
	size_t line;

	if (p->head_commit && !has_option(p, "replace") &&
		!push_related(p->head_commit, u->new, p->a, &related, e))
		return false;
	if (!related)
		return err_set(e, ERR_CONFLICT, "unrelated_history",
			"unrelated_history: this source has no commit in common with the "
			"application's "
			"branch \"%s\"; to put it in its place: git push -f -o replace",
			short_name(u->ref));
	if (!push_source_read(u->new, p->a, &s, e))
		return false;
	if (s.too_many)
		return err_set(e, ERR_TOO_LARGE, "too_many_files",
			"the source has more than %d files and folders", MAX_TREE_ENTRIES);
	fault = s.profile ? push_text_fault(s.profile, s.profile_len, &line) : NULL;
	if (fault)
		return err_set(e, ERR_INVALID, "profile_invalid", "profile:%zu: %s", line, fault);
	if (s.submodule)
		say("warning: submodule \"%s\" is not fetched: its folder will be empty",
			s.submodule);
	if (s.lfs)
		say("warning: files kept in git LFS are deployed as their pointers");
	*ret = s;
	return true;
}

static json_t *question(const struct push *p)
{
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:O}", "repo", p->repo, "push", p->id,
		"tenant", text_or_null(getenv("NAP_TENANT")), "app",
		text_or_null(getenv("NAP_APP")), "actor", text_or_null(getenv("NAP_ACTOR")),
		"request_id", text_or_null(getenv("NAP_REQUEST_ID")), "options", p->options);
}

static int ask_to_deploy(const struct push *p, const struct update *u, const struct push_source *s)
{
	json_auto_t *o = question(p), *body = NULL;
	struct call_answer answer;
	const json_t *line;
	struct err e;
	size_t i;

	if (u)
		(void)json_object_update_new(o,
			json_pack("{s:s, s:s, s:s, s:s, s:o, s:b, s:I, s:I}", "ref", u->ref,
				"branch", short_name(u->ref), "old", u->old, "new", u->new,
				"profile",
				s->profile ? json_stringn(s->profile, s->profile_len) : json_null(),
				"run", s->run, "entries", (json_int_t)s->entries, "bytes",
				(json_int_t)s->bytes));
	if (!ask(p, "/internal/v1/hooks/pre-receive", body_text(p->a, o), CALL_MS, p->a, &answer,
		    &e))
		return refuse(&e);
	if (answer.status >= 300) {
		say_problem(p, &answer);
		return 1;
	}
	body = json_loadb(answer.body, answer.len, 0, NULL);
	json_array_foreach (json_object_get(body, "lines"), i, line)
		if (json_is_string(line))
			say_text(p, "", json_string_value(line));
	return 0;
}

static int pre_receive(struct push *p)
{
	struct update *list = NULL;
	const struct update *u;
	struct push_source s = { 0 };
	struct err e = { 0 };
	size_t n = 0;

	if (!read_updates(p->a, &list, &n, &e))
		return refuse(&e);
	u = choose(p, list, n, &e);
	if (e.kind != ERR_NONE || (u && !check_source(p, u, &s, &e)))
		return refuse(&e);
	return ask_to_deploy(p, u, &s);
}

/* -- update ------------------------------------------------------------------------------------------------------- */

/* held until this process ends, however it ends */
static bool lock_push(const struct push *p, const char **ret_path, struct err *e)
{
	const char *path = arena_printf(
		p->a, "%s/nap-push-%s", getenv("GIT_DIR") ? getenv("GIT_DIR") : ".", p->id);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_errno(e, "could not lock \"%s\"", path);
	(void)fchmod(fd, 0660);
	*ret_path = path;
	return true;
}

struct following {
	int64_t after;
	bool ended, succeeded;
	char waiting[200];
};

static void say_waiting(const struct push *p, struct following *f, const json_t *o)
{
	const char *why = text_of(o, "waiting"), *state = text_of(o, "state");
	json_int_t position = json_integer_value(json_object_get(o, "position"));
	char text[sizeof f->waiting] = "";

	if (state && streq(state, "queued") && position > 0)
		(void)snprintf(text, sizeof text, "queued at position %lld", (long long)position);
	else if (why)
		(void)snprintf(text, sizeof text, "waiting: %s", why);
	if (*text && !streq(text, f->waiting))
		say_text(p, "", text);
	memcpy(f->waiting, text, sizeof text);
}

static void say_end(const struct push *p, const char *ref, const json_t *o)
{
	const char *state = text_of(o, "state"), *why = text_of(o, "error"),
		   *code = text_of(o, "error_code");
	const char *address = text_of(o, "address");
	const json_t *line;
	size_t i;

	if (streq(state, "succeeded")) {
		json_int_t release = json_integer_value(json_object_get(o, "release"));

		say("deployed%s%s",
			release > 0 ? arena_printf(p->a, " as release %lld", (long long)release)
				    : "",
			address ? arena_printf(p->a, ": %s", address) : "");
		return;
	}
	if (code && streq(code, "superseded"))
		say("error: superseded: a newer push took its place");
	else if (streq(state, "cancelled"))
		say_text(p, "error: the deploy was cancelled",
			why ? arena_printf(p->a, ": %s", why) : "");
	else
		say_text(p, "error: ", why ? why : code ? code : "the deploy failed");
	json_array_foreach (json_object_get(o, "error_lines"), i, line)
		if (json_is_string(line))
			say_text(p, "  | ", json_string_value(line));
	say("branch \"%s\" stays where it was; the same commit can be pushed again",
		short_name(ref));
}

static bool follow_once(const struct push *p, const char *operation, const char *ref,
	struct following *f, struct err *e)
{
	auto_arena struct arena a = { 0 };
	json_auto_t *o = NULL;
	struct call_answer answer;
	const char *target =
			   arena_printf(&a, "/internal/v1/operations/%s?repo=%s&after=%lld&wait=25",
				   operation, p->repo, (long long)f->after),
		   *state;
	const json_t *row;
	int64_t asked = clock_mono_ms(), seen = f->after;
	size_t i;

	if (!ask(p, target, NULL, FOLLOW_MS, &a, &answer, e))
		return false;
	o = json_loadb(answer.body, answer.len, 0, NULL);
	state = text_of(o, "state");
	if (answer.status != 200 || !state)
		return err_set(
			e, ERR_UPSTREAM, "no_answer", "nap does not know the operation any more");
	json_array_foreach (json_object_get(o, "lines"), i, row) {
		const char *text = text_of(row, "line");

		if (text)
			say_text(p, "", text);
		f->after = MAX(f->after, (int64_t)json_integer_value(json_object_get(row, "seq")));
	}
	f->ended = streq(state, "succeeded") || streq(state, "failed") || streq(state, "cancelled");
	f->succeeded = streq(state, "succeeded");
	if (f->ended && i == 0)
		say_end(p, ref, o);
	else if (!f->ended)
		say_waiting(p, f, o);
	/* lines may follow those that came with the end: ask once more until none does */
	f->ended = f->ended && i == 0;
	if (!f->ended && seen == f->after && clock_mono_ms() - asked < 200)
		pause_ms(300); /* a server that does not wait is not to be hammered */
	return true;
}

/*
 * git moves the ref from u->old, as the client saw it. When an earlier push has moved it meanwhile and nap deployed this
 * one all the same (it is a descendant), the ref is put back first, for the blink of an eye; should this process be
 * killed just then, the leader finds a free lock and moves it.
 */
static bool make_way(const struct push *p, const struct update *u, pid_t parent, struct err *e)
{
	const char *now;

	if (!push_ref_read(u->ref, p->a, &now, e))
		return false;
	if (!now)
		now = arena_strndup(p->a,
			"0000000000000000000000000000000000000000000000000000000000000000",
			strlen(u->new));
	if (getppid() !=
		parent) /* receive-pack is gone, its client too: nobody else moves it now */
		return streq(now, u->new) || push_ref_move(u->ref, u->new, now, p->a, e);
	return streq(now, u->old) || push_ref_move(u->ref, u->old, now, p->a, e);
}

static int follow(const struct push *p, const char *operation, const struct update *u, pid_t parent)
{
	struct following f = { .after = 0 };
	struct err e;

	while (!f.ended)
		if (!follow_once(p, operation, u->ref, &f, &e)) {
			say("the deploy goes on as operation %s", operation);
			return refuse(&e);
		}
	if (!f.succeeded)
		return 1;
	return make_way(p, u, parent, &e) ? 0 : refuse(&e);
}

static int deploy(struct push *p, const struct update *u, pid_t parent)
{
	json_auto_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s}", "repo", p->repo, "push", p->id,
		"ref", u->ref, "old", u->old, "new", u->new);
	json_auto_t *body = NULL;
	struct call_answer answer;
	const char *operation;
	struct err e;

	if (!ask(p, "/internal/v1/hooks/update", body_text(p->a, o), CALL_MS, p->a, &answer, &e))
		return refuse(&e);
	if (answer.status >= 300) {
		say_problem(p, &answer);
		return 1;
	}
	body = json_loadb(answer.body, answer.len, 0, NULL);
	operation = text_of(body, "operation");
	if (!operation)
		return 0;
	/* before the deploy: a hook that is killed leaves the branch to the leader, and HEAD is right already */
	if (!p->head_commit && !streq(p->head, u->ref) && !push_head_set(u->ref, p->a, &e))
		return refuse(&e);
	/* git gives the options to pre-receive alone; nap kept them */
	if (!json_is_true(json_object_get(body, "detach")))
		return follow(p, operation, u, parent);
	say("the deploy goes on as operation %s", operation);
	return 0;
}

static int update(struct push *p, const struct update *u)
{
	pid_t parent = getppid();
	const char *lock = NULL;
	struct err e;
	int status;

	if (!is_branch(u->ref) || push_is_zero(u->new) ||
		(p->head_commit ? !streq(u->ref, p->head) : !may_become_default(u->ref)))
		return 0;
	if (!lock_push(p, &lock, &e))
		return refuse(&e);
	status = deploy(p, u, parent);
	(void)unlink(lock);
	return status;
}

/* -- both --------------------------------------------------------------------------------------------------------- */

static json_t *options(void)
{
	const char *count = getenv("GIT_PUSH_OPTION_COUNT");
	json_t *list = json_array();
	int64_t n = 0;

	if (!count || !parse_i64(count, 0, 100, &n))
		n = 0;
	for (int64_t i = 0; i < n; i++) {
		char name[64];
		const char *value;

		(void)snprintf(name, sizeof name, "GIT_PUSH_OPTION_%d", (int)i);
		value = getenv(name);
		if (value && utf8_valid(value, strlen(value)))
			(void)json_array_append_new(list, json_string(value));
	}
	return list;
}

int push_hook_main(int argc, char **argv)
{
	auto_arena struct arena a = { 0 };
	auto_free char *path = xstrdup(argc ? argv[0] : "");
	json_auto_t *list = options();
	const char *state = getenv("NAP_STATE"), *repo = getenv("NAP_REPO"),
		   *id = getenv("NAP_PUSH"), *name = basename(path);
	struct push p = { .a = &a, .repo = repo, .id = id, .options = list };
	int64_t n;
	struct err e;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	if (!state || !repo || !parse_i64(repo, 1, INT64_MAX, &n) || !id ||
		strspn(id, "0123456789abcdef") != strlen(id) || strlen(id) != 32) {
		say("error: this repository takes pushes only through nap");
		return 1;
	}
	p.socket = arena_printf(&a, "%s/run/git/hook.sock", state);
	if (!push_head(&a, &p.head, &p.head_commit, &e))
		return refuse(&e);
	if (streq(name, "pre-receive") && argc == 1)
		return pre_receive(&p);
	if (streq(name, "update") && argc == 4)
		return update(&p, &(struct update){ argv[2], argv[3], argv[1] });
	say("error: nap-hook is run by git as pre-receive or update");
	return 1;
}
