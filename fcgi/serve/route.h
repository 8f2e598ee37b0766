/*
 * The route table: policy stands in the row.
 *
 * To add a route, do these four things:
 * 1. a row in the table of its file in api/ (a new file: ROUTE_TABLE at its end, a line in api/routes.h and routes.c);
 * 2. its handler, with the body's table (serve/body.h) if it takes one: ROUTE_BODY(TABLE) in the row;
 * 3. the row's .doc: a summary; an example body that works on a fresh copy of nap, if it takes one; the name of the
 *    answer's schema (api/openapi.in.json, components.schemas) and its status where that is not 200; the names of its
 *    query parameters (components.parameters there);
 * 4. `make openapi`, which writes web/openapi.json from the table; tests/unit/test_openapi.c fails until it was run.
 *
 * A handler runs inside one transaction in which row-level security knows the caller's tenant. It is committed when
 * the handler returns true and rolled back when it returns false; a serialization failure runs it again, so it keeps
 * nothing outside rq, rs and the database. It never waits for git, a build or the engine, and starts no process.
 */
#ifndef NAP_SERVE_ROUTE_H
#define NAP_SERVE_ROUTE_H

#include "serve/body.h"
#include "serve/response.h"

typedef bool route_fn(struct request *rq, struct response *rs, struct err *e);

enum access {
	ACCESS_DENY,	/* a forgotten column refuses */
	ACCESS_NONE,	/* public, no credentials */
	ACCESS_SESSION, /* a signed-in browser only */
	ACCESS_READ,
	ACCESS_DEPLOY,
	ACCESS_MANAGE,
	ACCESS_ADMIN, /* role admin, scope manage */
	ACCESS_NODE,  /* a machine's helper, by its own socket */
	ACCESS_HOOK,  /* nap-hook, by its own socket */
	ACCESS_AUTH,  /* nginx's auth_request for git */
};

enum route_flag {
	BODY_JSON = 1,	/* takes an object: 415, 411, 413, 400 are answered before the handler */
	BODY_TEXT = 2,	/* takes text/plain, in rq->body */
	BODY_MAYBE = 4, /* with BODY_JSON: the body may be absent */
	ROUTE_LAZY =
		8, /* a hot GET: no transaction; the handler calls caller_ask (serve/session.h) */
	ROUTE_BARE = 16, /* no transaction and no credentials looked up: /health */
	ROUTE_BOUND =
		32, /* without :app in its path, yet open to tokens bound to an app: the handler looks at caller.app */
	ROUTE_INSTANCE = 64, /* open to the tokens that instances get (NAP_TOKEN) */
	ROUTE_NO_KEY = 128,  /* Idempotency-Key is not looked at: /session */
	BODY_COMMAND =
		512, /* a body that is no UTF-8, or holds a NUL, is told as invalid_command (422) */
	BODY_LARGE = 256, /* up to MAX_LARGE_BODY_BYTES: a profile, escaped as JSON */
	BODY_FILE = 1024, /* an archive, in rq->upload: see serve/upload.h */
};

struct route_doc {
	const char *summary;
	const char *example; /* JSON, or the text of a BODY_TEXT row */
	const char *answer;  /* name of a schema: "App"; "[App]" a list of them; NULL: no body */
	int status;	     /* of success; 0: 200 */
	const char *query;   /* names of the query's parameters: "limit after state" */
	const char *type;    /* of the answer, if not application/json */
};

/* path: "/apps/:app"; public rows stand below /api/v1. "*path" at its end: all that follows */
struct route {
	const char *method;
	const char *path;
	enum access access;
	unsigned flags;
	route_fn *fn;
	const struct body_field *body;
	size_t body_n;
	struct route_doc doc;
};
#define ROUTE_BODY(table) .body = (table), .body_n = ARRAY_SIZE(table)

struct route_table {
	const struct route *v;
	size_t n;
};

/* all tables, ended by NULL */
struct routes {
	const struct route_table *const *tables;
};

/*
 * Finds the row for rq's door, method and path and fills rq->route and its parameters. HEAD matches GET.
 * Errors: ERR_NOT_FOUND "no_such_route"; ERR_INVALID "method_not_allowed", with *ret_allow "GET, POST" of a.
 */
NODISCARD bool route_match(
	const struct routes *routes, struct request *rq, const char **ret_allow, struct err *e);

enum door route_door(enum access access);
const char *route_access_word(enum access access);

/* METHOD PATH ACCESS FLAGS, a row a line: nap-api --routes */
void routes_print(const struct routes *routes, FILE *out);

/*
 * The whole life of a request: match, 405 and Allow, body, credentials, scope, CSRF, idempotency key, transaction,
 * handler, waiting, errors. rs is complete afterwards. Logs one line; reads that went
 * well at debug.
 */
void route_serve(const struct routes *routes, struct request *rq, struct response *rs);

#endif
