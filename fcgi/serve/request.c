#include "serve/request.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"

#include <ctype.h>
#include <sodium.h>

#define MAX_CURSOR_BYTES 200

static const char *cgi(char **env, const char *name)
{
	size_t n = strlen(name);

	for (; *env; env++)
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return (*env)[n + 1] ? *env + n + 1 : NULL;
	return NULL;
}

const char *request_cgi(const struct request *rq, const char *name)
{
	return cgi(rq->env, name);
}

const char *request_header(const struct request *rq, const char *name)
{
	char variable[80] = "HTTP_";
	size_t n = strlen(name);

	assert(n + 6 < sizeof variable);
	for (size_t i = 0; i <= n; i++)
		variable[5 + i] = name[i] == '-' ? '_' : (char)toupper((unsigned char)name[i]);
	if (streq(name, "Content-Type"))
		return cgi(rq->env, "CONTENT_TYPE");
	return cgi(rq->env, variable);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *percent_decode(struct arena *a, const char *s, size_t n, bool plus_is_blank)
{
	char *text = arena_alloc(a, n + 1);
	size_t to = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '+' && plus_is_blank)
			c = ' ';
		else if (c == '%') {
			int high, low;

			if (n - i < 3)
				return NULL;
			high = hex_digit(s[i + 1]);
			low = hex_digit(s[i + 2]);
			if (high < 0 || low < 0)
				return NULL;
			c = (unsigned char)(high * 16 + low);
			i += 2;
		}
		if (c < 0x20 || c == 0x7f)
			return NULL;
		text[to++] = (char)c;
	}
	return utf8_valid(text, to) ? text : NULL;
}

static enum door door_of(const char *word)
{
	static const char *const words[] = { [DOOR_PUBLIC] = "public",
		[DOOR_NODE] = "node",
		[DOOR_HOOK] = "hook",
		[DOOR_AUTH] = "auth" };

	for (size_t i = DOOR_PUBLIC; word && i < ARRAY_SIZE(words); i++)
		if (streq(words[i], word))
			return (enum door)i;
	return DOOR_SHUT;
}

static const char *id_of(struct arena *a, const char *given)
{
	unsigned char bytes[16];
	char hex[33];
	size_t n =
		given ? strspn(given,
				"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_")
		      : 0;

	if (n > 0 && n <= 64 && !given[n])
		return given;
	randombytes_buf(bytes, sizeof bytes);
	hex_encode(hex, bytes, sizeof bytes);
	return arena_strdup(a, hex);
}

bool request_parse(char **env, struct request *rq, struct err *e)
{
	const char *uri = cgi(env, "REQUEST_URI"), *length = cgi(env, "CONTENT_LENGTH");
	const char *method = cgi(env, "REQUEST_METHOD");
	size_t n;
	int64_t bytes = 0;

	rq->env = env;
	rq->door = door_of(cgi(env, "NAP_DOOR"));
	rq->id = id_of(rq->a, cgi(env, "REQUEST_ID"));
	rq->address = cgi(env, "REMOTE_ADDR") ? cgi(env, "REMOTE_ADDR") : "";
	rq->method = method ? method : "";
	rq->faults.a = rq->a;
	rq->started_ms = clock_mono_ms();
	rq->body = "";
	rq->path = "";
	/* a subrequest of nginx: its URI and method are those of the request that it is about */
	if (rq->door == DOOR_AUTH) {
		rq->method = "GET";
		rq->path = "/internal/v1/git-auth";
		return true;
	}
	if (!uri || uri[0] != '/' || !method)
		return err_set(e, ERR_INVALID, "malformed", "the request has no path");
	n = strcspn(uri, "?#");
	if (rq->door == DOOR_PUBLIC && starts_with(uri, "/api/v1/"))
		rq->path = arena_strndup(rq->a, uri + 7, n - 7);
	else if (rq->door != DOOR_PUBLIC)
		rq->path = arena_strndup(rq->a, uri, n);
	rq->query = uri[n] == '?' ? uri + n + 1 : NULL;
	if (rq->query && !percent_decode(rq->a, rq->query, strlen(rq->query), true))
		return err_set(e, ERR_INVALID, "malformed",
			"the query is no text: a bad percent sign, or not UTF-8");
	if (length && !parse_i64(length, 0, INT64_MAX, &bytes))
		return err_set(e, ERR_INVALID, "malformed", "Content-Length is no number");
	rq->has_length = length != NULL;
	rq->content_length = (size_t)bytes;
	return true;
}

const char *request_param(const struct request *rq, const char *name)
{
	for (size_t i = 0; i < rq->params_n; i++)
		if (streq(rq->params[i].name, name))
			return rq->params[i].value;
	assert(!"a parameter that the route's path does not have");
	return NULL;
}

const char *request_query(const struct request *rq, const char *name)
{
	for (const char *p = rq->query; p && *p;) {
		size_t n = strcspn(p, "&"), eq = strcspn(p, "=&");
		const char *key = percent_decode(rq->a, p, eq, true);

		if (key && streq(key, name))
			return eq == n ? "" : percent_decode(rq->a, p + eq + 1, n - eq - 1, true);
		p += n + (p[n] == '&');
	}
	return NULL;
}

bool request_query_i64(struct request *rq, const char *name, int64_t min, int64_t max, int64_t *ret)
{
	const char *text = request_query(rq, name);

	if (!text)
		return true;
	if (parse_i64(text, min, max, ret))
		return true;
	fault_add(&rq->faults, name, "out_of_range", "must be a whole number from %jd to %jd",
		(intmax_t)min, (intmax_t)max);
	return false;
}

const char *cursor_make(struct arena *a, const char *text)
{
	size_t n = strlen(text);
	size_t size = sodium_base64_ENCODED_LEN(n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	char *cursor = arena_alloc(a, size);

	return sodium_bin2base64(cursor, size, (const unsigned char *)text, n,
		sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

static const char *cursor_text(struct arena *a, const char *cursor)
{
	size_t n = strlen(cursor), len;
	char *text;

	if (n == 0 || n > MAX_CURSOR_BYTES * 2)
		return NULL;
	text = arena_alloc(a, n + 1);
	if (sodium_base642bin((unsigned char *)text, n, cursor, n, NULL, &len, NULL,
		    sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
		strlen(text) != len || !utf8_valid(text, len))
		return NULL;
	return text;
}

bool request_page(struct request *rq, int64_t *ret_limit, const char **ret_after, struct err *e)
{
	const char *cursor = request_query(rq, "after"), *after = NULL;
	int64_t limit = 50;

	(void)request_query_i64(rq, "limit", 1, MAX_LIST, &limit);
	if (cursor) {
		after = cursor_text(rq->a, cursor);
		if (!after)
			fault_add(&rq->faults, "after", "invalid_value",
				"must be the \"next\" of an earlier answer");
	}
	if (!faults_end(&rq->faults, e))
		return false;
	*ret_limit = limit;
	*ret_after = after;
	return true;
}

bool request_page_id(struct request *rq, int64_t *ret_limit, int64_t *ret_below, struct err *e)
{
	const char *after;
	int64_t below = 0;

	if (!request_page(rq, ret_limit, &after, e))
		return false;
	if (after && !parse_i64(after, 1, INT64_MAX, &below))
		fault_add(&rq->faults, "after", "invalid_value", "is no cursor of this list");
	*ret_below = below;
	return faults_end(&rq->faults, e);
}

bool request_if_match(const struct request *rq, int64_t version, struct err *e)
{
	const char *given = request_header(rq, "If-Match");
	char own[32];

	if (!given || streq(given, "*"))
		return true;
	(void)snprintf(own, sizeof own, "\"%jd\"", (intmax_t)version);
	for (const char *p = given; *p;) {
		size_t n = strcspn(p, ",");
		struct slice tag = slice_trim((struct slice){ p, n });

		if (slice_eq(tag, own))
			return true;
		p += n + (p[n] == ',');
	}
	return err_set(e, ERR_CONFLICT, "precondition_failed",
		"it was changed meanwhile: its ETag is now %s", own);
}

bool request_confirmed(struct request *rq, const char *name, struct err *e)
{
	const char *given = request_query(rq, "confirm");

	if (given && streq(given, name))
		return true;
	fault_add(&rq->faults, "confirm", "confirm_required", "must be \"%s\"", name);
	return err_set(e, ERR_INVALID, "confirm_required",
		"this cannot be undone: repeat the name as ?confirm=%s", name);
}

bool request_not_found(const struct request *rq, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "not_found", "%s does not exist", rq->path);
}
