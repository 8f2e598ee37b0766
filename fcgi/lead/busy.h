/*
 * Which instances are still being answered by. nap's nginx runs beside the leader, and a port is one instance's in the
 * whole cluster: so the kernel's list of this machine's connections tells whose requests, downloads and websockets go
 * on. nginx ends what it only kept for later when it is reloaded.
 */
#ifndef NAP_LEAD_BUSY_H
#define NAP_LEAD_BUSY_H

#include "base/arena.h"

/* The remote ports of all connections of this machine that are open, as PostgreSQL's array "{20001,20002}"; NULL if
 * the kernel does not tell. */
const char *busy_ports(struct arena *a);

#endif
