/*
 * HTTP/1.0 over a unix socket: what hooks and machines need to talk to nap, and nothing more (RFC 1945).
 */
#ifndef NAP_BASE_CALL_H
#define NAP_BASE_CALL_H

#include "base/arena.h"
#include "base/err.h"

struct call_answer {
	int status;
	const char *body; /* terminated */
	size_t len;
};

/*
 * body NULL: GET, else POST of JSON. The whole exchange takes at most timeout_ms.
 * Errors: ERR_UPSTREAM "no_answer" (no socket, cut off, not HTTP), ERR_TIMEOUT "no_answer". A status of 4xx or 5xx is a
 * success.
 */
NODISCARD bool call_unix(const char *socket_path, const char *target, const char *body,
	int timeout_ms, struct arena *a, struct call_answer *ret, struct err *e);

#endif
