/*
 * Idempotency-Key: a POST that is sent twice takes effect once (RULES 17; IETF draft-ietf-httpapi-idempotency-key).
 *
 * The key counts for tenant, credential, method and path, for 24 h. The answer is stored in the transaction of the
 * effect; a refusal (4xx but 401 and 429) in one of its own. 5xx are never stored. While the first one runs, holding a
 * lock of its transaction, a second is 409 in_progress.
 */
#ifndef NAP_SERVE_IDEMPOTENCY_H
#define NAP_SERVE_IDEMPOTENCY_H

#include "serve/response.h"

#define MAX_KEY_BYTES 255

/* The request's key; NULL if there is none, or the row does not look at it. ERR_INVALID "malformed": not 1 to 255
 * printable ASCII characters. */
NODISCARD bool idempotency_key(const struct request *rq, const char **ret, struct err *e);

/*
 * Within the open transaction of the caller, before the handler: *ret_replayed says that rs is the stored answer.
 * Errors: ERR_CONFLICT "in_progress", ERR_INVALID "idempotency_key_reused".
 */
NODISCARD bool idempotency_look(struct request *rq, const char *key, struct response *rs,
	bool *ret_replayed, struct err *e);

/* Within the open transaction, after the handler: rs is stored, without its secrets. */
NODISCARD bool idempotency_keep(
	struct request *rq, const char *key, const struct response *rs, struct err *e);

bool idempotency_is_kept(int status);

#endif
