/*
 * Who asks: tokens and browser sessions (RULES 11, 12; REST "Authentication").
 *
 * A token comes as "Authorization: Bearer nap_…". A browser's cookie alone proves nothing: every request with it, GET
 * too, needs X-CSRF-Token; an unsafe one also Sec-Fetch-Site: same-origin, or where that header is absent an Origin
 * that is this host. With an Authorization header cookies are not looked at.
 */
#ifndef NAP_SERVE_SESSION_H
#define NAP_SERVE_SESSION_H

#include "serve/request.h"

struct route;

/*
 * Looks the credential up and fills rq->caller, by one pipeline with the statements of ask (prepared: see db_pipeline;
 * all of them run as the caller: row-level security and nap_tenant() know the tenant), then checks what the row wants:
 * scope, role, CSRF, binding to an app. Without BEGIN, so only for reads. ret and ask may be NULL with n 0.
 * Errors: ERR_AUTH "unauthenticated"; ERR_FORBIDDEN "scope_missing", "admin_only", "csrf_missing", "csrf_invalid",
 * "cross_site", "session_only"; NOT_FOUND where a bound token names another app.
 */
NODISCARD bool caller_ask(
	struct request *rq, const struct db_ask *ask, size_t n, PGresult **ret, struct err *e);

/* The same with BEGIN: tx is open afterwards, as the caller. */
NODISCARD bool caller_begin(struct request *rq, struct tx *tx, struct err *e);

/* Another transaction of the caller that caller_begin or caller_ask has filled in. */
NODISCARD bool caller_begin_again(struct request *rq, struct tx *tx, struct err *e);

/* A token that came another way (git's Basic authentication): no row of the table is looked at. As caller_ask else. */
NODISCARD bool caller_token(struct request *rq, const char *token, const struct db_ask *ask,
	size_t n, PGresult **ret, struct err *e);

/* Notes that the credential was used (at most once a minute); after the answer. */
void caller_used(struct request *rq);

/* "nap_session_8080": cookies do not know ports, and two copies may stand side by side */
const char *session_cookie_name(const struct request *rq);

/* what a browser says about where an unsafe request comes from; ERR_FORBIDDEN "cross_site" */
NODISCARD bool session_same_origin(const struct request *rq, struct err *e);

/* the value of the n-th cookie of this name, from 0; NULL: there are not so many. In memory of a. */
const char *cookie_get(struct arena *a, const char *header, const char *name, size_t n);

#endif
