/*
 * Operations: what a request asked for and a worker does (DESIGN 3, REST "Resources").
 *
 * A handler writes desired state and one operation in one transaction; the triggers tell the
 * workers. Writes of a worker (claim, beat, steps, end) are fenced and stand in job/, over the same
 * table.
 */
#ifndef NAP_STORE_OPERATION_H
#define NAP_STORE_OPERATION_H

#include "base/buf.h"
#include "store/db.h"

struct operation_new {
	int64_t tenant, app_id;		       /* app_id 0: none */
	const char *app, *kind, *lane, *state; /* lane NULL: normal; state NULL: queued */
	/* JSON object; NULL: {}. deploy {"ref"?: of this deploy only, "hint"?: true: nothing is done where its commit serves already}, rollback {"release": number},
	 * env {"settings"?: true: command, memory or profile changed, so the commit is read again},
	 * push {"push","ref","branch","old","new","options"} as nap-hook told them (push/push_hook.h: push is its
	 * random word, new the commit to deploy, options a list of texts), scale {"instances": wanted}, restart {"instance"?: number, else all}; other kinds have none:
	 * what they want stands in the app's row. */
	const char *args;
	const char *request_id, *created_by;
};

/* ret_id is the new row's */
NODISCARD bool operation_insert(
	struct db *db, const struct operation_new *n, int64_t *ret_id, struct err *e);

/* the operation has ended: succeeded, failed or cancelled; ERR_NOT_FOUND if it is not the tenant's
 * (row-level security) */
NODISCARD bool operation_ended(struct db *db, int64_t id, bool *ret_ended, struct err *e);

/* ends queued operations of an app as cancelled and asks the running one to stop; for destroy
 * (RULES 29) */
NODISCARD bool operation_drop_all(struct db *db, int64_t app_id, struct err *e);

/* cancels a queued one at once, asks a running one. Errors: ERR_CONFLICT "too_late" behind the
 * switch or the end. */
NODISCARD bool operation_cancel(struct db *db, int64_t id, struct err *e);

/* Results with the columns of operation_json (api/operation.c); steps as JSON text in "steps". */
NODISCARD bool operation_get(struct db *db, int64_t id, PGresult **ret, struct err *e);
/* newest first; app NULL: all; below: only ids lower than it, 0: from the top */
NODISCARD bool operation_list(struct db *db, int64_t tenant, const char *app, const char *state,
	int64_t below, int64_t limit, PGresult **ret, struct err *e);

/* columns seq, at_us, line */
NODISCARD bool operation_lines(
	struct db *db, int64_t id, int64_t after, int64_t limit, PGresult **ret, struct err *e);

/* {"seq":3,"at":"…Z","line":"…"} of a row of operation_lines */
void operation_line_json(struct buf *b, const PGresult *rows, int row);

#endif
