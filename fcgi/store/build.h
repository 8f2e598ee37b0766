/*
 * Builds: rows of the table build (sql/0003_build.sql). Who writes what:
 *
 *	job/      inserts the row with want 'run' in state 'waiting'; sets want 'gone' when it has the result, gives up
 *	          or was cancelled; removes the row with its release
 *	lead/     build_wanted: PUTs units (options as stored, launched) whose want is 'run' and that have not ended,
 *	          says where they are and why not (build_seen), DELETEs units whose want is 'gone', and when the engine
 *	          has confirmed that one is gone, build_gone. A unit that the engine shows as failed or inactive for 10 s
 *	          after it was active while no end was told: build_lost. There are no templates and no sidekicks.
 *	machine   fetches what it needs (build_node: kind "build") and tells the end by POST …/exit; nap_node_exit takes
 *	          ends of builds too, so the node route need not tell them apart
 *
 * On success (result "finished") the machine has put the tree into $NAP_STATE/tree/RESULT_TREE, whole, before it told
 * the end. Lines that a build writes stand in the app's log as those of instance 0 of its release.
 */
#ifndef NAP_STORE_BUILD_H
#define NAP_STORE_BUILD_H

#include "store/db.h"

struct build_new {
	int64_t tenant, app, release, operation;
	const char *unit, *unit_options; /* JSON: a list as fleet's PUT takes it */
	const char *source_tree, *result_tree, *script, *env;
	int64_t memory, seconds;
};

/* The row of n->release: a new one, or that of an earlier attempt. */
NODISCARD bool build_ensure(struct db *db, const struct build_new *n, struct err *e);

/* what a worker looks at while it waits; ERR_NOT_FOUND where there is no row */
struct build_view {
	bool running, ended;
	const char *reason, *machine; /* "" if not known */
	const char *result;	      /* of an ended one: "finished", "exit-code", … */
	int exit_code, exit_signal;   /* 0: none */
};
NODISCARD bool build_look(
	struct db *db, struct arena *a, int64_t release, struct build_view *ret, struct err *e);

/* its unit is not needed any more; no row is fine */
NODISCARD bool build_leave(struct db *db, int64_t release, struct err *e);

/* For the leader: all whose unit may be there. Columns unit, unit_options, want, state, memory_bytes, tenant_id, app_id. */
NODISCARD bool build_wanted(struct db *db, PGresult **ret, struct err *e);
/* running: the engine says active; reason NULL: none */
NODISCARD bool build_seen(struct db *db, const char *unit, bool running, const char *machine,
	const char *reason, struct err *e);
NODISCARD bool build_lost(struct db *db, const char *unit, struct err *e);
NODISCARD bool build_gone(struct db *db, const char *unit, struct err *e);

/*
 * For the node route, as the tenant-less caller that it is. Columns: tenant_id, tenant, app_id, app, group_name,
 * release_number, release_id, want ('gone' also when it has ended), deleting, tree, result_tree, memory_bytes, seconds,
 * env (as a release's), start. No row: not a build. Its cache is per tenant: /cache in the unit.
 */
NODISCARD bool build_node(struct db *db, const char *unit, PGresult **ret, struct err *e);

#endif
