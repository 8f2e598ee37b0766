#include "cli/rest.h"

#include "base/buf.h"
#include "base/text.h"
#include "cli/suggest.h"
#include "remote/http.h"

#include <stdarg.h>
#include <sys/random.h>
#include <time.h>

#define TIMEOUT_MS 30000
#define FILE_MS	   (30 * 60 * 1000)
#define MAX_ANSWER (256 * 1024 * 1024)
#define MAX_EVENT  (16 * 1024 * 1024)
#define TRIES	   6
#define USER_AGENT "User-Agent: nap/" PACKAGE_VERSION

const char *rest_text(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

int64_t rest_number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

const char *rest_shown(struct cli *c, const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	if (json_is_string(v))
		return json_string_value(v);
	if (json_is_integer(v))
		return arena_printf(&c->a, "%lld", (long long)json_integer_value(v));
	if (json_is_real(v))
		return arena_printf(&c->a, "%.6g", json_real_value(v));
	return json_is_boolean(v) ? json_is_true(v) ? "yes" : "no" : NULL;
}

const char *rest_path(struct cli *c, const char *fmt, ...)
{
	auto_buf struct buf b;
	va_list ap;

	buf_init(&b, 1024 * 1024);
	va_start(ap, fmt);
	for (const char *p = fmt; *p; p++) {
		if (*p != '%') {
			buf_putc(&b, *p);
			continue;
		}
		assert(*++p == 's');
		for (const char *s = va_arg(ap, const char *); *s; s++)
			if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_~",
				    *s))
				buf_putc(&b, *s);
			else
				buf_printf(&b, "%%%02X", (unsigned char)*s);
	}
	va_end(ap);
	return arena_strdup(&c->a, b.data);
}

bool rest_print_json(const struct cli *c, const json_t *body)
{
	if (!c->json)
		return false;
	(void)json_dumpf(body, c->out.file, c->out.tty ? JSON_INDENT(2) : JSON_COMPACT);
	(void)fputc('\n', c->out.file);
	return true;
}

/* -- what went wrong ---------------------------------------------------------------------------------------------- */

static int exit_of(long status)
{
	return status == 404					 ? CLI_NOT_FOUND
	       : status == 429 || (status > 501 && status < 505) ? CLI_UNREACHABLE
	       : status >= 500					 ? CLI_FAILED
								 : CLI_REFUSED;
}

/* of an app or a group that does not exist: the one that was perhaps meant */
static const char *near_name(struct cli *c, const char *path)
{
	const char *kind = starts_with(path, "/apps/")	   ? "/apps"
			   : starts_with(path, "/groups/") ? "/groups"
							   : NULL;
	struct rest_request rq = { .may_fail = true };
	struct rest_answer an;
	const char **names, *name;
	const json_t *items, *one;
	size_t i, n = 0;

	if (!kind)
		return NULL;
	rq.path = arena_printf(&c->a, "%s?limit=1000", kind);
	if (!rest_call(c, &rq, &an))
		return NULL;
	items = json_object_get(an.json, "items");
	names = arena_alloc(&c->a, (json_array_size(items) + 1) * sizeof *names);
	json_array_foreach (items, i, one)
		names[n++] = rest_text(one, "name");
	path += strlen(kind) + 1;
	name = arena_strndup(&c->a, path, strcspn(path, "/?"));
	for (i = 0; i < n; i++)
		if (streq(names[i], name)) /* it is there: something of it is not */
			return NULL;
	return suggest(name, names, n);
}

static void tell_problem(struct cli *c, const char *path, const struct rest_answer *an)
{
	const char *detail = rest_text(an->json, "detail"), *code = rest_text(an->json, "code");
	const char *id = rest_text(an->json, "instance"), *hint = rest_text(an->json, "suggestion");
	const char *near = an->status == 404 ? near_name(c, path) : NULL;
	const json_t *row;
	size_t i;

	if (c->json && an->json)
		(void)rest_print_json(c, an->json);
	if (!*code) {
		(void)cli_fail(
			c, 0, "%s answers %ld, which is no answer of a nap", c->url, an->status);
		return;
	}
	(void)cli_fail(c, 0, "%s (%s, request %s)", detail, code, id);
	json_array_foreach (json_object_get(an->json, "errors"), i, row)
		(void)fprintf(c->err.file, "  %s: %s\n", term_text(&c->a, rest_text(row, "field")),
			term_text(&c->a, rest_text(row, "detail")));
	if (*hint)
		(void)fprintf(c->err.file, "  a free name is \"%s\"\n", hint);
	if (near)
		(void)fprintf(c->err.file, "  did you mean \"%s\"?\n", near);
	if (an->status == 401)
		(void)fprintf(c->err.file, "  log in with: nap login %s\n", c->url);
}

/* -- one request -------------------------------------------------------------------------------------------------- */

struct sending {
	struct cli *c;
	const struct rest_request *rq;
	struct http_call *call;
	int64_t told; /* bytes */
};

static bool goes_on(void *ctx)
{
	struct sending *s = ctx;

	if (s->rq->on_sent && s->call->sent != s->told)
		s->rq->on_sent(s->c, s->call->sent, s->rq->file_bytes);
	s->told = s->call->sent;
	return !cli_interrupted();
}

static const char *key_header(struct arena *a)
{
	unsigned char bytes[16];
	char hex[33];

	if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
		abort();
	hex_encode(hex, bytes, sizeof bytes);
	return arena_printf(a, "Idempotency-Key: %s", hex);
}

/* the request's own headers, or the token; and a key where the method needs one */
static const char *const *headers_of(struct cli *c, const struct rest_request *rq)
{
	const char **v = arena_alloc(&c->a, 12 * sizeof *v);
	size_t n = 0;

	v[n++] = USER_AGENT;
	if (!rq->headers && *c->token)
		v[n++] = arena_printf(&c->a, "Authorization: Bearer %s", c->token);
	for (const char *const *p = rq->headers; p && *p && n < 9; p++)
		v[n++] = *p;
	if (streq(rq->method ? rq->method : "GET", "POST"))
		v[n++] = key_header(&c->a);
	return v;
}

static void pause_s(int64_t seconds)
{
	for (int64_t i = 0; i < seconds * 10 && !cli_interrupted(); i++)
		(void)nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
}

/* whether the same may be sent once more, and after how long */
static bool again(
	const struct rest_request *rq, const struct http_call *call, int tried, int64_t *ret_s)
{
	const char *method = call->method;

	*ret_s = call->ok && call->retry_after ? MIN(call->retry_after, INT64_C(10)) : tried;
	if (tried == TRIES || rq->may_fail || cli_interrupted())
		return false;
	if (call->ok && (call->status == 429 || call->status == 503))
		return true;
	if (rq->headers || streq(method, "PATCH") || streq(method, "DELETE"))
		return false;
	return call->ok ? call->status == 502 || call->status == 504
			: !streq(call->err.code, "no_connection");
}

static struct http *client(struct cli *c)
{
	if (!c->http)
		c->http = http_new();
	return c->http;
}

static void drop_json(void *json)
{
	json_decref(json);
}

static void take_answer(struct cli *c, const struct http_call *call, struct rest_answer *ret)
{
	*ret = (struct rest_answer){ .status = call->status,
		.text = arena_strndup(&c->a, call->answer.data, call->answer.len),
		.header = arena_strdup(&c->a, call->header),
		.json = json_loadb(call->answer.data, call->answer.len, 0, NULL) };
	if (ret->json)
		arena_defer(&c->a, drop_json, ret->json);
}

static bool not_reached(struct cli *c, const struct http_call *call)
{
	c->exit = cli_interrupted() ? CLI_INTERRUPTED : CLI_UNREACHABLE;
	if (!cli_interrupted())
		(void)cli_fail(c, 0, "%s cannot be reached: %s", c->url, call->err.msg);
	return false;
}

bool rest_call(struct cli *c, const struct rest_request *rq, struct rest_answer *ret)
{
	auto_free char *body = rq->body ? json_dumps(rq->body, JSON_COMPACT) : NULL;
	struct http_call call = { .method = rq->method ? rq->method : "GET",
		.url = arena_printf(&c->a, "%s/api/v1%s", c->url, rq->path),
		.body = body,
		.type = rq->type,
		.file = rq->file,
		.file_bytes = rq->file_bytes,
		.accept = rq->accept ? rq->accept : "application/json",
		.headers = headers_of(c, rq),
		.wanted = rq->wanted,
		.timeout_ms = (rq->file_bytes ? FILE_MS : TIMEOUT_MS) + rq->wait_s * 1000,
		.max_bytes = MAX_ANSWER,
		.go_on = goes_on };
	struct sending sending = { .c = c, .rq = rq, .call = &call };
	int64_t wait;

	json_decref(rq->body);
	call.ctx = &sending;
	for (int tried = 1;; tried++) {
		(void)http_one(client(c), &call);
		if (!again(rq, &call, tried, &wait))
			break;
		http_call_release(&call);
		pause_s(wait);
	}
	if (!call.ok) {
		http_call_release(&call);
		return rq->may_fail ? false : not_reached(c, &call);
	}
	take_answer(c, &call, ret);
	http_call_release(&call);
	if (ret->status < 300 || rq->may_fail || (ret->status == 404 && rq->may_miss))
		return true;
	c->exit = exit_of(ret->status);
	tell_problem(c, rq->path, ret);
	return false;
}

static bool has_json(struct cli *c, const struct rest_answer *an)
{
	if (json_is_object(an->json) || an->status == 204)
		return true;
	c->exit = CLI_FAILED;
	(void)cli_fail(c, 0, "%s does not answer as a nap does", c->url);
	return false;
}

bool rest_get(struct cli *c, const char *path, json_t **ret)
{
	return rest_send(c, "GET", path, NULL, ret);
}

bool rest_send(struct cli *c, const char *method, const char *path, json_t *body, json_t **ret)
{
	struct rest_request rq = { .method = method, .path = path, .body = body };
	struct rest_answer an;

	if (!rest_call(c, &rq, &an) || !has_json(c, &an))
		return false;
	*ret = an.json;
	return true;
}

bool rest_list(struct cli *c, const char *path, const char *query, json_t **ret)
{
	json_t *items = json_array(), *all = json_pack("{s:o, s:n}", "items", items, "next");
	const char *after = "";

	arena_defer(&c->a, drop_json, all);
	do {
		json_t *page;

		if (!rest_get(
			    c, arena_printf(&c->a, "%s?%slimit=1000%s", path, query, after), &page))
			return false;
		(void)json_array_extend(items, json_object_get(page, "items"));
		after = rest_text(page, "next");
		after = *after ? rest_path(c, "&after=%s", after) : "";
	} while (*after);
	*ret = all;
	return true;
}

/* -- streams (WHATWG HTML, "Server-sent events") ------------------------------------------------------------------- */

struct stream {
	struct cli *c;
	rest_event_fn *on_event;
	void *ctx;
	struct buf line, data;
	char event[64], id[128];
	bool ended; /* on_event said so */
};

static void take_event(struct stream *s)
{
	json_auto_t *data =
		s->data.len ? json_loadb(s->data.data, s->data.len, JSON_DECODE_ANY, NULL) : NULL;

	if (data && !s->on_event(s->ctx, s->event, data))
		s->ended = true;
	buf_clear(&s->data);
	s->event[0] = '\0';
}

static void take_line(struct stream *s, struct slice line)
{
	struct slice name = { line.p, MIN(line.n, strcspn(line.p, ":")) };
	struct slice value = { line.p + name.n, line.n - name.n };

	if (line.n == 0) {
		take_event(s);
		return;
	}
	if (value.n && *value.p == ':') {
		value.p++;
		value.n--;
	}
	if (value.n && *value.p == ' ') {
		value.p++;
		value.n--;
	}
	if (slice_eq(name, "data"))
		buf_add(&s->data, value.p, value.n);
	else if (slice_eq(name, "event"))
		(void)snprintf(s->event, sizeof s->event, "%.*s", (int)value.n, value.p);
	else if (slice_eq(name, "id"))
		(void)snprintf(s->id, sizeof s->id, "%.*s", (int)value.n, value.p);
}

static bool take_bytes(void *ctx, const char *p, size_t n)
{
	struct stream *s = ctx;

	while (n && !s->ended) {
		const char *end = memchr(p, '\n', n);
		size_t len = end ? (size_t)(end - p) : n;

		buf_add(&s->line, p, len);
		if (end) {
			take_line(s, (struct slice){ s->line.data, s->line.len });
			buf_clear(&s->line);
		}
		len += end != NULL;
		p += len;
		n -= len;
	}
	return !s->ended;
}

static bool stream_goes_on(void *ctx)
{
	(void)ctx;
	return !cli_interrupted();
}

/* one connection's life; true: the stream is to be taken up again */
static bool stream_once(struct stream *s, const char *path, bool *ret_ok)
{
	struct cli *c = s->c;
	const struct rest_request rq = { .path = path };
	struct http_call call = { .method = "GET",
		.url = arena_printf(&c->a, "%s/api/v1%s", c->url, path),
		.accept = "text/event-stream",
		.max_bytes = MAX_EVENT,
		.on_data = take_bytes,
		.go_on = stream_goes_on,
		.ctx = s };
	const char **headers = (const char **)(uintptr_t)headers_of(c, &rq);
	struct rest_answer an;
	bool more = false;

	for (size_t i = 0; s->id[0]; i++)
		if (!headers[i]) {
			headers[i] = arena_printf(&c->a, "Last-Event-ID: %s", s->id);
			break;
		}
	call.headers = headers;
	buf_clear(&s->line);
	buf_clear(&s->data);
	(void)http_one(client(c), &call);
	/* 204: it was the last line already */
	*ret_ok = s->ended || cli_interrupted() || (call.ok && call.status == 204);
	if (*ret_ok || !call.ok) {
		/* what broke off goes on; where nothing listens that is told */
		more = !*ret_ok && s->id[0];
		if (!*ret_ok && !more)
			(void)not_reached(c, &call);
	} else if (call.status < 300 || call.status == 429 || call.status >= 502) {
		more = true;
	} else {
		take_answer(c, &call, &an);
		c->exit = exit_of(an.status);
		tell_problem(c, path, &an);
	}
	http_call_release(&call);
	return more;
}

bool rest_stream(struct cli *c, const char *path, rest_event_fn *on_event, void *ctx)
{
	struct stream s = { .c = c, .on_event = on_event, .ctx = ctx };
	bool ok = false;

	buf_init(&s.line, MAX_EVENT);
	buf_init(&s.data, MAX_EVENT);
	while (stream_once(&s, path, &ok))
		pause_s(1);
	buf_release(&s.line);
	buf_release(&s.data);
	return ok;
}
