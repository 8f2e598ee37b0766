#include "remote/engine.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"

#include <sys/random.h>
#include <time.h>

#define LIST_TIMEOUT_MS	  20000
#define CHANGE_TIMEOUT_MS 4000
#define USAGE_TIMEOUT_MS  2000
#define MAX_PAGES	  1000

static bool add_endpoint(struct engine *en, struct slice text, struct err *e)
{
	struct engine_endpoint *to = &en->endpoint[en->n];

	if (en->n == ENGINE_ENDPOINTS)
		return err_set(e, ERR_INVALID, "engine_invalid",
			"setting \"engine\" has more than %d endpoints", ENGINE_ENDPOINTS);
	if (text.n > 7 && memcmp(text.p, "unix://", 7) == 0 && text.n - 7 < sizeof to->socket) {
		(void)snprintf(to->socket, sizeof to->socket, "%.*s", (int)text.n - 7, text.p + 7);
		(void)snprintf(to->url, sizeof to->url, "http://fleet");
	} else if (text.n > 7 && (memcmp(text.p, "http://", 7) == 0) && text.n < sizeof to->url) {
		while (text.n > 8 && text.p[text.n - 1] == '/')
			text.n--;
		(void)snprintf(to->url, sizeof to->url, "%.*s", (int)text.n, text.p);
	} else {
		return err_set(e, ERR_INVALID, "engine_invalid",
			"endpoint \"%.*s\" is neither unix:///path nor http://host:port",
			(int)text.n, text.p);
	}
	en->n++;
	return true;
}

bool engine_open(struct engine *en, const char *endpoints, struct err *e)
{
	struct slice rest = slice_of(endpoints);

	*en = (struct engine){ 0 };
	while (rest.n) {
		const char *comma = memchr(rest.p, ',', rest.n);
		size_t n = comma ? (size_t)(comma - rest.p) : rest.n;
		struct slice one = slice_trim((struct slice){ rest.p, n });

		if (one.n && !add_endpoint(en, one, e))
			return false;
		rest.p += n + (comma ? 1 : 0);
		rest.n -= n + (comma ? 1 : 0);
	}
	if (en->n == 0)
		return err_set(
			e, ERR_INVALID, "engine_invalid", "setting \"engine\" names no endpoint");
	en->http = http_new();
	return true;
}

void engine_close(struct engine *en)
{
	http_free(en->http);
	en->http = NULL;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void pause_with_jitter(int try)
{
	uint16_t random = 0;
	struct timespec t = { 0 };

	(void)!getrandom(&random, sizeof random, 0);
	t.tv_nsec = (100 + random % 300) * 1000000L * try;
	t.tv_sec = t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	(void)nanosleep(&t, NULL);
}

/* One GET, at each endpoint in turn until one answers 200. */
static bool get(struct engine *en, const char *path, struct arena *a, json_t **ret, struct err *e)
{
	struct err last = { 0 };

	for (size_t i = 0; i < en->n; i++) {
		size_t k = (en->good + i) % en->n;
		struct engine_endpoint *at = &en->endpoint[k];
		char *url = arena_printf(a, "%s/fleet/v1%s", at->url, path);
		struct http_call call = { .method = "GET",
			.url = url,
			.socket = at->socket[0] ? at->socket : NULL,
			.timeout_ms = LIST_TIMEOUT_MS,
			.max_bytes = MAX_ENGINE_ANSWER };
		json_error_t je;

		if (!http_one(en->http, &call)) {
			last = call.err;
		} else if (call.status != 200) {
			(void)err_set(
				&last, ERR_UPSTREAM, "unreachable", "status %ld", call.status);
		} else {
			*ret = json_loadb(call.answer.data, call.answer.len, 0, &je);
			if (!*ret)
				(void)err_set(&last, ERR_UPSTREAM, "unreachable", "broken JSON: %s",
					je.text);
		}
		http_call_release(&call);
		if (*ret) {
			en->good = k;
			return true;
		}
	}
	(void)err_set(
		e, ERR_UPSTREAM, "engine_unavailable", "the engine does not answer: %s", last.msg);
	return false;
}

static void json_free(void *p)
{
	json_decref(p);
}

/* base64's + would be read as a blank, and its / and = are better said plainly (RFC 3986 section 2.1) */
static const char *escape(struct arena *a, const char *token)
{
	char *text = arena_alloc(a, strlen(token) * 3 + 1), *to = text;

	for (; *token; token++) {
		if (strchr("+/=", *token))
			to += snprintf(to, 4, "%%%02X", (unsigned int)*token);
		else
			*to++ = *token;
	}
	return text;
}

/* Calls take for each entry of all pages of a list; the entries live as long as a. */
static bool each_entry(struct engine *en, const char *resource, const char *member, struct arena *a,
	void (*take)(void *ctx, const json_t *), void *ctx, struct err *e)
{
	const char *path = resource;

	for (int page = 0; page < MAX_PAGES; page++) {
		json_t *answer = NULL, *entries;
		const char *token;

		if (!get(en, path, a, &answer, e))
			return false;
		arena_defer(a, json_free, answer);
		entries = json_object_get(answer, member);
		for (size_t i = 0; i < json_array_size(entries); i++)
			take(ctx, json_array_get(entries, i));
		token = text_of(answer, "nextPageToken");
		if (!token[0])
			return true;
		path = arena_printf(a, "%s?nextPageToken=%s", resource, escape(a, token));
	}
	return err_set(e, ERR_UPSTREAM, "engine_unavailable",
		"the engine's list of %s does not end", member);
}

/* a growing array in an arena */
struct list {
	struct arena *a;
	void *items;
	size_t n, size, item;
	const char *installation;
};

static void *list_add(struct list *l)
{
	if (l->n == l->size) {
		size_t size = MAX(l->size * 2, (size_t)64);
		void *bigger = arena_alloc(l->a, size * l->item);

		if (l->n)
			memcpy(bigger, l->items, l->n * l->item);
		l->items = bigger;
		l->size = size;
	}
	return (char *)l->items + l->n++ * l->item;
}

static uint64_t hash_add(uint64_t h, const char *s)
{
	do {
		h = (h ^ (unsigned char)*s) * 0x100000001b3; /* FNV-1a; the NUL is a border */
	} while (*s++);
	return h;
}

uint64_t engine_options_hash(const json_t *options)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < json_array_size(options); i++) {
		const json_t *o = json_array_get(options, i);

		h = hash_add(h, text_of(o, "section"));
		h = hash_add(h, text_of(o, "name"));
		h = hash_add(h, text_of(o, "value"));
	}
	return json_array_size(options) ? h : 0;
}

static bool is_ours(const json_t *unit, const char *installation)
{
	json_t *options = json_object_get(unit, "options");

	for (size_t i = 0; i < json_array_size(options); i++) {
		const json_t *o = json_array_get(options, i);

		if (streq(text_of(o, "section"), "X-Nap") &&
			streq(text_of(o, "name"), "Installation"))
			return streq(text_of(o, "value"), installation);
	}
	return false;
}

static void take_unit(void *ctx, const json_t *u)
{
	struct list *l = ctx;

	*(struct engine_unit *)list_add(l) = (struct engine_unit){ text_of(u, "name"),
		text_of(u, "desiredState"), text_of(u, "currentState"), text_of(u, "machineID"),
		is_ours(u, l->installation), engine_options_hash(json_object_get(u, "options")) };
}

static void take_state(void *ctx, const json_t *s)
{
	*(struct engine_state *)list_add(ctx) = (struct engine_state){ text_of(s, "name"),
		text_of(s, "machineID"), text_of(s, "hash"), text_of(s, "systemdLoadState"),
		text_of(s, "systemdActiveState"), text_of(s, "systemdSubState") };
}

static void free_text(void *p)
{
	free(p);
}

static void take_machine(void *ctx, const json_t *m)
{
	struct list *l = ctx;
	char *metadata = json_dumps(json_object_get(m, "metadata"), JSON_COMPACT | JSON_SORT_KEYS);

	if (metadata)
		arena_defer(l->a, free_text, metadata);
	*(struct engine_machine *)list_add(l) = (struct engine_machine){ text_of(m, "id"),
		text_of(m, "primaryIP"), metadata ? metadata : "{}" };
}

/* drops entries of the same name (and machine) as an earlier one: pages overlap where units came or went */
static size_t drop_doubles(
	void *items, size_t n, size_t item, int (*compare)(const void *, const void *))
{
	size_t kept = 0;

	qsort(items, n, item, compare);
	for (size_t i = 0; i < n; i++) {
		char *at = (char *)items + i * item,
		     *last = (char *)items + (kept ? kept - 1 : 0) * item;

		if (kept && compare(last, at) == 0)
			continue;
		memmove((char *)items + kept++ * item, at, item);
	}
	return kept;
}

static int compare_units(const void *a, const void *b)
{
	return strcmp(((const struct engine_unit *)a)->name, ((const struct engine_unit *)b)->name);
}

static int compare_states(const void *a, const void *b)
{
	const struct engine_state *x = a, *y = b;
	int by_name = strcmp(x->unit, y->unit);

	return by_name ? by_name : strcmp(x->machine, y->machine);
}

static int compare_machines(const void *a, const void *b)
{
	return strcmp(
		((const struct engine_machine *)a)->id, ((const struct engine_machine *)b)->id);
}

bool engine_units(struct engine *en, const char *installation, struct arena *a,
	struct engine_unit **ret, size_t *ret_n, struct err *e)
{
	struct list l = { .a = a, .item = sizeof **ret, .installation = installation };

	if (!each_entry(en, "/units", "units", a, take_unit, &l, e))
		return false;
	*ret = l.items;
	*ret_n = l.n ? drop_doubles(l.items, l.n, l.item, compare_units) : 0;
	return true;
}

bool engine_states(
	struct engine *en, struct arena *a, struct engine_state **ret, size_t *ret_n, struct err *e)
{
	struct list l = { .a = a, .item = sizeof **ret };

	if (!each_entry(en, "/state", "states", a, take_state, &l, e))
		return false;
	*ret = l.items;
	*ret_n = l.n ? drop_doubles(l.items, l.n, l.item, compare_states) : 0;
	return true;
}

bool engine_machines(struct engine *en, struct arena *a, struct engine_machine **ret, size_t *ret_n,
	struct err *e)
{
	struct list l = { .a = a, .item = sizeof **ret };

	if (!each_entry(en, "/machines", "machines", a, take_machine, &l, e))
		return false;
	*ret = l.items;
	*ret_n = l.n ? drop_doubles(l.items, l.n, l.item, compare_machines) : 0;
	return true;
}

static char *change_body(const struct engine_change *c)
{
	json_auto_t *body = json_pack("{s:s}", "desiredState", c->desired);
	char *text;

	if (c->options)
		(void)json_object_set_new(body, "options", json_deep_copy(c->options));
	text = json_dumps(body, JSON_COMPACT);
	if (!text)
		abort();
	return text;
}

static void judge(struct engine_change *c, const struct http_call *call)
{
	if (!call->ok) {
		c->err = call->err;
		return;
	}
	c->done =
		call->status == 201 || call->status == 204 || (!c->desired && call->status == 404);
	if (!c->done)
		(void)err_set(&c->err, call->status >= 500 ? ERR_UPSTREAM : ERR_INVALID,
			"engine_refused", "the engine answered %ld to unit \"%s\": %.120s",
			call->status, c->unit, call->answer.data);
}

static bool before(void *ctx)
{
	return clock_mono_ms() < *(int64_t *)ctx;
}

/* up to n changes, once, at one endpoint; returns how many are worth another try */
static size_t apply_some(struct engine *en, struct engine_change **some, size_t n, int64_t *end)
{
	auto_arena struct arena a = { 0 };
	struct engine_endpoint *at = &en->endpoint[en->good];
	struct http_call *calls = arena_alloc(&a, (n + 1) * sizeof *calls);
	int64_t now = clock_mono_ms();
	size_t left = 0;

	for (size_t i = 0; i < n; i++) {
		const struct engine_change *c = some[i];
		char *body = NULL;

		if (c->desired) {
			body = change_body(c);
			arena_defer(&a, free_text, body);
		}
		calls[i] = (struct http_call){ .method = c->desired ? "PUT" : "DELETE",
			.url = arena_printf(&a, "%s/fleet/v1/units/%s", at->url, c->unit),
			.socket = at->socket[0] ? at->socket : NULL,
			.body = body,
			.timeout_ms = MIN(MAX(*end - now, 1), CHANGE_TIMEOUT_MS),
			.max_bytes = 64 * 1024,
			.go_on = before,
			.ctx = end };
	}
	(void)http_all(en->http, calls, n);
	for (size_t i = 0; i < n; i++) {
		judge(some[i], &calls[i]);
		left += !some[i]->done && some[i]->err.kind != ERR_INVALID;
		http_call_release(&calls[i]);
	}
	return left;
}

/* all that are not done, once, in pieces small enough to end in time */
static size_t apply_once(struct engine *en, struct engine_change *changes, size_t n, int64_t *end)
{
	struct engine_change *some[4 * HTTP_PARALLEL];
	size_t k = 0, left = 0;

	for (size_t i = 0; i < n; i++) {
		if (!changes[i].done && changes[i].err.kind != ERR_INVALID)
			some[k++] = &changes[i];
		if (k == 0 || (k < ARRAY_SIZE(some) && i + 1 < n))
			continue;
		if (before(end))
			left += apply_some(en, some, k, end);
		k = 0;
	}
	return left;
}

bool engine_apply(struct engine *en, struct engine_change *changes, size_t n, int64_t budget_ms)
{
	int64_t end = clock_mono_ms() + budget_ms;
	bool all = true;

	for (size_t i = 0; i < n; i++) {
		changes[i].done = false;
		changes[i].err = (struct err){ 0 };
	}
	for (int try = 1; try <= 4; try++) {
		int64_t left = end - clock_mono_ms();

		/* a first round that took long leaves nothing for a second: the next burst is as good */
		if (left < 200 || apply_once(en, changes, n, &end) == 0)
			break;
		en->good = (en->good + 1) % en->n;
		if (end - clock_mono_ms() > 400 * try)
			pause_with_jitter(try);
	}
	for (size_t i = 0; i < n; i++)
		all = all && changes[i].done;
	return all;
}

static int64_t number_of(const json_t *o, const char *key)
{
	const json_t *n = json_object_get(o, key);

	return json_is_integer(n) ? json_integer_value(n) : -1;
}

bool engine_usage(struct engine *en, const char *socket, struct arena *a, struct engine_usage **ret,
	size_t *ret_n, const char **ret_disk, struct err *e)
{
	struct list l = { .a = a, .item = sizeof **ret };
	struct http_call call = { .method = "GET",
		.url = "http://agent/nap/v1/usage",
		.socket = socket,
		.timeout_ms = USAGE_TIMEOUT_MS,
		.max_bytes = MAX_ENGINE_ANSWER };
	json_t *answer = NULL, *units;
	json_error_t je;
	char *disk;

	if (http_one(en->http, &call) && call.status == 200)
		answer = json_loadb(call.answer.data, call.answer.len, 0, &je);
	http_call_release(&call);
	if (!answer)
		return err_set(e, ERR_UPSTREAM, "engine_unavailable",
			"the agent does not tell what its units take");
	arena_defer(a, json_free, answer);
	units = json_object_get(answer, "units");
	for (size_t i = 0; i < json_array_size(units); i++) {
		const json_t *u = json_array_get(units, i);

		*(struct engine_usage *)list_add(&l) = (struct engine_usage){ text_of(u, "name"),
			number_of(u, "memory_bytes"), number_of(u, "cpu_usec") };
	}
	disk = json_dumps(json_object_get(answer, "disk"), JSON_COMPACT);
	*ret_disk = arena_strdup(a, disk ? disk : "[]");
	free(disk);
	*ret = l.items;
	*ret_n = l.n;
	return true;
}
