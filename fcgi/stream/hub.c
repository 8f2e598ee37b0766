#include "stream/hub.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "collect/sink.h"
#include "stream/group_log.h"
#include "stream/reading.h"
#include "stream/sse.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define LOOK_MS	      10000 /* a stream looks for more, told or not */
#define LATER_MS      50    /* an event waits for an older transaction */
#define RETRY_MS      1000  /* the database is away */
#define STALLED_MS    60000 /* a client that takes nothing is dropped */
#define SECOND_MS     1000
#define MAX_TENANTS   STREAMS_MAX
#define READY_AT_ONCE 256

struct hub {
	const struct config *cfg;
	char *db_folder;
	struct db db;
	int epoll, inbox_fd;
	/* how many streams a tenant has, and those that the hub has not taken yet: by any thread, under lock */
	pthread_mutex_t lock;
	struct {
		int64_t tenant;
		int n;
	} counts[MAX_TENANTS];
	size_t counts_n;
	struct stream *inbox[STREAMS_MAX];
	size_t inbox_n, all_n;

	/* the hub thread's own */
	struct stream *streams[STREAMS_MAX];
	size_t n;
	int db_watched; /* descriptor in epoll, or -1 */
	int64_t db_connects, db_retry_ms, later_ms, second_ms;
	bool db_ready; /* readable */
};

/* what an epoll event points to, where it is no stream */
static char INBOX, DATABASE, STOP;

struct hub *hub_new(const struct config *cfg)
{
	struct hub *h = xcalloc(1, sizeof *h);

	h->cfg = cfg;
	h->db_folder = xasprintf("%s/run/db", cfg->state);
	h->epoll = epoll_create1(EPOLL_CLOEXEC);
	h->inbox_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	h->db_watched = -1;
	(void)pthread_mutex_init(&h->lock, NULL);
	if (h->epoll < 0 || h->inbox_fd < 0)
		abort();
	return h;
}

void hub_free(struct hub *h)
{
	if (!h)
		return;
	db_close(&h->db);
	free(h->db_folder);
	(void)close(h->epoll);
	(void)close(h->inbox_fd);
	(void)pthread_mutex_destroy(&h->lock);
	free(h);
}

/* Counting and handing over: any thread ------------------------------------------------------------------------- */

/* with the lock held; change -1 or 1; false: the tenant has its share */
static bool count(struct hub *h, int64_t tenant, int change)
{
	size_t i = 0;

	while (i < h->counts_n && h->counts[i].tenant != tenant)
		i++;
	if (i == h->counts_n) {
		if (i == MAX_TENANTS)
			return false;
		h->counts[i].tenant = tenant;
		h->counts[i].n = 0;
		h->counts_n++;
	}
	if (change > 0 && (h->counts[i].n >= STREAMS_PER_TENANT || h->all_n == STREAMS_MAX))
		return false;
	h->counts[i].n += change;
	h->all_n += (size_t)change;
	if (h->counts[i].n == 0)
		h->counts[i] = h->counts[--h->counts_n];
	return true;
}

bool hub_admit(struct hub *h, struct stream *s, const char *head, size_t head_n, struct err *e)
{
	bool ok;

	(void)pthread_mutex_lock(&h->lock);
	ok = count(h, s->tenant, 1);
	if (ok) {
		buf_init(&s->out, STREAM_MAX_OUT);
		fcgi_output(&s->out, s->request, head, head_n);
		h->inbox[h->inbox_n++] = s;
		(void)eventfd_write(h->inbox_fd, 1);
	}
	(void)pthread_mutex_unlock(&h->lock);
	return ok ||
	       err_set(e, ERR_BUSY, "too_many_streams",
		       "the tenant has %d streams open, which is the most", STREAMS_PER_TENANT);
}

/* Streams ------------------------------------------------------------------------------------------------------- */

static void watch(struct hub *h, int op, int fd, uint32_t events, void *what)
{
	struct epoll_event ev = { .events = events, .data.ptr = what };

	if (epoll_ctl(h->epoll, op, fd, &ev) < 0)
		LOG(ERROR, "stream.epoll", KV("error", strerror(errno)));
}

static void drop(struct hub *h, size_t i)
{
	struct stream *s = h->streams[i];

	(void)close(s->fd);
	(void)pthread_mutex_lock(&h->lock);
	(void)count(h, s->tenant, -1);
	(void)pthread_mutex_unlock(&h->lock);
	buf_release(&s->out);
	group_log_free(s->group);
	free(s);
	h->streams[i] = h->streams[--h->n];
}

static void take_inbox(struct hub *h)
{
	int64_t now = clock_mono_ms();
	eventfd_t n;

	(void)eventfd_read(h->inbox_fd, &n);
	(void)pthread_mutex_lock(&h->lock);
	for (size_t i = 0; i < h->inbox_n; i++) {
		struct stream *s = h->inbox[i];

		s->wake = true;
		s->moved_ms = s->spoke_ms = s->looked_ms = s->checked_ms = now;
		h->streams[h->n++] = s;
		watch(h, EPOLL_CTL_ADD, s->fd, EPOLLIN | EPOLLRDHUP, s);
	}
	h->inbox_n = 0;
	(void)pthread_mutex_unlock(&h->lock);
}

/* Sends what it can. False: the client is gone, or all is sent and it was the end. */
static bool send_some(struct hub *h, struct stream *s)
{
	bool full;

	while (s->sent < s->out.len) {
		ssize_t n = send(s->fd, s->out.data + s->sent, s->out.len - s->sent,
			MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
			return false;
		if (n < 0)
			break;
		s->sent += (size_t)n;
		s->moved_ms = s->spoke_ms = clock_mono_ms();
	}
	full = s->sent < s->out.len;
	if (!full) {
		/* an idle stream holds no memory */
		buf_release(&s->out);
		s->sent = 0;
		if (s->ended)
			return false;
	}
	if (full != s->writing) {
		s->writing = full;
		watch(h, EPOLL_CTL_MOD, s->fd,
			EPOLLIN | EPOLLRDHUP | (full ? (uint32_t)EPOLLOUT : 0), s);
	}
	return !s->out.failed;
}

/* nginx says nothing more after the request, so this is its end, or the end of the request's empty input */
static bool client_is_there(const struct stream *s)
{
	char rest[256];
	ssize_t n;

	do
		n = recv(s->fd, rest, sizeof rest, MSG_DONTWAIT);
	while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

static size_t index_of(const struct hub *h, const struct stream *s)
{
	size_t i = 0;

	while (i < h->n && h->streams[i] != s)
		i++;
	return i;
}

static void socket_ready(struct hub *h, struct stream *s, uint32_t events)
{
	bool ok = !(events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP));

	if (ok && (events & EPOLLIN))
		ok = client_is_there(s);
	if (ok && (events & EPOLLOUT))
		ok = send_some(h, s);
	if (!ok)
		drop(h, index_of(h, s));
}

/* The database -------------------------------------------------------------------------------------------------- */

static void wake_all(struct hub *h)
{
	for (size_t i = 0; i < h->n; i++)
		h->streams[i]->wake = !h->streams[i]->ended;
}

static void database_lost(struct hub *h)
{
	if (h->db_watched >= 0)
		(void)epoll_ctl(h->epoll, EPOLL_CTL_DEL, h->db_watched, NULL);
	h->db_watched = -1;
	h->db_retry_ms = clock_mono_ms() + RETRY_MS;
}

/* A connection that is new has missed notifications, and its descriptor is another. */
static void watch_database(struct hub *h)
{
	if (h->db.connects == h->db_connects && h->db_watched >= 0)
		return;
	if (h->db_watched >= 0)
		(void)epoll_ctl(h->epoll, EPOLL_CTL_DEL, h->db_watched, NULL);
	h->db_connects = h->db.connects;
	h->db_watched = db_fd(&h->db);
	h->db_retry_ms = 0;
	watch(h, EPOLL_CTL_ADD, h->db_watched, EPOLLIN, &DATABASE);
	for (size_t i = 0; i < h->n; i++)
		h->streams[i]->checked_ms = 0;
	wake_all(h);
}

static bool database_open(struct hub *h, struct err *e)
{
	const struct db_options options = {
		.host = h->db_folder, .user = "nap_api", .program = "nap-stream"
	};

	return db_open(&h->db, &options, e) && db_listen(&h->db, "nap_event", e) &&
	       db_listen(&h->db, SINK_CHANNEL, e) && db_listen(&h->db, "nap_operation", e) &&
	       db_listen(&h->db, "nap_auth", e);
}

/* True: it is there. Tries again a second after it was not. */
static bool database_is_there(struct hub *h)
{
	struct err e;

	if (h->db_retry_ms && clock_mono_ms() < h->db_retry_ms)
		return false;
	if (h->db_watched >= 0 && !h->db_ready)
		return true;
	h->db_ready = false;
	/* readable without a notification: the connection has ended; a query makes a new one */
	if (h->db.channels_n ? db_exec(&h->db, NULL, &e, "SELECT 1") : database_open(h, &e)) {
		watch_database(h);
		return true;
	}
	if (!h->db_retry_ms)
		LOG(WARNING, "stream.database", KV("error", e.msg), KV("detail", e.detail));
	database_lost(h);
	return false;
}

static void told(struct hub *h, const char *channel, int64_t what)
{
	for (size_t i = 0; i < h->n; i++) {
		struct stream *s = h->streams[i];
		bool mine = false;

		if (streq(channel, "nap_event"))
			mine = s->kind == STREAM_EVENTS &&
			       (s->tenant == what || streq(s->role, "admin"));
		else if (streq(channel, SINK_CHANNEL))
			mine = (s->kind == STREAM_APP_LOG && s->app_id == what) ||
			       (s->kind == STREAM_GROUP_LOG && group_log_told(s->group, what));
		else if (streq(channel, "nap_operation"))
			mine = s->kind == STREAM_OPERATION && s->operation == what;
		else if (s->tenant == what)
			s->checked_ms = 0;
		s->wake = (s->wake || mine) && !s->ended;
	}
}

static void take_notices(struct hub *h)
{
	char channel[64], payload[256];
	bool any = false;
	int64_t what;

	while (db_notice(&h->db, channel, payload)) {
		any = true;
		if (parse_i64(payload, 0, INT64_MAX, &what))
			told(h, channel, what);
	}
	h->db_ready = !any;
}

/* Reading ------------------------------------------------------------------------------------------------------- */

static bool wants(const struct stream *s)
{
	return s->wake && !s->ended && s->out.len - s->sent < STREAM_FULL;
}

static bool beside(const struct stream *a, const struct stream *b)
{
	return b->kind == STREAM_EVENTS && a->tenant == b->tenant && streq(a->role, b->role) &&
	       streq(a->app, b->app) && event_position_compare(a->at, b->at) == 0;
}

/* all streams from i on that are to be told the same */
static size_t gather(struct hub *h, size_t i, struct stream *group[STREAMS_PER_TENANT])
{
	size_t n = 0;

	for (size_t k = i; k < h->n && n < STREAMS_PER_TENANT; k++)
		if (k == i || (wants(h->streams[k]) && beside(h->streams[i], h->streams[k])))
			group[n++] = h->streams[k];
	return n;
}

/* one page for each that wants one; false: the database is away */
static bool read_all(struct hub *h)
{
	bool later = false;

	for (size_t i = 0; i < h->n; i++) {
		struct stream *s = h->streams[i], *group[STREAMS_PER_TENANT];
		struct err e;
		bool ok;

		if (!wants(s))
			continue;
		if (s->kind == STREAM_EVENTS)
			ok = stream_read_events(&h->db, group, gather(h, i, group), &later, &e);
		else
			ok = stream_read(h->cfg, &h->db, s, &e);
		if (!ok &&
			(e.kind == ERR_UPSTREAM || e.kind == ERR_BUSY || e.kind == ERR_TIMEOUT)) {
			database_lost(h);
			return false;
		}
		if (!ok) {
			LOG(ERROR, "stream.read", KV("error", e.msg), KV("detail", e.detail));
			stream_end(s);
		}
	}
	h->later_ms = later ? clock_mono_ms() + LATER_MS : 0;
	return true;
}

static void wake_late_events(struct hub *h)
{
	h->later_ms = 0;
	for (size_t i = 0; i < h->n; i++)
		if (h->streams[i]->kind == STREAM_EVENTS && !h->streams[i]->ended)
			h->streams[i]->wake = true;
}

static void send_all(struct hub *h)
{
	for (size_t i = 0; i < h->n;) {
		struct stream *s = h->streams[i];

		if (s->out.len > s->sent && !s->writing && !send_some(h, s))
			drop(h, i);
		else
			i++;
	}
}

/* Time ---------------------------------------------------------------------------------------------------------- */

static void check(struct hub *h, struct stream *s, int64_t now)
{
	struct err e;
	bool good = true;

	if (!stream_check(&h->db, s, &good, &e))
		return; /* the database is away: asked again in a second */
	s->checked_ms = now;
	if (!good)
		stream_end(s);
}

static void each_second(struct hub *h, bool database)
{
	int64_t now = clock_mono_ms();

	for (size_t i = 0; i < h->n; i++) {
		struct stream *s = h->streams[i];

		if (s->out.len > s->sent) {
			if (now - s->moved_ms > STALLED_MS) {
				LOG(INFO, "stream.stalled", KV("tenant", s->tenant));
				drop(h, i--);
			}
			continue;
		}
		if (database && now - s->checked_ms >= STREAM_CHECK_MS)
			check(h, s, now);
		if (now - s->looked_ms >= LOOK_MS) {
			s->looked_ms = now;
			s->wake = !s->ended;
		}
		if (!s->ended && now - s->spoke_ms >= STREAM_SILENCE_MS - SECOND_MS) {
			auto_buf struct buf text;

			buf_init(&text, 64);
			sse_comment(&text);
			fcgi_output(&s->out, s->request, text.data, text.len);
		}
	}
}

/* credentials of a tenant have changed */
static void check_told(struct hub *h)
{
	int64_t now = clock_mono_ms();

	for (size_t i = 0; i < h->n; i++)
		if (h->streams[i]->checked_ms == 0 && !h->streams[i]->ended)
			check(h, h->streams[i], now);
}

static void end_all(struct hub *h)
{
	take_inbox(h);
	while (h->n) {
		stream_end(h->streams[0]);
		(void)send_some(h, h->streams[0]);
		drop(h, 0);
	}
}

static int wait_ms(const struct hub *h)
{
	int64_t now = clock_mono_ms(), until = h->second_ms + SECOND_MS;

	for (size_t i = 0; i < h->n; i++)
		if (h->db_watched >= 0 && wants(h->streams[i]))
			return 0; /* its page was full */
	if (h->later_ms)
		until = MIN(until, h->later_ms);
	return (int)MAX(until - now, (int64_t)0);
}

static bool take_ready(struct hub *h)
{
	struct epoll_event ready[READY_AT_ONCE];
	int n = epoll_wait(h->epoll, ready, READY_AT_ONCE, wait_ms(h));
	bool inbox = false, notices = false;

	for (int i = 0; i < n; i++) {
		void *what = ready[i].data.ptr;

		if (what == &STOP)
			return false;
		if (what == &INBOX)
			inbox = true;
		else if (what == &DATABASE)
			notices = true;
		else
			socket_ready(h, what, ready[i].events);
	}
	/* after the sockets: these make and end streams */
	if (inbox)
		take_inbox(h);
	if (notices)
		take_notices(h);
	return true;
}

void hub_run(struct hub *h, int stop_fd)
{
	watch(h, EPOLL_CTL_ADD, h->inbox_fd, EPOLLIN, &INBOX);
	watch(h, EPOLL_CTL_ADD, stop_fd, EPOLLIN, &STOP);
	h->second_ms = clock_mono_ms();
	do {
		bool database = database_is_there(h);

		if (database)
			check_told(h);
		if (clock_mono_ms() - h->second_ms >= SECOND_MS) {
			h->second_ms = clock_mono_ms();
			each_second(h, database);
		}
		if (h->later_ms && clock_mono_ms() >= h->later_ms)
			wake_late_events(h);
		if (database)
			(void)read_all(h);
		if (h->db_watched >= 0)
			watch_database(h);
		send_all(h);
	} while (take_ready(h));
	end_all(h);
}
