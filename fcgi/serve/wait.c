#include "serve/wait.h"

#include "base/clock.h"
#include "base/text.h"
#include "serve/operation_json.h"
#include "serve/session.h"

#include <poll.h>
#include <strings.h>

#define LOOK_MS 5000 /* a notice may be lost with its connection */

int64_t wait_preferred(const struct request *rq)
{
	const char *p = request_header(rq, "Prefer");

	while (p && *p) {
		size_t n = strcspn(p, ",;");
		struct slice s = slice_trim((struct slice){ p, n });
		int64_t seconds;

		if (s.n > 5 && strncasecmp(s.p, "wait=", 5) == 0 &&
			parse_slice_i64((struct slice){ s.p + 5, s.n - 5 }, 0, INT32_MAX, &seconds))
			return MIN(seconds, MAX_PREFER_WAIT_S);
		p += n + (p[n] != '\0');
	}
	return 0;
}

int64_t wait_asked(struct request *rq, int64_t max)
{
	int64_t seconds = 0;

	return request_query_i64(rq, "wait", 0, max, &seconds) ? seconds : 0;
}

static bool is_listening(const struct db *db, const char *channel)
{
	for (size_t i = 0; i < db->channels_n; i++)
		if (streq(db->channels[i], channel))
			return true;
	return false;
}

/* takes all notices that have come */
static bool said(struct db *db, const char *channel, const char *payload)
{
	char from[64], what[256];
	bool yes = false;

	while (db_notice(db, from, what))
		if (streq(from, channel) && (!payload || streq(what, payload)))
			yes = true;
	return yes;
}

bool wait_notice(struct request *rq, const char *channel, const char *payload, int64_t until_ms)
{
	int64_t look = clock_mono_ms() + LOOK_MS;
	struct err e;

	if (clock_mono_ms() >= until_ms)
		return false;
	/* what happened before we listened is seen by looking once more */
	if (!is_listening(rq->db, channel))
		return db_listen(rq->db, channel, &e);
	for (;;) {
		struct pollfd p[] = { { db_fd(rq->db), POLLIN, 0 },
			{ rq->client_fd, POLLRDHUP, 0 } };
		int64_t now = clock_mono_ms();

		if (said(rq->db, channel, payload))
			return true;
		if (now >= until_ms)
			return false;
		if (now >= look || db_fd(rq->db) < 0)
			return true;
		if (poll(p, ARRAY_SIZE(p), (int)MIN(look - now, until_ms - now)) < 0)
			return false; /* a signal: this process is to end */
		if (p[1].revents & (POLLRDHUP | POLLHUP | POLLERR))
			return false;
		if (p[0].revents & (POLLHUP | POLLERR | POLLNVAL))
			look = now; /* the connection is gone; the next question makes a new one */
	}
}

static bool read_operation(struct request *rq, int64_t id, PGresult **ret, struct err *e)
{
	auto_tx struct tx tx = { 0 };

	return caller_begin_again(rq, &tx, e) && operation_get(rq->db, id, ret, e) &&
	       tx_commit(&tx, e);
}

/* the answer of before, with the operation as it is now */
static void put_operation(struct response *rs, int status, const PGresult *r)
{
	json_t *body = json_loadb(rs->body.data, rs->body.len, 0, NULL);

	if (!body)
		body = json_object();
	(void)json_object_set_new(body, "operation", operation_json(r, 0));
	response_json(rs, status, body);
}

static void put_failure(
	struct request *rq, struct response *rs, const PGresult *r, const char *state)
{
	const char *why = db_text(r, 0, "error");
	struct err e;

	if (streq(state, "cancelled"))
		(void)err_set(&e, ERR_CONFLICT, "operation_cancelled", "%s",
			why[0] ? why : "the operation was cancelled");
	else
		(void)err_set(&e, ERR_CONFLICT, "operation_failed", "%s",
			why[0] ? why : "the operation failed");
	response_problem_member(rs, "operation", operation_json(r, 0));
	response_problem(rq, rs, &e);
}

void wait_operation(struct request *rq, struct response *rs, int64_t until_ms)
{
	int64_t id = rs->operation;
	char payload[24];

	(void)db_param_i64(payload, id);
	do {
		auto_result PGresult *r = NULL;
		struct err e;
		const char *state;

		if (!read_operation(rq, id, &r, &e))
			continue; /* what was answered stands, or the database comes back */
		state = db_text(r, 0, "state");
		if (streq(state, "succeeded")) {
			put_operation(rs, 200, r);
			return;
		}
		if (streq(state, "failed") || streq(state, "cancelled")) {
			put_failure(rq, rs, r, state);
			return;
		}
		put_operation(rs, 202, r);
	} while (wait_notice(rq, "nap_operation", payload, until_ms));
}
