#include "serve/route.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "serve/idempotency.h"
#include "serve/session.h"
#include "serve/upload.h"
#include "serve/wait.h"

#include <strings.h>

#define MAX_TRIES 4 /* of a transaction that met another */

/* The body ------------------------------------------------------------------------------------------------------ */

/* the media type without its parameters */
static struct slice media_type(const struct request *rq)
{
	const char *type = request_header(rq, "Content-Type");

	return type ? slice_trim((struct slice){ type, strcspn(type, ";") })
		    : (struct slice){ "", 0 };
}

static bool type_is(struct slice type, const char *name)
{
	return type.n == strlen(name) && strncasecmp(type.p, name, type.n) == 0;
}

static bool check_type(const struct request *rq, struct err *e)
{
	struct slice type = media_type(rq);

	if (rq->route->flags & BODY_TEXT) {
		if (type_is(type, "text/plain") || type_is(type, "application/octet-stream"))
			return true;
		return err_set(
			e, ERR_INVALID, "unsupported_media_type", "the body must be text/plain");
	}
	if (type_is(type, "application/json"))
		return true;
	return err_set(
		e, ERR_INVALID, "unsupported_media_type", "the body must be application/json");
}

/* deeper than MAX_JSON_DEPTH: the parser would recurse as deep as the client likes */
static bool check_depth(const char *s, size_t n, struct err *e)
{
	int depth = 0, line = 1;
	size_t begin = 0;
	bool quoted = false;

	for (size_t i = 0; i < n; i++) {
		char c = s[i];

		if (c == '\n') {
			line++;
			begin = i + 1;
		}
		if (quoted) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
			continue;
		}
		if (c == '"')
			quoted = true;
		else if (c == '{' || c == '[')
			depth++;
		else if (c == '}' || c == ']')
			depth--;
		if (depth > MAX_JSON_DEPTH)
			return err_set(e, ERR_INVALID, "malformed",
				"JSON nested deeper than %d, line %d column %zu", MAX_JSON_DEPTH,
				line, i - begin + 1);
	}
	return true;
}

static void drop_json(void *json)
{
	json_decref(json);
}

static bool parse_json(struct request *rq, struct err *e)
{
	json_error_t fault;
	json_t *v;

	if (!check_depth(rq->body, rq->body_len, e))
		return false;
	v = json_loadb(rq->body, rq->body_len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &fault);
	if (!v && (rq->route->flags & BODY_COMMAND) &&
		(json_error_code(&fault) == json_error_invalid_utf8 ||
			json_error_code(&fault) == json_error_null_character ||
			json_error_code(&fault) == json_error_null_byte_in_key))
		return err_set(e, ERR_INVALID, "invalid_command",
			"a command is UTF-8 text without NULs: %s, line %d column %d", fault.text,
			fault.line, fault.column);
	if (!v)
		return err_set(e, ERR_INVALID, "malformed", "no JSON: %s, line %d column %d",
			fault.text, fault.line, fault.column);
	arena_defer(rq->a, drop_json, v);
	if (!json_is_object(v))
		return err_set(
			e, ERR_INVALID, "unsupported_media_type", "the body must be a JSON object");
	rq->json = v;
	return true;
}

static bool takes_body(const char *method)
{
	return streq(method, "POST") || streq(method, "PUT") || streq(method, "PATCH") ||
	       streq(method, "DELETE");
}

static bool read_body(struct request *rq, struct err *e)
{
	unsigned flags = rq->route->flags;
	size_t max = flags & BODY_FILE	  ? (size_t)rq->cfg->source_upload_max
		     : flags & BODY_LARGE ? MAX_LARGE_BODY_BYTES
					  : MAX_BODY_BYTES;
	bool wanted = flags & (BODY_JSON | BODY_TEXT | BODY_FILE);
	char *at;

	if (!takes_body(rq->method))
		return true;
	if (!rq->has_length && wanted && !(flags & BODY_MAYBE))
		return err_set(
			e, ERR_INVALID, "length_required", "the body needs a Content-Length");
	if (rq->content_length > max)
		return err_set(
			e, ERR_TOO_LARGE, "too_large", "the body may have at most %zu bytes", max);
	if (rq->content_length == 0 && (!wanted || (flags & BODY_MAYBE)))
		return true;
	if (flags & BODY_FILE)
		return upload_take(rq, e);
	if (!check_type(rq, e))
		return false;
	at = arena_alloc(rq->a, rq->content_length + 1);
	if (!rq->read || !rq->read(rq->read_ctx, at, rq->content_length))
		return err_set(
			e, ERR_INVALID, "malformed", "the body ended before its Content-Length");
	rq->body = at;
	rq->body_len = rq->content_length;
	if (flags & BODY_TEXT)
		return true;
	if (!parse_json(rq, e))
		return false;
	/* a row without a table has no fields: whatever stands there is unknown */
	return wanted || body_decode(rq, NULL, 0, NULL, e);
}

/* One try ------------------------------------------------------------------------------------------------------- */

static bool begin(struct request *rq, struct tx *tx, struct err *e)
{
	switch (rq->route->access) {
	case ACCESS_NONE:
	case ACCESS_NODE:
	case ACCESS_HOOK:
	case ACCESS_AUTH:
		return tx_begin(rq->db, tx, e);
	default:
		return caller_begin(rq, tx, e);
	}
}

static bool run_in_tx(struct request *rq, struct response *rs, const char *key, struct err *e)
{
	auto_tx struct tx tx = { 0 };
	bool replayed = false;

	if (!begin(rq, &tx, e))
		return false;
	key = rq->caller.tenant ? key : NULL;
	if (key && !idempotency_look(rq, key, rs, &replayed, e))
		return false;
	if (!replayed && !rq->route->fn(rq, rs, e))
		return false;
	if (key && !replayed && idempotency_is_kept(rs->status) &&
		!idempotency_keep(rq, key, rs, e))
		return false;
	return tx_commit(&tx, e);
}

static void drop_faults(struct request *rq)
{
	rq->faults = (struct faults){ .a = rq->a };
}

static bool run(struct request *rq, struct response *rs, const char *key, struct err *e)
{
	for (int i = 1;; i++) {
		bool direct = rq->route->flags & (ROUTE_LAZY | ROUTE_BARE);

		if (direct ? rq->route->fn(rq, rs, e) : run_in_tx(rq, rs, key, e))
			return true;
		if (!streq(e->code, "retry") || i == MAX_TRIES)
			return false;
		response_clear(rs);
		drop_faults(rq);
	}
}

/* a refusal is kept too, in a transaction of its own: the handler's was rolled back */
static void keep_refusal(
	struct request *rq, struct response *rs, const char *key, const struct err *e)
{
	auto_tx struct tx tx = { 0 };
	struct err fault;

	if (!key || !rq->caller.tenant || !idempotency_is_kept(rs->status) ||
		streq(e->code, "in_progress") || streq(e->code, "idempotency_key_reused"))
		return;
	if (!caller_begin_again(rq, &tx, &fault) || !idempotency_keep(rq, key, rs, &fault) ||
		!tx_commit(&tx, &fault))
		LOG(WARNING, "idempotency.keep", KV("error", fault.msg),
			KV("detail", fault.detail));
}

/* The whole ----------------------------------------------------------------------------------------------------- */

static bool run_until_told(struct request *rq, struct response *rs, const char *key, struct err *e)
{
	while (run(rq, rs, key, e)) {
		if (!rs->again_channel || !wait_notice(rq, rs->again_channel, rs->again_payload,
						  rq->started_ms + rs->again_s * 1000))
			return true;
		response_clear(rs);
		drop_faults(rq);
	}
	return false;
}

static void prefer_wait(struct request *rq, struct response *rs)
{
	int64_t seconds = rs->operation && rs->status == 202 ? wait_preferred(rq) : 0;

	if (!seconds)
		return;
	response_header(
		rs, "Preference-Applied", arena_printf(rq->a, "wait=%jd", (intmax_t)seconds));
	wait_operation(rq, rs, rq->started_ms + seconds * 1000);
}

static bool serve(const struct routes *routes, struct request *rq, struct response *rs,
	const char **ret_key, struct err *e)
{
	const char *others = NULL;

	if (!route_match(routes, rq, &others, e)) {
		if (others)
			response_header(rs, "Allow", others);
		return false;
	}
	if (!read_body(rq, e) || !idempotency_key(rq, ret_key, e) ||
		!run_until_told(rq, rs, *ret_key, e))
		return false;
	prefer_wait(rq, rs);
	if (rs->body.failed)
		return err_set(e, ERR_INTERNAL, "internal", "the answer could not be made");
	return true;
}

/* a GET whose client has it already (RFC 9110 section 13.1.2) */
static void not_modified(const struct request *rq, struct response *rs)
{
	const char *known = request_header(rq, "If-None-Match");

	if (!known || rs->status != 200)
		return;
	for (size_t i = 0; i < rs->headers_n; i++)
		if (streq(rs->headers[i].name, "ETag") && strstr(known, rs->headers[i].value)) {
			rs->status = 304;
			rs->content_type = NULL;
		}
}

static void log_request(const struct request *rq, const struct response *rs, const struct err *e)
{
	int64_t ms = clock_mono_ms() - rq->started_ms;
	const char *who = rq->caller.actor ? rq->caller.actor : "-";

	/* reads that went well are many and tell nothing */
	if (rs->status < 400 && (streq(rq->method, "GET") || streq(rq->method, "HEAD")))
		LOG(DEBUG, "request", KV("method", rq->method), KV("path", rq->path),
			KV("status", rs->status), KV("ms", ms), KV("actor", who));
	else if (rs->status < 400)
		LOG(INFO, "request", KV("method", rq->method), KV("path", rq->path),
			KV("status", rs->status), KV("ms", ms), KV("actor", who));
	else if (rs->status < 500)
		LOG(INFO, "request", KV("method", rq->method), KV("path", rq->path),
			KV("status", rs->status), KV("ms", ms), KV("actor", who),
			KV("code", e->code ? e->code : "-"));
	else
		LOG(ERROR, "request", KV("method", rq->method), KV("path", rq->path),
			KV("status", rs->status), KV("ms", ms), KV("actor", who),
			KV("code", e->code ? e->code : "-"), KV("error", e->msg),
			KV("detail", e->detail));
}

void route_serve(const struct routes *routes, struct request *rq, struct response *rs)
{
	struct err e = { 0 };
	const char *key = NULL;

	log_context("req", rq->id);
	if (!serve(routes, rq, rs, &key, &e)) {
		rq->upload.kept = false;
		response_problem(rq, rs, &e);
		keep_refusal(rq, rs, key, &e);
	} else if (streq(rq->method, "GET") || streq(rq->method, "HEAD"))
		not_modified(rq, rs);
	upload_drop(rq);
	log_request(rq, rs, &e);
	log_context("req", NULL);
}
