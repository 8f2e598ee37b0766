/*
 * An answer, made whole before a byte of it is sent; and errors as problem details (RFC 9457).
 *
 * Only this file knows which status belongs to which error.
 */
#ifndef NAP_SERVE_RESPONSE_H
#define NAP_SERVE_RESPONSE_H

#include "base/buf.h"
#include "serve/request.h"

struct response_header {
	const char *name, *value;
};

#define RESPONSE_MAX_HEADERS 16

struct response {
	struct arena *a;
	int status;
	const char *content_type;
	struct buf body;
	bool streamed; /* the body follows later and has no end yet: no Content-Length */
	struct response_header headers[RESPONSE_MAX_HEADERS];
	size_t headers_n;
	int64_t operation;	/* of response_operation: Prefer: wait waits for it; 0: none */
	bool outcome;		/* an operation that failed is answered as 409 (?outcome=1) */
	int retry_after;	/* seconds, of 429 and 503; 0: as usual for the code */
	json_t *problem;	/* further members of a problem's body */
	const char *secrets[4]; /* members that a stored answer omits (RULES 17) */
	size_t secrets_n;
	const char *again_channel, *again_payload; /* of response_again */
	int64_t again_s;
};

void response_init(struct response *rs, struct arena *a);
void response_release(struct response *rs);
void response_clear(struct response *rs); /* as after response_init, memory kept */

/* body is stolen; NULL (jansson could not make it: text that is no UTF-8) is answered as 500 */
void response_json(struct response *rs, int status, json_t *body);

/* text is copied; "text/plain; charset=utf-8" */
void response_text(struct response *rs, int status, const char *content_type, const char *text);

/* to write the body straight, as long lists do; buf_json escapes */
struct buf *response_body(struct response *rs, int status, const char *content_type);

/*
 * A page of a list: {"items": […], "next": CURSOR|null}, straight from a result of up to limit + 1 rows, of which the
 * one too many says that there is more. key: the column whose text of the last shown row the cursor holds.
 */
struct row_field;
void response_rows(struct response *rs, const PGresult *r, const struct row_field *fields, size_t n,
	int64_t limit, const char *key);
/* the end of such a page that the handler writes itself: ],"next":…} ; last NULL: there is no more */
void response_next(struct response *rs, struct buf *b, const char *last);

/* 204 */
void response_nothing(struct response *rs);

/* name a literal, value copied; CR, LF and NUL are an assert: check what comes from outside */
void response_header(struct response *rs, const char *name, const char *value);

/* ETag: "17"; the dispatcher answers a GET whose If-None-Match has it with 304 */
void response_etag(struct response *rs, int64_t version);

/* a top-level member of the JSON body that is told once: a replay for the same Idempotency-Key omits it */
void response_secret(struct response *rs, const char *member);

/* a further member of the problem, should the handler fail: {"suggestion": "web_2"}; value is stolen */
void response_problem_member(struct response *rs, const char *name, json_t *value);

/*
 * 202, Location: /api/v1/operations/ID and {"operation": {…}, MEMBER: more…}: reads the row back within the handler's
 * transaction. member NULL: more is an object whose members are added; both NULL: the operation alone. more is stolen.
 */
NODISCARD bool response_operation(struct request *rq, struct response *rs, int64_t operation,
	const char *member, json_t *more, struct err *e);

/*
 * Nothing to tell yet: the dispatcher runs the handler again, in a new transaction, when channel (a literal:
 * "nap_event", "nap_operation") has said something. When seconds have passed since the request's start, or the client
 * is gone, what the handler answered stands. For long polls. payload: only that ("17"); NULL: anything.
 */
void response_again(struct response *rs, const char *channel, const char *payload, int64_t seconds);

/* the answer to a failed request; keeps rs's headers set by response_header and its problem members */
void response_problem(struct request *rq, struct response *rs, const struct err *e);
int response_status_of(const struct err *e);
const char *response_reason(int status); /* "Not Found" */

/* the head as a FastCGI responder sends it, its empty line with it; rs->body follows unless response_is_bare */
void response_head(struct response *rs, const struct request *rq, struct buf *ret);
bool response_is_bare(const struct response *rs, const struct request *rq); /* HEAD, 304 */

/* every error code that an answer can have, for the OpenAPI document: name, status, sentence; ends with NULL */
struct response_code {
	const char *code;
	int status;
	const char *help;
};
extern const struct response_code RESPONSE_CODES[];

#endif
