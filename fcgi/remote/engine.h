/*
 * The engine: fleet's HTTP API v1, of fleetd on a cluster or of nap-agent on one machine.
 *
 * docs/engine.md says how it really behaves. What callers must know:
 * - A list is read page by page; entries may be missing or double where units come and go between two pages. They
 *   are de-duplicated here; absence from one list proves nothing.
 * - 201 and 204 mean "written down", nothing more. PUT may be repeated; DELETE of what is gone is a success.
 * - Several endpoints are tried in turn, beginning with the one that answered last, on refusal, a closed connection,
 *   a time-out or a 5xx. Only when all fail does a call fail: ERR_UPSTREAM "engine_unavailable".
 * Never called inside a database transaction; never GET /state/NAME (it crashes fleetd).
 */
#ifndef NAP_REMOTE_ENGINE_H
#define NAP_REMOTE_ENGINE_H

#include "remote/http.h"
#include "base/arena.h"

#include <jansson.h>

#define ENGINE_ENDPOINTS 8

struct engine {
	struct http *http;
	struct engine_endpoint {
		char socket[108]; /* "": by url */
		char url[200];	  /* http://10.0.0.1:49153, no slash at the end */
	} endpoint[ENGINE_ENDPOINTS];
	size_t n, good; /* good: the one that answered last */
};

/* endpoints: "unix:///run/fleet.sock,http://10.0.0.1:49153" */
NODISCARD bool engine_open(struct engine *en, const char *endpoints, struct err *e);
void engine_close(struct engine *en);

struct engine_unit {
	const char *name, *desired, *current, *machine; /* machine "" where it is not scheduled */
	bool ours;     /* carries [X-Nap] Installation=ID of the caller */
	uint64_t hash; /* engine_options_hash of its options */
};

/*
 * The same for the same options in the same order, as they were sent and as they are read back: an option without
 * value is one with an empty value. 0: no options.
 */
uint64_t engine_options_hash(const json_t *options);

struct engine_state {
	const char *unit, *machine, *hash, *load, *active, *sub;
};

struct engine_machine {
	const char *id, *address;
	const char *metadata; /* JSON object */
};

/* Whole lists, in memory of a, sorted as the engine sorts them. */
NODISCARD bool engine_units(struct engine *en, const char *installation, struct arena *a,
	struct engine_unit **ret, size_t *ret_n, struct err *e);
NODISCARD bool engine_states(struct engine *en, struct arena *a, struct engine_state **ret,
	size_t *ret_n, struct err *e);
NODISCARD bool engine_machines(struct engine *en, struct arena *a, struct engine_machine **ret,
	size_t *ret_n, struct err *e);

/* One change to a unit: a PUT of options and desired (options NULL: only the state), or a DELETE (desired NULL). */
struct engine_change {
	const char *unit;
	const char *desired;   /* "inactive", "loaded", "launched"; NULL: delete it */
	const json_t *options; /* array, not owned */
	/* result */
	bool done;
	struct err
		err; /* ERR_INVALID: the engine refused it and would again; ERR_UPSTREAM: worth a retry */
};

/*
 * Runs them all at once, retrying failed ones with jitter, and ends within budget_ms whatever happens: what could not
 * be done by then is not done. True when all are.
 */
bool engine_apply(struct engine *en, struct engine_change *changes, size_t n, int64_t budget_ms);

struct engine_usage {
	const char *unit;
	int64_t memory, cpu_usec; /* -1: not known */
};

/*
 * What units take, from nap-agent's read-only socket (GET /nap/v1/usage); a fleet has no such thing. *ret_disk: what apps
 * keep on the machine, "[{\"app\":12,\"bytes\":4096}, …]".
 */
NODISCARD bool engine_usage(struct engine *en, const char *socket, struct arena *a,
	struct engine_usage **ret, size_t *ret_n, const char **ret_disk, struct err *e);

#endif
