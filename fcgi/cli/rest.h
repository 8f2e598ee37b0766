/*
 * Asking nap.
 *
 * A request that got no answer, or one of 429, 502, 503 or 504, is sent again, after as long as the answer says, for about half a
 * minute: a GET and a PUT may be repeated, a POST has an Idempotency-Key, so that it takes effect once however often it is sent. A PATCH
 * and a DELETE are repeated only where nap has said that it did not take them. Where nothing listens that is told at
 * once.
 *
 * What goes wrong is told on standard error, with nap's code and the request's id, and c->exit says which exit code that is;
 * with --json the problem's body goes to standard output too.
 */
#ifndef NAP_CLI_REST_H
#define NAP_CLI_REST_H

#include "cli/cli.h"

struct rest_request {
	const char *method; /* NULL: GET */
	const char *path;   /* "/apps/web", below /api/v1; see rest_path */
	json_t *body;	    /* stolen; NULL: none */
	int file;	    /* instead of it, so many bytes of a file of a type */
	int64_t file_bytes;
	const char *type;
	const char *accept;	    /* NULL: JSON */
	const char *const *headers; /* instead of the token; NULL: the token */
	const char *wanted;	    /* a header of the answer to keep in ret->header */
	bool may_miss;		    /* 404 is an answer like another */
	bool may_fail; /* so is every status; nothing is told, and no answer is not waited for */
	int wait_s;    /* so long the answer may take, beyond the usual */
	void (*on_sent)(
		struct cli *c, int64_t sent, int64_t total); /* of a file, now and then; NULL */
};

struct rest_answer {
	long status;
	json_t *json;	  /* NULL: it is none; in c->a */
	const char *text; /* as it came, in c->a */
	const char *header;
};

NODISCARD bool rest_call(struct cli *c, const struct rest_request *rq, struct rest_answer *ret);

/* a path of which each %s is encoded */
const char *rest_path(struct cli *c, const char *fmt, ...) PRINTF(2, 3);

/* The usual two. body is stolen. */
NODISCARD bool rest_get(struct cli *c, const char *path, json_t **ret);
NODISCARD bool rest_send(
	struct cli *c, const char *method, const char *path, json_t *body, json_t **ret);

/* All pages of a list as one body {"items": […], "next": null}. query: "state=failed&", or "". */
NODISCARD bool rest_list(struct cli *c, const char *path, const char *query, json_t **ret);

/*
 * A stream of events until it ends, on_event says false, or Ctrl-C; one that breaks off is taken up again behind the last id.
 */
typedef bool rest_event_fn(void *ctx, const char *event, const json_t *data);
NODISCARD bool rest_stream(struct cli *c, const char *path, rest_event_fn *on_event, void *ctx);

/* with --json: the body; returns whether it was printed */
bool rest_print_json(const struct cli *c, const json_t *body);

/* members of an object; "" and 0 where there is none */
const char *rest_text(const json_t *o, const char *key);
int64_t rest_number(const json_t *o, const char *key);
/* a member for people: texts, numbers; NULL of null */
const char *rest_shown(struct cli *c, const json_t *o, const char *key);

#endif
