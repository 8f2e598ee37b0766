/*
 * nap-stream's process: a few threads that accept and check requests, and the hub.
 *
 * Descriptor 0 is the FastCGI socket, shared with the process that follows or precedes this one. The accepting
 * threads have a connection to the database each; nothing else is shared but the hub.
 */
#ifndef NAP_STREAM_SERVE_H
#define NAP_STREAM_SERVE_H

#include "model/config.h"

/* Until TERM, INT or USR1, and then at most about a second. Returns the exit status. */
int stream_run(const struct config *cfg);

#endif
