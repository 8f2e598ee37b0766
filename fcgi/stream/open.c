#include "stream/open.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include "store/event.h"
#include "stream/group_log.h"
#include "stream/sse.h"

#define DEFAULT_LINES 100

static struct opening *opening_of(struct request *rq)
{
	return (struct opening *)(void *)rq;
}

/* where the client goes on: a reconnecting one sends Last-Event-ID beside the query of before; NULL: from the start */
static const char *place(const struct request *rq)
{
	const char *id = request_header(rq, "Last-Event-ID");

	return id ? id : request_query(rq, "after");
}

static bool place_i64(struct request *rq, int64_t *ret)
{
	const char *text = place(rq);

	if (!text || parse_i64(text, 0, INT64_MAX, ret))
		return true;
	fault_add(&rq->faults, "after", "invalid_value", "is no place in this stream");
	return false;
}

static const char *hello_with_id(struct request *rq, const char *id)
{
	auto_buf struct buf b;

	buf_init(&b, 200);
	sse_message(&b, id, NULL, NULL, 0);
	return arena_strdup(rq->a, b.data);
}

static bool events_open(struct request *rq, struct response *rs, struct err *e)
{
	struct opening *o = opening_of(rq);
	struct stream *s = o->stream;
	const char *from = place(rq), *app = request_query(rq, "app");
	char id[EVENT_POSITION_SIZE];

	(void)rs;
	s->kind = STREAM_EVENTS;
	s->app_id = rq->caller.app;
	if (rq->caller.app_name) { /* a token bound to an app hears of that one */
		if (app && !streq(app, rq->caller.app_name))
			return request_not_found(rq, e);
		app = rq->caller.app_name;
	}
	(void)snprintf(s->app, sizeof s->app, "%s", app ? app : "");
	if (!from) {
		/* told at once, so that a client that hears nothing and reconnects misses nothing */
		if (!event_now(rq->db, &s->at, e))
			return false;
		event_position_print(id, s->at);
		o->hello = hello_with_id(rq, id);
	} else if (!event_position_parse(from, &s->at))
		fault_add(&rq->faults, "after", "invalid_value", "is no place in this stream");
	return faults_end(&rq->faults, e);
}

SQL(STREAM_APP, "SELECT id FROM app WHERE tenant_id = nap_tenant() AND name = $1");

static bool app_log_open(struct request *rq, struct response *rs, struct err *e)
{
	struct stream *s = opening_of(rq)->stream;
	int64_t instance = 0;

	(void)rs;
	s->kind = STREAM_APP_LOG;
	s->lines = DEFAULT_LINES;
	(void)request_query_i64(rq, "instance", 0, MAX_INSTANCES, &instance);
	(void)request_query_i64(rq, "release", 0, INT64_MAX, &s->release);
	(void)request_query_i64(rq, "lines", 0, MAX_LIST, &s->lines);
	if (place_i64(rq, &s->seq) && place(rq))
		s->lines = 0;
	if (s->seq == 0 && s->lines == 0)
		s->seq = place(rq) ? STREAM_FROM_OLDEST : STREAM_FROM_NOW;
	s->instance = (int)instance;
	if (!faults_end(&rq->faults, e))
		return false;
	if (!db_one_i64(rq->db, &s->app_id, e, STREAM_APP, request_param(rq, "app")))
		return e->kind == ERR_NOT_FOUND ? request_not_found(rq, e) : false;
	return true;
}

static bool group_log_start(struct request *rq, struct response *rs, struct err *e)
{
	struct stream *s = opening_of(rq)->stream;
	int64_t lines = DEFAULT_LINES, us;

	(void)rs;
	s->kind = STREAM_GROUP_LOG;
	(void)request_query_i64(rq, "lines", 0, MAX_LIST, &lines);
	if (place(rq) && !clock_parse_rfc3339(place(rq), &us))
		fault_add(&rq->faults, "after", "invalid_value", "is no place in this stream");
	if (!faults_end(&rq->faults, e) ||
		!group_log_open(rq->cfg, rq->db, request_param(rq, "group"), lines, place(rq),
			&s->group, e))
		return false;
	return s->group || request_not_found(rq, e);
}

SQL(STREAM_OPERATION_OF,
	"SELECT coalesce(app_id, 0) AS app_id, state IN ('succeeded', 'failed', 'cancelled') AS ended, "
	"coalesce((SELECT max(seq) FROM operation_log WHERE operation_id = $1), 0) AS last "
	"FROM operation WHERE id = $1 AND tenant_id = nap_tenant()");

static bool operation_open(struct request *rq, struct response *rs, struct err *e)
{
	struct stream *s = opening_of(rq)->stream;
	auto_result PGresult *r = NULL;

	s->kind = STREAM_OPERATION;
	(void)place_i64(rq, &s->seq);
	if (!faults_end(&rq->faults, e))
		return false;
	if (!parse_i64(request_param(rq, "id"), 1, INT64_MAX, &s->operation))
		return request_not_found(rq, e);
	if (!db_query(rq->db, &r, e, STREAM_OPERATION_OF, I64(s->operation)))
		return false;
	if (db_rows(r) == 0 || (rq->caller.app && rq->caller.app != db_i64(r, 0, "app_id")))
		return request_not_found(rq, e);
	/* 204 is what makes a client stop reconnecting */
	if (place(rq) && db_bool(r, 0, "ended") && s->seq >= db_i64(r, 0, "last"))
		response_nothing(rs);
	return true;
}

static const struct route rows[] = {
	{ "GET", "/events", ACCESS_READ, ROUTE_BOUND, events_open,
		.doc = { "Every change, as it happens", .query = "after app" } },
	{ "GET", "/apps/:app/logs", ACCESS_READ, 0, app_log_open,
		.doc = { "The app's log, followed", .query = "instance release lines after" } },
	{ "GET", "/groups/:group/logs", ACCESS_READ, 0, group_log_start,
		.doc = { "The logs of all members, merged and followed", .query = "lines after" } },
	{ "GET", "/operations/:id/log", ACCESS_READ, ROUTE_BOUND, operation_open,
		.doc = { "The operation's log, followed to its end", .query = "after" } },
};
static const struct route_table table = { rows, ARRAY_SIZE(rows) };
static const struct route_table *const tables[] = { &table, NULL };
const struct routes STREAM_ROUTES = { tables };
