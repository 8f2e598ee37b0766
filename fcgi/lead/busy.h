/*
 * Which instances are still being answered by. nap's nginx runs beside the leader, and a port is one instance's in the
 * whole cluster: so the kernel's list of this machine's connections tells whose requests, downloads and websockets go
 * on. nginx ends what it only kept for later when it is reloaded.
 */
#ifndef NAP_LEAD_BUSY_H
#define NAP_LEAD_BUSY_H

#include "base/arena.h"

/* By port: whether a connection of this machine to it is open; NULL if the kernel does not tell. */
const bool *busy_by_port(struct arena *a);

/* The same as PostgreSQL's array of ports, "{20001,20002}". */
const char *busy_ports(struct arena *a);

#endif
