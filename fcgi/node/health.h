/*
 * Whether an instance answers, as its sidekick sees it from outside (RULES 15, 16).
 */
#ifndef NAP_NODE_HEALTH_H
#define NAP_NODE_HEALTH_H

#include "base/base.h"

#include <sys/types.h>

#define HEALTH_MS 2000

/*
 * path NULL: the port of 127.0.0.1 accepts a connection; else GET path answers 2xx or 3xx (not followed) within
 * HEALTH_MS; only the status line is read. With has_uid the one who listens must be uid: a port of a unit that is down can be
 * taken by anybody.
 */
bool health_check(int port, const char *path, bool has_uid, uid_t uid);

/* the uid of the socket that listens on 127.0.0.1:port, whichever address it is bound to; false: nobody does */
bool health_listener(int port, uid_t *ret);

/* matches ^/[!-~]{0,200}$ */
bool health_path_fine(const char *path);

#endif
