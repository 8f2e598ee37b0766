/*
 * The one machine: its id, its size, and the metadata shown in /machines (what PATCH added, and the agent's own:
 * isolation, memory in bytes, port_guard).
 */
#ifndef NAP_AGENT_MACHINE_H
#define NAP_AGENT_MACHINE_H

#include "base/err.h"

#include <jansson.h>

#define MACHINE_ID_SIZE 33

struct machine {
	char id[MACHINE_ID_SIZE]; /* /etc/machine-id, or made once and kept in dir */
	char boot_id[MACHINE_ID_SIZE];
	char hostname[65];
	int64_t memory;
	json_t *metadata; /* key to string; the agent's own keys win */
	char *path;	  /* of the file that keeps what PATCH set */
};

NODISCARD bool machine_open(struct machine *m, const char *dir, struct err *e);
void machine_close(struct machine *m);

/* one of the agent's own keys; value is copied */
void machine_own(struct machine *m, const char *key, const char *value);
const char *machine_get(const struct machine *m, const char *key); /* NULL: not there */

/* PATCH: value NULL removes. Written to disk before it returns true. */
NODISCARD bool machine_patch(struct machine *m, const char *key, const char *value, struct err *e);

#endif
