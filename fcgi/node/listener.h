/*
 * Who listens on a TCP port of this machine (or of this network namespace), as /proc/net/tcp and tcp6 say it. It costs
 * more the more sockets listen: node/health.h asks the kernel for one port first. See proc_pid_net(5).
 */
#ifndef NAP_NODE_LISTENER_H
#define NAP_NODE_LISTENER_H

#include "base/base.h"

#include <sys/types.h>

/* only: that user's listeners alone; NULL: anybody's. ret may be NULL. False: there is none. */
bool listener_find(int port, const uid_t *only, uid_t *ret);

#endif
