#include "collect/source.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#define FOLLOW_MS \
	(10 * 60 * 1000) /* then the connection is made anew: a dead one costs that at most */
#define COUNT	      100000000 /* entries of one connection: gatewayd's range wants a number */
#define AGAIN	      4096	/* entries of a first connection that may be known already */
#define PENDING_MS    5000	/* a piece of a line waits so long for the next */
#define BACK_OFF_MIN  500
#define BACK_OFF_MAX  30000
#define BACK_OFF_LOST 600000 /* the machine is none of the engine's any more */

struct source {
	struct sink *sink;
	char *key, *url, *socket, *file;
	char cursor[SOURCE_MAX_CURSOR], kept[SOURCE_MAX_CURSOR]; /* "": none; kept is the file's */
	char range[SOURCE_MAX_CURSOR + 40];
	char *address;
	struct export parser;
	struct lines *lines;
	struct http_call call;
	bool running, heard, over;
	size_t again, behind; /* entries that may be known already; entries taken since cursor */
	int64_t begin_at, back_off;
	int64_t lost_at; /* its machine is not listed since, CLOCK_MONOTONIC; 0: it is */
	struct err err;
};

static bool write_line(void *ctx, const struct log_line *line)
{
	struct source *s = ctx;

	return sink_write(s->sink, line, s->again > 0);
}

static bool take_entry(void *ctx, const struct export_entry *entry)
{
	struct source *s = ctx;
	struct slice cursor = entry->field[EXPORT_CURSOR];

	if (!lines_take(s->lines, entry))
		return false;
	if (s->again > 0)
		s->again--;
	s->behind++;
	/* what waits for its next piece is not written yet: the place stays before it */
	if (!lines_pending(s->lines) && cursor.n < sizeof s->cursor) {
		memcpy(s->cursor, cursor.p, cursor.n);
		s->cursor[cursor.n] = '\0';
		s->behind = 0;
	}
	return true;
}

static bool take_bytes(void *ctx, const char *p, size_t n)
{
	struct source *s = ctx;

	s->heard = true;
	return export_feed(&s->parser, p, n, &s->err);
}

static void read_place(struct source *s)
{
	auto_arena struct arena a = { 0 };
	struct err e;
	char *text;

	if (!file_read(s->file, sizeof s->cursor - 1, &a, &text, NULL, &e))
		return;
	(void)snprintf(s->cursor, sizeof s->cursor, "%.*s", (int)strcspn(text, "\n"), text);
	(void)snprintf(s->kept, sizeof s->kept, "%s", s->cursor);
	s->again = s->cursor[0] ? AGAIN : 0;
}

struct source *source_new(
	struct sink *sink, const char *dir, const char *key, const char *url, const char *socket)
{
	struct source *s = xcalloc(1, sizeof *s);

	s->sink = sink;
	s->key = xstrdup(key);
	s->url = xstrdup(url);
	s->socket = socket ? xstrdup(socket) : NULL;
	s->file = xasprintf("%s/cursor/%s", dir, key);
	s->back_off = BACK_OFF_MIN;
	s->lines = lines_new(write_line, s);
	export_init(&s->parser, take_entry, s);
	read_place(s);
	return s;
}

void source_free(struct source *s)
{
	if (!s)
		return;
	export_release(&s->parser);
	lines_free(s->lines);
	http_call_release(&s->call);
	free(s->key);
	free(s->url);
	free(s->socket);
	free(s->file);
	free(s->address);
	free(s);
}

bool source_is(const struct source *s, const char *key, const char *url)
{
	return streq(s->key, key) && streq(s->url, url);
}

const char *source_key(const struct source *s)
{
	return s->key;
}

void source_listed(struct source *s, bool listed, int64_t now_ms)
{
	if (listed && s->lost_at)
		s->back_off = BACK_OFF_MIN;
	if (listed || !s->lost_at)
		s->lost_at = listed ? 0 : now_ms;
}

bool source_over(const struct source *s, int64_t now_ms)
{
	return s->over || (s->lost_at && now_ms - s->lost_at >= SOURCE_KEEP_MS);
}

void source_end(struct source *s)
{
	s->over = true;
}

bool source_idle(const struct source *s)
{
	return !s->running;
}

int64_t source_back_off(int64_t before_ms, bool listed)
{
	return MIN(before_ms * 2, (int64_t)(listed ? BACK_OFF_MAX : BACK_OFF_LOST));
}

static bool goes_on(void *ctx)
{
	return !((struct source *)ctx)->over;
}

void source_range(char ret[SOURCE_MAX_CURSOR + 40], const char *cursor)
{
	(void)snprintf(ret, SOURCE_MAX_CURSOR + 40, "entries=%s:1:%d", cursor, COUNT);
}

void source_begin(struct source *s, struct http *h)
{
	if (s->running || s->over || clock_mono_ms() < s->begin_at)
		return;
	export_restart(&s->parser);
	lines_restart(s->lines);
	s->again = MAX(s->again, s->behind);
	s->behind = 0;
	s->heard = false;
	s->err = (struct err){ 0 };
	free(s->address);
	s->address = xasprintf("%s/entries?follow%s", s->url, s->cursor[0] ? "" : "&boot");
	source_range(s->range, s->cursor);
	http_call_release(&s->call);
	s->call = (struct http_call){
		.method = "GET",
		.url = s->address,
		.socket = s->socket,
		.accept = "application/vnd.fdo.journal",
		.range = s->cursor[0] ? s->range : NULL,
		.timeout_ms = FOLLOW_MS,
		.max_bytes = 4096,
		.on_data = take_bytes,
		.go_on = goes_on,
		.ctx = s,
	};
	s->running = true;
	http_begin(h, &s->call);
}

/* what ended it, for the log; NULL: nothing worth a word */
static const char *why(const struct source *s)
{
	if (s->err.msg[0])
		return s->err.msg;
	if (!s->call.ok)
		return s->call.err.kind == ERR_TIMEOUT && s->heard ? NULL : s->call.err.msg;
	return s->call.status >= 300 ? s->call.answer.data : NULL;
}

bool source_ended(struct source *s, const struct http_call *call)
{
	const char *reason;

	if (call != &s->call)
		return false;
	s->running = false;
	if (s->over)
		return true;
	reason = why(s);
	if (reason && (s->heard || s->back_off == BACK_OFF_MIN))
		LOG(WARNING, "logs.source_lost", KV("machine", s->key), KV("why", reason));
	if (s->call.ok && s->call.status == 400 && s->cursor[0]) {
		LOG(WARNING, "logs.cursor_unknown", KV("machine", s->key));
		s->cursor[0] = '\0';
		s->again = AGAIN;
	}
	if (s->heard)
		s->back_off = BACK_OFF_MIN;
	s->begin_at = clock_mono_ms() + s->back_off;
	s->back_off = source_back_off(s->back_off, !s->lost_at);
	return true;
}

void source_keep(struct source *s)
{
	auto_free char *text = NULL;
	struct err e;

	if (streq(s->cursor, s->kept))
		return;
	text = xasprintf("%s\n", s->cursor);
	if (file_replace(s->file, text, strlen(text), 0600, &e))
		(void)snprintf(s->kept, sizeof s->kept, "%s", s->cursor);
	else
		LOG(WARNING, "logs.cursor_not_kept", KV("error", e.msg));
}

void source_tick(struct source *s)
{
	/* where it fails the connection is at its end too: the entries come again */
	if (lines_pending(s->lines) && !lines_flush(s->lines, PENDING_MS))
		lines_restart(s->lines);
	source_keep(s);
}
