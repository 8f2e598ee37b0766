#include "stream/reading.h"

#include "store/applog.h"
#include "store/operation.h"
#include "stream/group_log.h"
#include "stream/sse.h"

#define PAGE_EVENTS 200
#define PAGE_LINES  1000

void stream_message(struct stream *s, const char *id, const char *event, const char *data, size_t n)
{
	auto_buf struct buf text = { 0 };

	buf_init(&text, STREAM_MAX_OUT);
	sse_message(&text, id, event, data, n);
	fcgi_output(&s->out, s->request, text.data, text.len);
}

void stream_end(struct stream *s)
{
	if (!s->ended)
		fcgi_end(&s->out, s->request);
	s->ended = true;
	s->wake = false;
}

static bool is_full(const struct stream *s)
{
	return s->out.len - s->sent >= STREAM_FULL;
}

bool stream_read_events(
	struct db *db, struct stream *const *group, size_t n, bool *ret_later, struct err *e)
{
	const struct stream *first = group[0];
	struct event_page page;
	struct event_position at;
	auto_result PGresult *rows = NULL;
	auto_buf struct buf json = { 0 };
	char id[EVENT_POSITION_SIZE];

	if (!event_list(db,
		    &(struct event_query){
			    .as = &(struct event_reader){ first->tenant, first->role },
			    .app = first->app[0] ? first->app : NULL,
			    .after = first->at,
			    .limit = PAGE_EVENTS },
		    &page, e))
		return false;
	rows = page.rows;
	at = page.next;
	buf_init(&json, STREAM_MAX_OUT);
	for (int row = 0; row < db_rows(rows); row++) {
		buf_clear(&json);
		event_json(&json, rows, row);
		event_position_print(id, event_at(rows, row));
		for (size_t i = 0; i < n; i++)
			stream_message(group[i], id, NULL, json.data, json.len);
	}
	for (size_t i = 0; i < n; i++) {
		group[i]->at = at;
		group[i]->wake = page.full;
	}
	*ret_later = *ret_later || page.later;
	return true;
}

static bool read_app_log(const struct config *cfg, struct stream *s, struct err *e)
{
	auto_arena struct arena a = { 0 };
	auto_free char *dir = xasprintf("%s/logs", cfg->state);
	struct applog_filter filter = { .instance = s->instance,
		.release = s->release,
		.after = s->lines || s->seq == STREAM_FROM_NOW ? 0 : s->seq,
		.lines = s->lines ? (size_t)s->lines : PAGE_LINES };
	struct applog_entry *list;
	size_t n, i;
	int64_t last;
	auto_buf struct buf json = { 0 };
	char id[24];

	if (!applog_read(dir, s->app_id, &filter, &a, &list, &n, &last, e))
		return false;
	if (s->seq == STREAM_FROM_NOW)
		n = 0;
	buf_init(&json, STREAM_MAX_OUT);
	for (i = 0; i < n && !is_full(s); i++) {
		buf_clear(&json);
		applog_json(&json, &list[i]);
		stream_message(s, db_param_i64(id, list[i].seq), NULL, json.data, json.len);
	}
	if (i < n || (!s->lines && n == filter.lines)) {
		s->seq = i > 0 ? list[i - 1].seq : s->seq;
		s->wake = true;
	} else {
		s->seq = last ? MAX(last, s->seq) : STREAM_FROM_OLDEST;
		s->wake = false;
	}
	s->lines = 0;
	return true;
}

SQL(STREAM_OPERATION_STATE, "SELECT state FROM operation WHERE id = $1");

static bool read_operation(struct db *db, struct stream *s, struct err *e)
{
	auto_result PGresult *state = NULL;
	auto_result PGresult *rows = NULL;
	auto_buf struct buf json = { 0 };
	auto_tx struct tx tx = { 0 };
	char id[24];
	const char *word;

	/* the state first: what is told after the end of an operation is nothing */
	if (!tx_begin_as(db, &tx, s->tenant, s->role, "", e) ||
		!db_query(db, &state, e, STREAM_OPERATION_STATE, I64(s->operation)) ||
		!operation_lines(db, s->operation, s->seq, PAGE_LINES, &rows, e) ||
		!tx_commit(&tx, e))
		return false;
	buf_init(&json, STREAM_MAX_OUT);
	for (int row = 0; row < db_rows(rows); row++) {
		buf_clear(&json);
		operation_line_json(&json, rows, row);
		s->seq = db_i64(rows, row, "seq");
		stream_message(s, db_param_i64(id, s->seq), NULL, json.data, json.len);
	}
	s->wake = db_rows(rows) == PAGE_LINES;
	word = db_rows(state) ? db_text(state, 0, "state") : "gone";
	if (s->wake || streq(word, "queued") || streq(word, "receiving") || streq(word, "running"))
		return true;
	buf_clear(&json);
	buf_printf(&json, "{\"state\":\"%s\"}", word);
	stream_message(s, NULL, "end", json.data, json.len);
	stream_end(s);
	return true;
}

bool stream_read(const struct config *cfg, struct db *db, struct stream *s, struct err *e)
{
	bool later = false;

	switch (s->kind) {
	case STREAM_APP_LOG:
		return read_app_log(cfg, s, e);
	case STREAM_GROUP_LOG:
		return group_log_read(cfg, db, s, e);
	case STREAM_OPERATION:
		return read_operation(db, s, e);
	default:
		return stream_read_events(db, &s, 1, &later, e);
	}
}

SQL(STREAM_AS, "SELECT set_config('nap.tenant', $1, true), set_config('nap.role', $2, true)");
SQL(STREAM_GOOD,
	"SELECT EXISTS (SELECT 1 FROM tenant WHERE id = nap_tenant() AND disabled_at IS NULL AND role = $1) "
	"AND ($2::bigint = 0 OR EXISTS (SELECT 1 FROM token WHERE id = $2 AND (expires_at IS NULL OR expires_at > now()))) "
	"AND ($3::bigint = 0 OR EXISTS (SELECT 1 FROM session WHERE id = $3 AND expires_at > now())) "
	"AND ($4::bigint = 0 OR EXISTS (SELECT 1 FROM app WHERE id = $4)) AS good");

bool stream_check(struct db *db, const struct stream *s, bool *ret_good, struct err *e)
{
	const struct db_ask ask[] = { { STREAM_AS, { I64(s->tenant), s->role }, 2 },
		{ STREAM_GOOD, { s->role, I64(s->token), I64(s->session), I64(s->app_id) }, 4 } };
	PGresult *r[2];

	if (!db_pipeline(db, ask, 2, r, e))
		return false;
	*ret_good = db_bool(r[1], 0, "good");
	PQclear(r[0]);
	PQclear(r[1]);
	return true;
}
