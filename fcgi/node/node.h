/*
 * nap-node: a machine's helper. It runs as root beside the sandboxes (ExecStartPre=+, ExecStopPost=+, and as a sidekick),
 * asks nap over a unix socket for what is particular to a unit, and tells nap how it fares.
 *
 *	nap-node prepare UNIT    fetch, or take the kept copy; make its folders and files
 *	nap-node announce UNIT   the sidekick: checks the health of its main unit and says it, until nap knows it no more
 *	nap-node stopped UNIT    how it ended; a build's result is put in its place
 *	nap-node sweep [FOLDER…] removes what was put aside as .old-NAME in home, in run and in these, and the data of
 *	                         apps that nap says it has destroyed; measures what apps keep
 *	nap-node watch FOLDER…   writes "UNIT INVOCATION BYTES LIMIT FLOOR" for each that runs: what its writable places (those
 *	                         FOLDER/UNIT too) and the unnamed files that its processes hold take on the disk
 *
 * Where things are (home = dirname(dirname(/proc/self/exe)), %S/nap):
 *	home/node.conf            "key = value": socket, trees, run (%t/nap)
 *	home/UNIT/limit           "BYTES FLOOR": what its places may take together, and what the file system shall keep free
 *	home/UNIT/unit.json       the last good answer, 0600: a restart needs no nap
 *	home/UNIT/uid             whose the unit's files are;  home/UNIT/alive: between prepare and stopped, the run's id
 *	home/UNIT/{upper,work}    of the overlay that is home/UNIT/view;  or view is a copy
 *	home/UNIT/exit            nap-run's record; the unit's own user writes it, so it is read with care
 *	home/UNIT/out             $NAP_OUT;  home/UNIT/data -> ../data/APP_ID;  home/UNIT/cache -> ../cache/TENANT (builds)
 *	home/outbox/              ends that nap has not been told yet
 *	home/disk                 [{"app":ID,"bytes":N}, …]: data and out folders as the last sweep found them
 *	run/UNIT/{env,start,policy}
 *
 * All but what the program itself may write belongs to root in folders closed to others. NAP_UID (nap-unit's) is the
 * unit's user; without it (systemd gives the uid later) folders are open, below folders that are not.
 */
#ifndef NAP_NODE_NODE_H
#define NAP_NODE_NODE_H

#include "base/arena.h"
#include "base/err.h"

#include <jansson.h>
#include <sys/types.h>

struct node {
	struct arena *a;
	const char *home, *socket, *trees, *run;
	const char *unit;	/* the name given */
	const char *dir;	/* home/UNIT */
	const char *self;	/* run/UNIT */
	const char *root;	/* NAP_ROOT: "" where paths can be mounted */
	const char *invocation; /* INVOCATION_ID, "" if there is none */
	bool has_uid;
	uid_t uid;
	bool mounts; /* what is mounted is there for the program too */
	bool exposed; /* other units walk through the same folders (setpriv): nothing may lie open in them */
};

/* Reads node.conf and the environment. ERR_INVALID: no name of a unit, no node.conf. */
NODISCARD bool node_open(const char *unit, struct arena *a, struct node *ret, struct err *e);

/* what a subcommand does; the exit status of main() */
int node_prepare(struct node *n);
int node_announce(struct node *n);
int node_stopped(struct node *n);
/* ends with the process that started it, as it may take long; one at a time */
int node_sweep(struct node *n, char **folders);

/* to stdout, for nap-agent; ends with it */
int node_watch(struct node *n, char **folders);

/* home and node.conf alone, for what is of no unit */
NODISCARD bool node_open_home(struct arena *a, struct node *ret, struct err *e);

/* ---- talking to nap ---- */

enum answer {
	ANSWER_OK,   /* 2xx */
	ANSWER_GONE, /* 404 or 410: nap does not want the unit */
	ANSWER_WAIT, /* 409: ask again soon */
	ANSWER_AWAY, /* not reached, cut off, 5xx */
	ANSWER_NO,   /* any other: a fault of ours; nap's log knows more */
};

/* GET, or POST of body; ret_json may be NULL and is written only with ANSWER_OK (a new reference, or NULL) */
enum answer node_ask(struct node *n, const char *target, const char *body, json_t **ret_json);
/* of a unit's route: what is "", "/announce" or "/exit" */
enum answer node_call(
	struct node *n, const char *unit, const char *what, const char *body, json_t **ret_json);

/* Sends what could not be sent before; stops at the first that still cannot. */
void node_flush(struct node *n);
/* POST …/exit, or into the outbox where nap is away */
void node_report(struct node *n, const char *body);

/* ---- the unit's files ---- */

/* home/UNIT/limit; false: there is none */
bool node_limit_read(struct node *n, int64_t *ret_limit, int64_t *ret_floor);
NODISCARD bool node_limit_keep(struct node *n, int64_t limit, int64_t floor, struct err *e);
/* Of what a unit and its app keep over its ends: outputs, how it ended, $NAP_DATA. Beyond most it stops counting. */
int64_t node_kept_bytes(struct node *n, int64_t most);

/* a folder of the program's own: 0700 and its user's, or open to whoever is let in by a mount */
NODISCARD bool node_folder(struct node *n, const char *path, struct err *e);

/*
 * A folder that outlives its users: all below becomes this unit's user's, unless it is already, and default rights let
 * the other instances of the app write what is made in it (acl(5)).
 */
NODISCARD bool node_shared(struct node *n, const char *path, struct err *e);

/* The view of trees/TREE: an overlay where it can be had, else a copy; an empty folder for tree NULL. */
NODISCARD bool node_view_make(struct node *n, const char *tree, struct err *e);
/* The same once more with what the program changed in it, for reading; nothing to do for a copy. */
NODISCARD bool node_view_again(struct node *n, const char *tree, struct err *e);
void node_view_drop(struct node *n);

/* Copies the view to trees/RESULT, whole or not at all. ERR_TOO_LARGE "result_too_large". */
NODISCARD bool node_publish(struct node *n, const char *result, struct err *e);

#endif
