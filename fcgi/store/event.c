#include "store/event.h"

#include "base/clock.h"
#include "base/text.h"

void event_position_print(char ret[EVENT_POSITION_SIZE], struct event_position at)
{
	(void)snprintf(ret, EVENT_POSITION_SIZE, "%jd-%jd", (intmax_t)at.txid, (intmax_t)at.id);
}

bool event_position_parse(const char *text, struct event_position *ret)
{
	const char *dash = strchr(text, '-');
	char back[EVENT_POSITION_SIZE];
	struct event_position at;

	if (!dash ||
		!parse_slice_i64(
			(struct slice){ text, (size_t)(dash - text) }, 0, INT64_MAX, &at.txid) ||
		!parse_i64(dash + 1, 0, INT64_MAX, &at.id))
		return false;
	event_position_print(back, at);
	if (!streq(back, text))
		return false;
	*ret = at;
	return true;
}

int event_position_compare(struct event_position a, struct event_position b)
{
	if (a.txid != b.txid)
		return a.txid < b.txid ? -1 : 1;
	return a.id < b.id ? -1 : a.id > b.id;
}

SQL(EVENT_AS, "SELECT set_config('nap.tenant', $1, true), set_config('nap.role', $2, true)");

/* First, so that its horizon is not above the one that the rows are read with. */
SQL(EVENT_HORIZON,
	"SELECT h.xmin::text AS xmin, EXISTS (SELECT 1 FROM event e WHERE e.txid >= h.xmin) AS later "
	"FROM (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xmin) h");

/* clang-format off */
#define EVENT_ROWS \
	"SELECT e.txid::text AS txid, e.id, coalesce(t.name, '') AS tenant, e.app, e.kind, e.actor, e.data, " \
	DB_US("e.at") " AS at_us FROM event e LEFT JOIN tenant t ON t.id = e.tenant_id " \
	"WHERE e.txid < pg_snapshot_xmin(pg_current_snapshot()) AND ($3::text IS NULL OR e.app = $3) " \
	"AND ($5::text IS NULL OR e.kind = $5 OR split_part(e.kind, '.', 1) = $5) "
/* clang-format on */

SQL(EVENT_AFTER,
	EVENT_ROWS "AND (e.txid, e.id) > ($1::xid8, $2::bigint) ORDER BY e.txid, e.id LIMIT $4");
SQL(EVENT_BEFORE, EVENT_ROWS
	"AND (e.txid, e.id) < ($1::xid8, $2::bigint) ORDER BY e.txid DESC, e.id DESC LIMIT $4");

/* the first ones before the place, or before now */
static bool list_down(
	struct db *db, const struct event_query *q, struct event_page *ret, struct err *e)
{
	struct event_position from = q->after;
	struct event_page page = { 0 };

	if (from.txid == 0)
		from.txid = INT64_MAX;
	if (!db_query(db, &page.rows, e, EVENT_BEFORE, I64(from.txid), I64(from.id), q->app,
		    I64(q->limit), q->kind))
		return false;
	page.full = db_rows(page.rows) >= q->limit;
	if (page.full)
		page.next = event_at(page.rows, db_rows(page.rows) - 1);
	*ret = page;
	return true;
}

bool event_list(struct db *db, const struct event_query *q, struct event_page *ret, struct err *e)
{
	const struct db_ask ask[] = {
		{ EVENT_AS, { I64(q->as ? q->as->tenant : 0), q->as ? q->as->role : "" }, 2 },
		{ EVENT_HORIZON, { NULL }, 0 },
		{ EVENT_AFTER,
			{ I64(q->after.txid), I64(q->after.id), q->app, I64(q->limit), q->kind },
			5 },
	};
	size_t skip = q->as ? 0 : 1, n = ARRAY_SIZE(ask) - skip;
	PGresult *r[ARRAY_SIZE(ask)];
	struct event_page page = { 0 };

	if (q->down)
		return list_down(db, q, ret, e);
	if (!db_pipeline(db, ask + skip, n, r, e))
		return false;
	if (q->as)
		PQclear(r[0]);
	page.rows = r[n - 1];
	page.full = db_rows(page.rows) >= q->limit;
	page.later = db_bool(r[n - 2], 0, "later");
	page.next = q->after;
	if (db_rows(page.rows) > 0)
		page.next = event_at(page.rows, db_rows(page.rows) - 1);
	if (!page.full) {
		struct event_position horizon = { db_i64(r[n - 2], 0, "xmin"), 0 };

		if (event_position_compare(horizon, page.next) > 0)
			page.next = horizon;
	}
	PQclear(r[n - 2]);
	*ret = page;
	return true;
}

bool event_now(struct db *db, struct event_position *ret, struct err *e)
{
	ret->id = 0;
	return db_one_i64(
		db, &ret->txid, e, "SELECT pg_snapshot_xmin(pg_current_snapshot())::text");
}

struct event_position event_at(const PGresult *rows, int row)
{
	return (struct event_position){ db_i64(rows, row, "txid"), db_i64(rows, row, "id") };
}

static void member(struct buf *b, const char *name, const char *value)
{
	buf_printf(b, ",\"%s\":", name);
	buf_json(b, value, strlen(value));
}

void event_json(struct buf *b, const PGresult *rows, int row)
{
	char id[EVENT_POSITION_SIZE], at[RFC3339_SIZE];

	event_position_print(id, event_at(rows, row));
	clock_rfc3339(at, db_i64(rows, row, "at_us"), 6);
	buf_printf(b, "{\"id\":\"%s\",\"at\":\"%s\"", id, at);
	member(b, "tenant", db_text(rows, row, "tenant"));
	member(b, "app", db_text(rows, row, "app"));
	member(b, "kind", db_text(rows, row, "kind"));
	member(b, "actor", db_text(rows, row, "actor"));
	buf_printf(b, ",\"data\":%s}", db_text(rows, row, "data"));
}
