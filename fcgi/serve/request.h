/*
 * A request as handlers see it: never the CGI environment, never FastCGI.
 *
 * All texts live until the answer is sent; what a handler makes for it goes into rq->a. Shared by nap-api (one
 * request at a time) and nap-stream (many): nothing here is global.
 */
#ifndef NAP_SERVE_REQUEST_H
#define NAP_SERVE_REQUEST_H

#include "base/arena.h"
#include "base/err.h"
#include "model/config.h"
#include "serve/faults.h"
#include "store/db.h"

#include <jansson.h>

enum scope { SCOPE_READ = 1, SCOPE_DEPLOY = 2, SCOPE_MANAGE = 4 };

/* Which of nginx's listeners it came in by: NAP_DOOR, which only nginx can set. */
enum door { DOOR_SHUT, DOOR_PUBLIC, DOOR_NODE, DOOR_HOOK, DOOR_AUTH };

/*
 * Who asks. Filled before a handler runs, except at a ROUTE_LAZY row: there caller_ask (serve/session.h) fills it.
 * A token's scopes include the lower ones: manage ⊇ deploy ⊇ read. A session has all.
 */
struct caller {
	int64_t tenant;	   /* 0: nobody */
	const char *name;  /* of the tenant */
	const char *role;  /* "tenant" or "admin" */
	const char *actor; /* "token:7", "session:3": kept with operations and events */
	bool admin;
	unsigned scopes;
	int64_t app;	      /* the token is bound to this app; 0: to none */
	const char *app_name; /* its name, NULL */
	int64_t release;      /* the token of an instance: ends with that release; 0: it is none */
	int64_t token, session;
};

#define REQUEST_MAX_PARAMS 4

struct request {
	const struct config *cfg;
	struct db *db;
	struct arena *a;
	enum door door;
	const char *method;
	const char *
		path; /* as sent, without query and without /api/v1 at the public door: "/apps/web" */
	const char *id;	     /* Request-Id */
	const char *address; /* the client's */
	struct caller caller;
	json_t *json; /* the body's object; NULL at rows without BODY_JSON, or with BODY_MAYBE and no body */
	const char *body; /* as sent, terminated; "" if there is none */
	size_t body_len;
	/* of a row with BODY_FILE: where the body is (serve/upload.h); path NULL: nowhere */
	struct {
		const char *path, *name, *type;
		bool kept; /* the handler says that what it has written needs it */
	} upload;
	const struct route *route;
	struct faults faults;
	int client_fd; /* to see whether the client is still there; -1: unknown */
	/* reads the next n bytes of the body; false: they did not come. Set by who has the connection. */
	bool (*read)(void *ctx, char *at, size_t n);
	void *read_ctx;

	/* of request.c, session.c and dispatch.c */
	char **env;
	const char *query;
	size_t content_length;
	bool has_length;
	struct {
		const char *name, *value;
	} params[REQUEST_MAX_PARAMS];
	size_t params_n;
	int64_t started_ms;    /* clock_mono_ms at its start */
	bool credential_stale; /* its last use is to be noted */
};

/*
 * Fills ret from the CGI variables env (NULL-terminated NAME=VALUE, kept). ret->a is given by the caller and set
 * before; an id that nginx did not give is made. Errors: ERR_INVALID "malformed" (400).
 */
NODISCARD bool request_parse(char **env, struct request *rq, struct err *e);

/* ":app" of the route's path, decoded; an unknown name is an assert */
const char *request_param(const struct request *rq, const char *name);

/* decoded, in memory of rq->a; NULL if absent, the first if there are several */
const char *request_query(const struct request *rq, const char *name);

/* "If-Match"; NULL if absent or empty */
const char *request_header(const struct request *rq, const char *name);

/* a CGI variable: "NAP_TENANT"; NULL if absent or empty */
const char *request_cgi(const struct request *rq, const char *name);

/*
 * ?limit= (1..1000, else 50) and ?after=, the cursor that cursor_make made: decoded to the text it was made of; NULL
 * if absent. Faults go to rq->faults, code "out_of_range" and "invalid_value": end with faults_end.
 */
NODISCARD bool request_page(
	struct request *rq, int64_t *ret_limit, const char **ret_after, struct err *e);
/* the same where the cursor is an id, below which the list goes on; 0: from its top */
NODISCARD bool request_page_id(
	struct request *rq, int64_t *ret_limit, int64_t *ret_below, struct err *e);
const char *cursor_make(struct arena *a, const char *text); /* opaque, fit for a query string */

/* ?name= as a whole number from min to max; absent: *ret stays. False: a fault was added. */
bool request_query_i64(
	struct request *rq, const char *name, int64_t min, int64_t max, int64_t *ret);

/*
 * If-Match against the version that response_etag would show; absent or "*" passes. ERR_CONFLICT "precondition_failed"
 * (412) else.
 */
NODISCARD bool request_if_match(const struct request *rq, int64_t version, struct err *e);

/* ?confirm= repeats the name; ERR_INVALID "confirm_required" */
NODISCARD bool request_confirmed(struct request *rq, const char *name, struct err *e);

/* The same for everybody who may not know that the thing exists. Returns false. */
bool request_not_found(const struct request *rq, struct err *e);

/* percent-decodes n bytes of s; NULL where it is no UTF-8 without NULs and control characters */
char *percent_decode(struct arena *a, const char *s, size_t n, bool plus_is_blank);

#endif
