/*
 * The units of an app: their names and their texts, as the engine (fleet's API, systemd's options) takes them.
 *
 * One main text per class (memory, with or without a sidekick) and one sidekick text for all: etcd keeps every
 * distinct content for ever. Only systemd's specifiers differ from unit to unit. What is particular to an app is
 * fetched by the machine's helper nap-node; nothing of a tenant ever stands in a unit. The text is stored with the
 * release and not rendered again, so an upgrade restarts nothing.
 *
 *	TENANT.APP.vRELEASE@N.service            an instance
 *	TENANT.APP.vRELEASE_discovery@N.service  its sidekick, which announces its health
 *	TENANT.APP.vRELEASE-build@1.service      the build of a release: runs once to its end, has no sidekick
 *	TENANT.APP.vRELEASE@.service             the template; always put as inactive (a launched one ruins fleet)
 *
 * No tenant's or app's name holds a dot, so no two names ever collide. See systemd.exec(5), systemd.service(5).
 */
#ifndef NAP_MODEL_UNIT_H
#define NAP_MODEL_UNIT_H

#include "base/err.h"
#include "base/text.h"

#include <jansson.h>

#define UNIT_NAME_SIZE 257 /* fleet takes 256 bytes */

struct unit_name {
	char tenant[32], app[64];
	int64_t release;
	int number;	      /* 0: a template */
	bool sidekick, build; /* one of them at most */
};

void unit_name_print(char ret[UNIT_NAME_SIZE], const struct unit_name *name);

/* Exact: what it takes, unit_name_print gives back. False: not a unit of nap's form. */
NODISCARD bool unit_name_parse(const char *text, struct unit_name *ret);

/* Exit statuses of nap-run that end the restarting */
#define UNIT_EXIT_FINISHED 250
#define UNIT_EXIT_GAVE_UP  251

struct unit_class {
	int64_t memory;		  /* bytes of one instance, rounded up to unit_memory_step */
	bool sidekick;		  /* it has a port to be announced */
	const char *installation; /* this copy's id: only units that carry it are ever touched */
};

int64_t unit_memory_step(
	int64_t bytes); /* up to a multiple of 16 MiB below 64 MiB, of 64 MiB above */

/* [{"section","name","value"}, …] in a stable order: the options of fleet's PUT. New references. */
json_t *unit_main_options(const struct unit_class *c);
json_t *unit_sidekick_options(const char *installation);

/* A build: the network, its own limits, /cache shared by the tenant's builds; its end is in POST …/exit. */
struct unit_build_class {
	int64_t memory;	 /* bytes, rounded up as above */
	int64_t seconds; /* after that it is killed, result "timeout" */
	const char *installation;
};
json_t *unit_build_options(const struct unit_build_class *c);

#endif
