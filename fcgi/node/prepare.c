#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include "model/unit.h"
#include "node/files.h"
#include "node/node.h"

#include <errno.h>
#include <poll.h>
#include <sys/stat.h>

#define PATIENCE_MS   240000 /* below the unit's TimeoutStartSec= */
#define MAX_UNIT      (8 * MAX_BODY_BYTES)
#define MAX_BACKOFF   INT64_C(60000000)
#define CLEAN_UP_PART 16 /* of what a unit may take */
#define COUNT_TIMES   16 /* its limit, at the most */
#define CLEAN_UP_MIN  (1 << 20)

/* ---- what nap says of the unit ---- */

static const char *text_of(const json_t *unit, const char *key)
{
	const char *s = json_string_value(json_object_get(unit, key));

	return s ? s : "";
}

static bool tree_name_fine(const char *id)
{
	return strlen(id) >= 16 && strlen(id) <= 128 &&
	       strspn(id, "0123456789abcdef") == strlen(id);
}

/* what becomes part of a path */
static bool word_fine(const char *s)
{
	return *s && strlen(s) <= 64 &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(s);
}

static bool unit_fine(const json_t *unit, struct err *e)
{
	const char *tree = text_of(unit, "tree"), *result = text_of(unit, "result_tree");

	if (!json_is_object(unit) || !json_is_object(json_object_get(unit, "env")) ||
		!json_is_string(json_object_get(unit, "start")) ||
		!word_fine(text_of(unit, "app_id")) || !word_fine(text_of(unit, "tenant")) ||
		(*tree && !tree_name_fine(tree)) || (*result && !tree_name_fine(result)))
		return err_set(
			e, ERR_UPSTREAM, "malformed", "nap's answer about the unit is malformed");
	return true;
}

static const char *kept_path(struct node *n)
{
	return arena_printf(n->a, "%s/unit.json", n->dir);
}

static json_t *kept(struct node *n)
{
	struct err e;
	char *text;
	size_t len;
	json_t *unit;

	if (!file_read(kept_path(n), MAX_UNIT, n->a, &text, &len, &e))
		return NULL;
	unit = json_loadb(text, len, 0, NULL);
	if (unit && !unit_fine(unit, &e)) {
		json_decref(unit);
		return NULL;
	}
	return unit;
}

static void keep(struct node *n, const json_t *unit)
{
	char *text = json_dumps(unit, JSON_COMPACT);
	struct err e = { 0 };

	if (!text || !file_replace(kept_path(n), text, strlen(text), 0600, &e))
		(void)die(&e);
	free(text);
}

/* nap's answer, or the last good one where nap is away; NULL: it must not start */
static json_t *fetch(struct node *n)
{
	int64_t deadline = clock_mono_ms() + PATIENCE_MS;
	bool said = false;

	for (int wait_ms = 500;; wait_ms = MIN(wait_ms * 2, 5000)) {
		json_t *unit = NULL;
		struct err e = { 0 };
		enum answer answer = node_call(n, n->unit, "", NULL, &unit);

		if (answer == ANSWER_OK && unit && unit_fine(unit, &e)) {
			keep(n, unit);
			return unit;
		}
		json_decref(unit);
		if (e.msg[0])
			(void)die(&e);
		if (answer == ANSWER_GONE) {
			(void)unlink(kept_path(n));
			(void)!files_remove(n->self, &e);
			(void)fprintf(stderr, "nap: this instance is not wanted any more\n");
			return NULL;
		}
		if (answer == ANSWER_AWAY && (unit = kept(n))) {
			(void)fprintf(stderr,
				"nap: nap cannot be reached; starting from the kept copy\n");
			return unit;
		}
		if (answer == ANSWER_NO || clock_mono_ms() > deadline) {
			(void)fprintf(stderr, "nap: nap gave no answer about this instance\n");
			return NULL;
		}
		if (!said && answer == ANSWER_AWAY)
			(void)fprintf(stderr, "nap: nap cannot be reached; waiting for it\n");
		said = said || answer == ANSWER_AWAY;
		(void)poll(NULL, 0, wait_ms);
	}
}

/* nap-run said how long the next start has to wait; the wait is ours, so that the unit is seen starting, not running */
static void back_off(struct node *n)
{
	size_t len;
	char *text = files_read_untrusted(
		n->a, arena_printf(n->a, "%s/exit", n->dir), "record", 65536, &len);
	const char *at = text ? strstr(text, "retry_us=") : NULL;
	int64_t retry, now = clock_now_us(), left;

	if (!at || !parse_slice_i64(
			   (struct slice){ at + 9, strcspn(at + 9, "\n") }, 0, INT64_MAX, &retry))
		return;
	left = MIN(retry - now, MAX_BACKOFF);
	if (left > 0)
		(void)poll(NULL, 0, (int)(left / 1000));
}

/* ---- its files ---- */

static bool name_fine(const char *s)
{
	if (!*s || (*s >= '0' && *s <= '9'))
		return false;
	for (; *s; s++)
		if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
			    (*s >= '0' && *s <= '9') || *s == '_'))
			return false;
	return true;
}

static void put_env(struct buf *b, const char *name, const char *root, const char *value)
{
	auto_free char *joined = xasprintf("%s%s", root, value);

	buf_puts(b, name);
	buf_putc(b, '=');
	buf_shell(b, joined);
	buf_putc(b, '\n');
}

/* for sh to read, as the unit's own user: NAME='value' lines */
static void env_file(struct node *n, const json_t *unit, bool build, struct buf *b)
{
	json_t *env = json_object_get(unit, "env"), *value;
	const char *name;

	if (!json_object_get(env, "HOME"))
		put_env(b, "HOME", n->root, "/app");
	put_env(b, "NAP_OUT", n->root, "/out");
	if (build)
		put_env(b, "XDG_CACHE_HOME", n->root, "/cache");
	else
		put_env(b, "NAP_DATA", n->root, "/data");
	json_object_foreach (env, name, value) {
		/* what is nap's own has been said above */
		if (json_is_string(value) && name_fine(name) && !streq(name, "NAP_ROOT") &&
			!streq(name, "NAP_OUT") && !streq(name, "NAP_DATA"))
			put_env(b, name, "", json_string_value(value));
	}
}

static bool put(struct node *n, const char *name, const char *text, size_t len, struct err *e)
{
	const char *path = arena_printf(n->a, "%s/%s", n->self, name);

	/* its folder is closed to others, or the file is its user's alone */
	if (!file_replace(path, text, len, n->has_uid ? 0400 : 0444, e))
		return false;
	return !n->has_uid || lchown(path, n->uid, n->uid) == 0 ||
	       err_errno(e, "could not hand over \"%s\"", path);
}

/* what the unit may take on the disk; 0: nap does not say */
static struct limit {
	int64_t most, floor;
} limit_of(const json_t *unit)
{
	const json_t *disk = json_object_get(unit, "disk");

	return (struct limit){ json_integer_value(json_object_get(disk, "limit")),
		json_integer_value(json_object_get(disk, "floor")) };
}

static bool self_files(struct node *n, const json_t *unit, bool build, struct err *e)
{
	const char *start = text_of(unit, "start");
	auto_buf struct buf b;

	buf_init(&b, MAX_UNIT);
	if (!dir_make(n->self, 0755, e) ||
		(n->has_uid && (lchown(n->self, n->uid, n->uid) < 0 || chmod(n->self, 0500) < 0)))
		return err_errno(e, "could not create folder \"%s\"", n->self);
	env_file(n, unit, build, &b);
	if (b.failed)
		return err_set(e, ERR_TOO_LARGE, "too_large", "the environment is too large");
	if (!put(n, "env", b.data, b.len, e) || !put(n, "start", start, strlen(start), e))
		return false;
	buf_clear(&b);
	buf_printf(&b, "restart=%s\nport=%lld\nlistened=%d\n",
		build			    ? "no"
		: *text_of(unit, "restart") ? text_of(unit, "restart")
					    : "auto",
		streq(text_of(unit, "health"), "none")
			? 0LL
			: (long long)json_integer_value(json_object_get(unit, "port")),
		json_is_true(json_object_get(unit, "listened")));
	/* settings of the policy, where nap has others than nap-run's own */
	for (size_t i = 0; i < 4; i++) {
		static const char *const names[] = { "attempts", "window", "backoff_max",
			"steady" };
		json_t *value = json_object_get(json_object_get(unit, "policy"), names[i]);

		if (json_is_integer(value))
			buf_printf(&b, "%s=%lld\n", names[i], (long long)json_integer_value(value));
	}
	buf_printf(&b, "disk=%lld\n", (long long)limit_of(unit).most);
	return put(n, "policy", b.data, b.len, e);
}

/* home/PLACE/WHOSE, and home/UNIT/LINK that leads there */
static bool shared_folder(
	struct node *n, const char *place, const char *whose, const char *link, struct err *e)
{
	const char *above = arena_printf(n->a, "%s/%s", n->home, place);
	const char *at = arena_printf(n->a, "%s/%s", n->dir, link);

	if (!dir_make(above, n->exposed ? 0711 : 0700, e) ||
		!node_shared(n, arena_printf(n->a, "%s/%s", above, whose), e))
		return false;
	(void)unlink(at);
	return symlink(arena_printf(n->a, "../%s/%s", place, whose), at) == 0 ||
	       err_errno(e, "could not make link \"%s\"", at);
}

/* where units' programs walk through these folders themselves they must be let through, and see nothing */
static void open_way(struct node *n)
{
	if (!n->exposed)
		return;
	(void)chmod(n->home, 0711);
	(void)chmod(arena_printf(n->a, "%s/bin", n->home), 0755);
	(void)chmod(n->dir, 0711);
	(void)chmod(n->run, 0711);
}

static bool mark(struct node *n, struct err *e)
{
	const char *uid = arena_printf(n->a, "%u\n", n->uid);

	if (n->has_uid &&
		!file_replace(arena_printf(n->a, "%s/uid", n->dir), uid, strlen(uid), 0600, e))
		return false;
	return file_replace(arena_printf(n->a, "%s/alive", n->dir), n->invocation,
		strlen(n->invocation), 0600, e);
}

/* a cache is there to be lost: it must leave a build the most of its room */
static void trim_cache(struct node *n, int64_t most)
{
	struct disk_count c = { 0 };
	struct err e;

	files_measure(&c, arena_printf(n->a, "%s/cache/.", n->dir), most);
	if (disk_count_end(&c) > most / 2 &&
		!files_empty(arena_printf(n->a, "%s/cache/.", n->dir), &e))
		(void)die(&e);
}

/*
 * Who keeps more than it may, or nearly so, can still be started: nobody but the app itself can clean up $NAP_DATA. That
 * run may take what is kept and a little more, so it can go on to shrink but not to grow. It starts because a person asks:
 * what was ended by its disk is not started again by itself.
 */
static bool keep_limit(struct node *n, const json_t *unit, bool build, struct err *e)
{
	struct limit limit = limit_of(unit);
	char used[BYTES_TEXT_SIZE], most[BYTES_TEXT_SIZE], room[BYTES_TEXT_SIZE];
	int64_t kept, spare = MAX(limit.most / CLEAN_UP_PART, (int64_t)CLEAN_UP_MIN);

	if (limit.most <= 0)
		return true;
	if (build)
		trim_cache(n, limit.most);
	kept = node_kept_bytes(n, MIN(limit.most, INT64_MAX / COUNT_TIMES / 2) * COUNT_TIMES);
	if (kept > limit.most)
		(void)fprintf(stderr,
			"nap: disk: %s of %s used before it starts; this run may take %s more, to clean up\n",
			bytes_text(used, kept), bytes_text(most, limit.most),
			bytes_text(room, spare));
	return node_limit_keep(
		n, kept + spare > limit.most ? kept + spare : limit.most, limit.floor, e);
}

static bool make_all(struct node *n, const json_t *unit, struct err *e)
{
	bool build = streq(text_of(unit, "kind"), "build");
	const char *tree = text_of(unit, "tree");

	if (!node_folder(n, arena_printf(n->a, "%s/exit", n->dir), e) ||
		!node_folder(n, arena_printf(n->a, "%s/out", n->dir), e) ||
		!(build ? shared_folder(n, "cache", text_of(unit, "tenant"), "cache", e)
			: shared_folder(n, "data", text_of(unit, "app_id"), "data", e)))
		return false;
	return keep_limit(n, unit, build, e) && node_view_make(n, *tree ? tree : NULL, e) &&
	       self_files(n, unit, build, e) && mark(n, e);
}

int node_prepare(struct node *n)
{
	struct err e = { 0 };
	json_t *unit;
	bool ok;

	if (!dir_make(n->dir, 0700, &e))
		return die(&e);
	open_way(n);
	back_off(n);
	node_flush(n);
	unit = fetch(n);
	if (!unit)
		return 1;
	ok = make_all(n, unit, &e);
	json_decref(unit);
	if (!ok)
		(void)fprintf(stderr, "nap: could not prepare this instance: %s\n", e.msg);
	return ok ? 0 : 1;
}
