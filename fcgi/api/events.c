#include "api/app.h"
#include "api/routes.h"
#include "base/limits.h"
#include "serve/wait.h"
#include "store/event.h"

static void read_after(struct request *rq, struct event_position *ret)
{
	const char *after = request_query(rq, "after");

	*ret = (struct event_position){ 0 };
	if (after && !event_position_parse(after, ret))
		fault_add(&rq->faults, "after", "invalid_value",
			"must be the id of an event, or the \"next\" of an earlier answer");
}

static void read_order(struct request *rq, bool *ret_down)
{
	const char *order = request_query(rq, "order");

	*ret_down = order && streq(order, "desc");
	if (order && !*ret_down && !streq(order, "asc"))
		fault_add(&rq->faults, "order", "invalid_value", "must be asc or desc");
}

static void write_page(struct response *rs, const struct event_page *page)
{
	struct buf *b = list_begin(rs);

	for (int i = 0; i < db_rows(page->rows); i++) {
		if (i)
			buf_putc(b, ',');
		event_json(b, page->rows, i);
	}
	if (page->full) {
		char next[EVENT_POSITION_SIZE];

		event_position_print(next, page->next);
		buf_printf(b, "],\"next\":\"%s\"}", next);
	} else {
		buf_puts(b, "],\"next\":null}");
	}
}

static bool events_get(struct request *rq, struct response *rs, struct err *e)
{
	int64_t wait = wait_asked(rq, MAX_LONG_POLL_S);
	struct event_query q = {
		.app = request_query(rq, "app"), .kind = request_query(rq, "kind"), .limit = 50
	};
	struct event_page page = { 0 };

	read_after(rq, &q.after);
	read_order(rq, &q.down);
	(void)request_query_i64(rq, "limit", 1, MAX_LIST, &q.limit);
	if (rq->caller.app_name) { /* a token bound to an app hears of that one */
		if (q.app && !streq(q.app, rq->caller.app_name))
			return request_not_found(rq, e);
		q.app = rq->caller.app_name;
	}
	if (!faults_end(&rq->faults, e) || !event_list(rq->db, &q, &page, e))
		return false;
	if (wait && !q.down && db_rows(page.rows) == 0)
		response_again(rs, "nap_event", NULL, wait);
	write_page(rs, &page);
	PQclear(page.rows);
	return true;
}

static const struct route events_routes[] = {
	{ "GET", "/events", ACCESS_READ, ROUTE_BOUND, events_get,
		.doc = { "Everything that changed, oldest first; text/event-stream follows",
			.answer = "[Event]", .query = "app kind order after limit wait" } },
};
ROUTE_TABLE(events);
