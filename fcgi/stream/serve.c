#include "stream/serve.h"

#include "base/clock.h"
#include "base/log.h"
#include "serve/pool.h"
#include "serve/session.h"
#include "stream/group_log.h"
#include "stream/open.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>

#define ACCEPTING  2
#define STACK_SIZE (256 * 1024)

struct door_keeper {
	const struct config *cfg;
	struct hub *hub;
	pthread_mutex_t *
		turn; /* one thread at a time waits at the socket: else all of them wake, and one stays in accept */
	int stop_fd;
	const char *db_folder;
	struct db db;
};

/* Opening ------------------------------------------------------------------------------------------------------- */

static bool open_in_tx(struct opening *o, struct response *rs, struct err *e)
{
	auto_tx struct tx tx = { 0 };

	return caller_begin(&o->rq, &tx, e) && o->rq.route->fn(&o->rq, rs, e) && tx_commit(&tx, e);
}

static bool open_stream(struct opening *o, struct response *rs, struct err *e)
{
	struct stream *s = o->stream;
	const char *others = NULL;

	if (!route_match(&STREAM_ROUTES, &o->rq, &others, e)) {
		if (others)
			response_header(rs, "Allow", others);
		return false;
	}
	if (!open_in_tx(o, rs, e))
		return false;
	s->tenant = o->rq.caller.tenant;
	s->token = o->rq.caller.token;
	s->session = o->rq.caller.session;
	(void)snprintf(s->role, sizeof s->role, "%s", o->rq.caller.role);
	return true;
}

/* The head, and what stands at the stream's begin. X-Accel-Buffering: nginx passes each write on at once. */
static void print_head(struct opening *o, struct response *rs, struct buf *ret)
{
	response_header(rs, "X-Accel-Buffering", "no");
	(void)response_body(rs, 200, "text/event-stream");
	rs->streamed = true;
	response_head(rs, &o->rq, ret);
	rs->streamed = false;
	if (o->hello)
		buf_puts(ret, o->hello);
}

/* An answer that is no stream: an error, 204, or the head alone. */
static void answer(FCGX_Request *fcgx, struct opening *o, struct response *rs)
{
	pool_answer(fcgx, &o->rq, rs);
}

/* On success the connection is the hub's, and o->stream too. */
static bool hand_over(struct door_keeper *d, const FCGX_Request *fcgx, struct opening *o,
	struct response *rs, struct err *e)
{
	auto_buf struct buf head;
	struct stream *s = o->stream;

	buf_init(&head, 65536);
	print_head(o, rs, &head);
	s->request = fcgx->requestId;
	s->fd = fcgx->ipcFd;
	if (!hub_admit(d->hub, s, head.data, head.len, e)) {
		response_clear(rs);
		return false;
	}
	o->stream = NULL;
	return true;
}

static void log_opening(const struct opening *o, int status, const struct err *e)
{
	const char *who = o->rq.caller.actor ? o->rq.caller.actor : "-";

	LOG(INFO, "stream.open", KV("req", o->rq.id), KV("path", o->rq.path), KV("status", status),
		KV("actor", who), KV("code", e->code ? e->code : "-"), KV("detail", e->detail));
}

static void serve_one(struct door_keeper *d, FCGX_Request *fcgx)
{
	auto_arena struct arena a = { 0 };
	struct opening o = {
		.rq = { .cfg = d->cfg, .db = &d->db, .a = &a, .client_fd = fcgx->ipcFd },
		.stream = xcalloc(1, sizeof *o.stream)
	};
	struct response rs;
	struct err e = { 0 };
	bool ok;

	response_init(&rs, &a);
	ok = request_parse(fcgx->envp, &o.rq, &e) && open_stream(&o, &rs, &e);
	if (ok && rs.status != 204 && !streq(o.rq.method, "HEAD"))
		ok = hand_over(d, fcgx, &o, &rs, &e);
	if (!ok)
		response_problem(&o.rq, &rs, &e);
	log_opening(&o, rs.status, &e);
	if (o.stream)
		answer(fcgx, &o, &rs);
	else
		FCGX_Free(fcgx,
			0); /* closes nothing, above all no connection that is the hub's now */
	if (o.stream)
		group_log_free(o.stream->group);
	free(o.stream);
	response_release(&rs);
	caller_used(&o.rq);
}

/* Accepting ----------------------------------------------------------------------------------------------------- */

/* false: the process is to end */
static bool accept_one(struct door_keeper *d, FCGX_Request *fcgx, bool *ret_got)
{
	struct pollfd p[] = { { 0, POLLIN, 0 }, { d->stop_fd, POLLIN, 0 } };
	bool go_on = true;

	*ret_got = false;
	(void)pthread_mutex_lock(d->turn);
	(void)poll(p, ARRAY_SIZE(p), -1);
	if (p[1].revents)
		go_on = false;
	else if (p[0].revents)
		*ret_got = FCGX_Accept_r(fcgx) ==
			   0; /* the socket does not block: another process may have it */
	(void)pthread_mutex_unlock(d->turn);
	return go_on;
}

static void *keep_door(void *arg)
{
	struct door_keeper *d = arg;
	bool got;
	FCGX_Request fcgx;

	(void)FCGX_InitRequest(&fcgx, 0, 0);
	while (accept_one(d, &fcgx, &got)) {
		if (!got)
			continue;
		serve_one(d, &fcgx);
		(void)FCGX_InitRequest(&fcgx, 0, 0);
	}
	db_close(&d->db);
	return NULL;
}

/* The process --------------------------------------------------------------------------------------------------- */

static int watch_signals(void)
{
	sigset_t set;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static void raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

static bool open_door(struct door_keeper *d, pthread_t *ret)
{
	pthread_attr_t small;
	struct err e;
	bool ok;

	/* a database that is away is no reason to leave: requests say 503 until it is back */
	if (!db_open(&d->db,
		    &(struct db_options){
			    .host = d->db_folder, .user = "nap_api", .program = "nap-stream" },
		    &e))
		LOG(WARNING, "database", KV("error", e.msg), KV("detail", e.detail));
	(void)pthread_attr_init(&small);
	(void)pthread_attr_setstacksize(&small, STACK_SIZE);
	ok = pthread_create(ret, &small, keep_door, d) == 0;
	(void)pthread_attr_destroy(&small);
	return ok;
}

int stream_run(const struct config *cfg)
{
	auto_free char *db_folder = xasprintf("%s/run/db", cfg->state);
	pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
	struct door_keeper doors[ACCEPTING];
	pthread_t threads[ACCEPTING];
	int signals = watch_signals(), stop = eventfd(0, EFD_CLOEXEC);
	struct hub *hub = hub_new(cfg);
	struct timespec until;

	raise_limits();
	if (FCGX_Init() != 0 || fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK) < 0) {
		LOG(ERROR, "stream.start", KV("error", "descriptor 0 is no FastCGI socket"));
		return 1;
	}
	for (size_t i = 0; i < ACCEPTING; i++) {
		doors[i] = (struct door_keeper){ .cfg = cfg,
			.hub = hub,
			.turn = &turn,
			.stop_fd = stop,
			.db_folder = db_folder };
		if (!open_door(&doors[i], &threads[i]))
			return 1;
	}
	LOG(INFO, "stream.start");
	hub_run(hub, signals);
	(void)eventfd_write(stop, 1);
	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 500 * 1000 * 1000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	for (size_t i = 0; i < ACCEPTING; i++)
		if (pthread_timedjoin_np(threads[i], NULL, &until) != 0)
			_exit(0); /* it waits for the database: nobody waits for it */
	hub_free(hub);
	(void)close(stop);
	(void)close(signals);
	return 0;
}
