#include "api/app.h"
#include "api/routes.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include "serve/wait.h"
#include "store/applog.h"

#include <poll.h>
#include <sys/inotify.h>

#define MAX_LOG_BYTES (6 * 1024 * 1024) /* of one answer's messages; JSON can double them */

struct log_question {
	char folder[600];
	const char *dir;
	int64_t app, wait_ms_until;
	struct applog_filter filter;
};

/* A long log is cut: of the last lines the oldest go, behind a place the newest. */
static void cut(const struct log_question *q, struct applog_entry **list, size_t *n)
{
	size_t bytes = 0, kept = 0;

	while (kept < *n && bytes < MAX_LOG_BYTES) {
		const struct applog_entry *entry =
			q->filter.after ? &(*list)[kept] : &(*list)[*n - 1 - kept];

		bytes += entry->message.n;
		kept++;
	}
	if (!q->filter.after)
		*list += *n - kept;
	*n = kept;
}

static void write_text(struct response *rs, const struct applog_entry *list, size_t n)
{
	struct buf *b = response_body(rs, 200, "text/plain; charset=utf-8");

	for (size_t i = 0; i < n; i++) {
		buf_puts(b, list[i].time);
		buf_putc(b, ' ');
		buf_i64(b, list[i].instance);
		buf_putc(b, ' ');
		buf_add(b, list[i].message.p, list[i].message.n);
		buf_putc(b, '\n');
	}
}

static void write_json(
	struct response *rs, const struct applog_entry *list, size_t n, const char *next)
{
	struct buf *b = list_begin(rs);

	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_putc(b, ',');
		applog_json(b, &list[i]);
	}
	/* a place in the log, the same as the stream's id */
	buf_puts(b, "],\"next\":");
	if (next)
		buf_printf(b, "\"%s\"}", next);
	else
		buf_puts(b, "null}");
}

/* One look; *ret_n is how many lines were written into rs. */
static bool look(struct request *rq, struct response *rs, const struct log_question *q,
	size_t *ret_n, struct err *e)
{
	auto_arena struct arena a = { 0 };
	struct applog_entry *list;
	const char *next = NULL;
	int64_t last;
	size_t found;

	if (!applog_read(q->dir, q->app, &q->filter, &a, &list, ret_n, &last, e))
		return false;
	found = *ret_n;
	cut(q, &list, ret_n);
	if (*ret_n && q->filter.after && (found == q->filter.lines || *ret_n < found))
		next = arena_printf(&a, "%jd", (intmax_t)list[*ret_n - 1].seq);
	if (wants_text(rq))
		write_text(rs, list, *ret_n);
	else
		write_json(rs, list, *ret_n, next);
	return true;
}

/* until the files change, or for a while; false: the time is over, the client is gone, this process is to end */
static bool wait_change(const struct request *rq, int watch, bool watched, int64_t until_ms)
{
	struct pollfd p[] = { { watch, POLLIN, 0 }, { rq->client_fd, POLLRDHUP, 0 } };
	int64_t left = until_ms - clock_mono_ms();
	char events[4096];

	if (left <= 0)
		return false;
	if (poll(p, ARRAY_SIZE(p), (int)MIN(left, watched ? 5000 : 1000)) < 0)
		return false;
	while (read(watch, events, sizeof events) > 0)
		;
	return !(p[1].revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static bool look_until(
	struct request *rq, struct response *rs, const struct log_question *q, struct err *e)
{
	auto_fd int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	bool watched = false;
	size_t n;

	do {
		/* before the look, so that what is written after it is told; an app's first line makes the folder */
		if (!watched && q->wait_ms_until)
			watched = inotify_add_watch(watch, q->folder,
					  IN_MODIFY | IN_CREATE | IN_MOVED_TO) >= 0;
		if (!look(rq, rs, q, &n, e))
			return false;
	} while (n == 0 && q->wait_ms_until && wait_change(rq, watch, watched, q->wait_ms_until));
	return true;
}

static void read_question(struct request *rq, struct log_question *q)
{
	int64_t instance = 0, lines = 100, wait = wait_asked(rq, MAX_LONG_POLL_S);

	*q = (struct log_question){ 0 };
	(void)request_query_i64(rq, "instance", 0, MAX_INSTANCES, &instance);
	(void)request_query_i64(rq, "lines", 1, MAX_LIST, &lines);
	(void)request_query_i64(rq, "release", 0, INT64_MAX, &q->filter.release);
	(void)request_query_i64(rq, "after", 0, INT64_MAX, &q->filter.after);
	q->filter.instance = (int)instance;
	q->filter.lines = (size_t)lines;
	q->wait_ms_until = wait ? rq->started_ms + wait * 1000 : 0;
}

static bool logs_get(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	char hours[24];
	struct log_question q;
	struct db_ask ask;

	read_question(rq, &q);
	if (!faults_end(&rq->faults, e))
		return caller_first(rq, e);
	ask = app_ask_log(request_param(rq, "app"), db_param_i64(hours, rq->cfg->log_keep_hours));
	if (!caller_ask(rq, &ask, 1, &r, e))
		return false;
	if (db_rows(r) == 0)
		return request_not_found(rq, e);
	q.app = db_i64(r, 0, "id");
	q.dir = arena_printf(rq->a, "%s/logs", rq->cfg->state);
	(void)snprintf(q.folder, sizeof q.folder, "%s/%jd", q.dir, (intmax_t)q.app);
	tenants_bytes(rs);
	return look_until(rq, rs, &q, e);
}

static const struct route logs_routes[] = {
	{ "GET", "/apps/:app/logs", ACCESS_READ, ROUTE_LAZY, logs_get,
		.doc = { "The last lines of the instances, or those after a place; text/plain for curl, "
			 "text/event-stream follows",
			.answer = "[LogLine]", .query = "instance lines release after wait" } },
};
ROUTE_TABLE(logs);
