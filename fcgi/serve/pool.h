/*
 * The loop of a FastCGI worker: one request at a time from the socket on descriptor 0, which a supervisor opened and
 * which it shares with its brothers (FastCGI specification 1.0). The only caller of FCGX_*, besides nap-stream's.
 */
#ifndef NAP_SERVE_POOL_H
#define NAP_SERVE_POOL_H

#include "serve/route.h"

#include <fcgiapp.h>

#define POOL_MAX_REQUESTS 10000 /* then it leaves, and the supervisor starts a fresh one */

/* Until TERM, USR1 (both end it between requests) or POOL_MAX_REQUESTS. The exit status. */
int pool_run(const struct config *cfg, struct db *db, const struct routes *routes);

/* sends a whole answer and ends the request */
void pool_answer(FCGX_Request *fcgx, const struct request *rq, struct response *rs);

#endif
