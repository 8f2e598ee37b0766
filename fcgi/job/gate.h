/*
 * The gate in front of deploy URLs (RULES 23): which host may be asked, and at which address.
 *
 * The name is resolved once; every address that it has must be one of the open Internet, or the URL is refused (the
 * setting git_private lifts that). The first one is the address that git then uses, so that a name that answers
 * differently a second later gains nothing. Redirects are not followed.
 */
#ifndef NAP_JOB_GATE_H
#define NAP_JOB_GATE_H

#include "base/arena.h"
#include "base/err.h"

#include <sys/socket.h>

/* Not loopback, private, link-local, shared (RFC 6598), reserved, multicast, nor an IPv6 form of such an IPv4 address. */
bool gate_address_is_public(const struct sockaddr *sa);

struct gate {
	const char *host;    /* as in the URL, without brackets; "" for file: */
	const char *port;    /* "443" */
	const char *address; /* numeric; "" for file: */
	bool ssh;
};

/*
 * url is as source_parse gave it. private: git_private.
 * Errors: ERR_INVALID "url_invalid", "address_not_allowed"; ERR_UPSTREAM "unknown_host".
 */
NODISCARD bool gate_open(
	const char *url, bool private, struct arena *a, struct gate *ret, struct err *e);

#endif
