#include "base/buf.h"
#include "base/call.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "model/unit.h"
#include "node/node.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#define CALL_MS 10000

static const char *parent(struct arena *a, const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash > path ? arena_strndup(a, path, (size_t)(slash - path)) : "/";
}

static bool read_conf(struct node *n, struct err *e)
{
	struct slice rest, line;
	const char *path = arena_printf(n->a, "%s/node.conf", n->home);
	char *text;
	size_t len;

	if (!file_read(path, 65536, n->a, &text, &len, e))
		return err_set(e, ERR_INVALID, "no_conf", "could not read \"%s\"", path);
	rest = (struct slice){ text, len };
	while (slice_line(&rest, &line)) {
		const char *equal = memchr(line.p, '=', line.n);
		struct slice key, value;
		const char *copy;

		if (!equal)
			continue;
		key = slice_trim((struct slice){ line.p, (size_t)(equal - line.p) });
		value = slice_trim(
			(struct slice){ equal + 1, line.n - (size_t)(equal + 1 - line.p) });
		copy = arena_strndup(n->a, value.p, value.n);
		if (slice_eq(key, "socket"))
			n->socket = copy;
		else if (slice_eq(key, "trees"))
			n->trees = copy;
		else if (slice_eq(key, "run"))
			n->run = copy;
	}
	return (n->socket && n->trees && n->run) ||
	       err_set(e, ERR_INVALID, "no_conf", "\"%s\" lacks socket, trees or run", path);
}

static const char *env(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "";
}

/*
 * systemd makes a mount namespace of its own for each command of a unit that binds paths, for + commands too; what one
 * mounts is gone with it. Its first process is where mounts last and the next command's namespace is made from. False:
 * nothing that is mounted here will be seen.
 */
static bool enter_machine(bool has_uid)
{
	auto_fd int machine = -1;
	struct stat here, there;

	if (geteuid() != 0 || has_uid || getppid() != 1 || stat("/proc/self/ns/mnt", &here) < 0 ||
		stat("/proc/1/ns/mnt", &there) < 0)
		return true; /* nap-unit's child, and in its namespace */
	if (here.st_dev == there.st_dev && here.st_ino == there.st_ino)
		return true;
	machine = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);
	return machine >= 0 && setns(machine, CLONE_NEWNS) == 0;
}

bool node_open_home(struct arena *a, struct node *ret, struct err *e)
{
	struct node n = { .a = a, .unit = "", .root = "", .invocation = "" };
	char self[512];
	ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

	if (len < 0)
		return err_errno(e, "could not find out where nap-node lies");
	self[len] = '\0';
	n.home = parent(a, parent(a, self));
	if (!read_conf(&n, e))
		return false;
	*ret = n;
	return true;
}

bool node_open(const char *unit, struct arena *a, struct node *ret, struct err *e)
{
	struct unit_name name;
	struct node n;
	int64_t uid;

	/* it becomes a folder's name and part of a URL */
	if (!unit_name_parse(unit, &name))
		return err_set(e, ERR_INVALID, "no_unit", "\"%s\" is no unit of nap's", unit);
	if (!node_open_home(a, &n, e))
		return false;
	n.unit = unit;
	n.root = env("NAP_ROOT");
	n.dir = arena_printf(a, "%s/%s", n.home, unit);
	n.self = arena_printf(a, "%s/%s", n.run, unit);
	n.invocation = env("INVOCATION_ID");
	n.has_uid = geteuid() == 0 && parse_i64(env("NAP_UID"), 1, UINT32_MAX - 1, &uid);
	n.uid = n.has_uid ? (uid_t)uid : geteuid();
	n.exposed = *n.root != '\0';
	n.mounts = enter_machine(n.has_uid);
	*ret = n;
	return true;
}

/* ---- calls ---- */

enum answer node_ask(struct node *n, const char *target, const char *body, json_t **ret_json)
{
	struct call_answer answer;
	struct err e = { 0 };
	json_t *json;

	if (!call_unix(n->socket, target, body, CALL_MS, n->a, &answer, &e))
		return ANSWER_AWAY;
	if (answer.status >= 500 || answer.status == 429)
		return ANSWER_AWAY;
	if (answer.status == 404 || answer.status == 410)
		return ANSWER_GONE;
	if (answer.status == 409)
		return ANSWER_WAIT;
	if (answer.status < 200 || answer.status > 299) {
		(void)fprintf(stderr, "nap: nap refused %s: status %d\n", target, answer.status);
		return ANSWER_NO;
	}
	if (ret_json) {
		json = answer.len
			       ? json_loadb(answer.body, answer.len, JSON_REJECT_DUPLICATES, NULL)
			       : NULL;
		if (answer.len && !json)
			return ANSWER_AWAY; /* not what nap says: something else stands at the socket */
		*ret_json = json;
	}
	return ANSWER_OK;
}

enum answer node_call(
	struct node *n, const char *unit, const char *what, const char *body, json_t **ret_json)
{
	return node_ask(n, arena_printf(n->a, "/node/v1/units/%s%s", unit, what), body, ret_json);
}

static int is_letter(const struct dirent *de)
{
	return ends_with(de->d_name, ".json");
}

/* "UNIT.TIME-RUN.json": the unit's name is what stands before the last but one dot */
static bool unit_of(const char *file, char ret[UNIT_NAME_SIZE])
{
	const char *end = file + strlen(file) - strlen(".json"), *dot = end;
	struct unit_name name;
	size_t len;

	while (dot > file && *--dot != '.')
		;
	len = (size_t)(dot - file);
	if (len == 0 || len >= UNIT_NAME_SIZE)
		return false;
	memcpy(ret, file, len);
	ret[len] = '\0';
	return unit_name_parse(ret, &name);
}

void node_flush(struct node *n)
{
	const char *box = arena_printf(n->a, "%s/outbox", n->home);
	struct dirent **list = NULL;
	int count = scandir(box, &list, is_letter, alphasort);
	bool away = false;

	for (int i = 0; i < count; i++) {
		const char *path = arena_printf(n->a, "%s/%s", box, list[i]->d_name);
		char unit[UNIT_NAME_SIZE], *body;
		struct err e;

		if (!away && file_read(path, 1 << 20, n->a, &body, NULL, &e)) {
			away = unit_of(list[i]->d_name, unit) &&
			       node_call(n, unit, "/exit", body, NULL) == ANSWER_AWAY;
			if (!away)
				(void)unlink(path);
		}
		free(list[i]);
	}
	free(list);
}

void node_report(struct node *n, const char *body)
{
	const char *box = arena_printf(n->a, "%s/outbox", n->home);
	/* by time, so that they are told in their order */
	const char *path = arena_printf(n->a, "%s/%s.%020lld-%s.json", box, n->unit,
		(long long)clock_now_us(), n->invocation);
	struct err e = { 0 };

	/* earlier ends first, so that they are known in their order */
	node_flush(n);
	if (node_call(n, n->unit, "/exit", body, NULL) != ANSWER_AWAY)
		return;
	if (!dir_make(box, 0700, &e) || !file_replace(path, body, strlen(body), 0600, &e))
		(void)die(&e);
}
