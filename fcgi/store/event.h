/*
 * Events: everything that changed, as a stream and as the audit list.
 *
 * Rows come in an order that loses none (RULES 19): two transactions may commit in another order than they took
 * their ids, so a reader sees only rows of transactions below pg_snapshot_xmin(pg_current_snapshot()), ordered by
 * (txid, id). A place in that order is a position; its text "TXID-ID" is the event's "id" in JSON, the `id:` of the
 * stream, Last-Event-ID, `after` and `next`: one and the same for all of them, and opaque to clients.
 *
 *	struct event_page page;
 *	if (!event_list(db, &(struct event_query){ .after = at, .limit = 100 }, &page, e))
 *		return false;
 *	for (int i = 0; i < db_rows(page.rows); i++)
 *		event_json(b, page.rows, i);
 *	at = page.next;
 *	PQclear(page.rows);
 */
#ifndef NAP_STORE_EVENT_H
#define NAP_STORE_EVENT_H

#include "base/buf.h"
#include "store/db.h"

struct event_position {
	int64_t txid, id;
};

#define EVENT_POSITION_SIZE 48
void event_position_print(char ret[EVENT_POSITION_SIZE], struct event_position at);
/* exact: what it takes, event_position_print gives back */
NODISCARD bool event_position_parse(const char *text, struct event_position *ret);
/* below 0, 0, above 0, as strcmp */
int event_position_compare(struct event_position a, struct event_position b);

/* For whom a query outside a transaction runs: row-level security shows that tenant's events, an admin all. */
struct event_reader {
	int64_t tenant;
	const char *role; /* "admin" or "tenant" */
};

struct event_query {
	const struct event_reader *as; /* NULL: the open transaction has said it */
	const char *app;	       /* NULL: all apps */
	const char *kind;	     /* "app.created", or "app" for all that begin so; NULL: all */
	struct event_position after; /* { 0, 0 }: from the oldest, or from the newest down */
	bool down; /* newest first, and after is where to go on below; within a transaction only */
	int64_t limit;
};

struct event_page {
	PGresult *rows; /* for event_json; the caller clears it */
	/* where to go on: behind the last row; where no row was left, behind all that can still be told */
	struct event_position next;
	bool full; /* as many rows as the limit: more may wait */
	bool later; /* some are committed but an older transaction still runs: look again soon, nothing will tell */
};

/* One round trip. */
NODISCARD bool event_list(
	struct db *db, const struct event_query *q, struct event_page *ret, struct err *e);

/* The position of now: what commits from here on comes after it. */
NODISCARD bool event_now(struct db *db, struct event_position *ret, struct err *e);

struct event_position event_at(const PGresult *rows, int row);

/* {"id":"812-17","at":"…Z","tenant":"acme","app":"web","kind":"app.changed","actor":"token:7","data":{…}} */
void event_json(struct buf *b, const PGresult *rows, int row);

#endif
