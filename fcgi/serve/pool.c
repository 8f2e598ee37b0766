#include "serve/pool.h"

#include "base/log.h"
#include "serve/session.h"

#include <fcgiapp.h>
#include <signal.h>

static volatile sig_atomic_t ending;

static void on_end(int sig)
{
	(void)sig;
	ending = 1;
	FCGX_ShutdownPending();
}

/* without SA_RESTART: accept and poll are to come back */
static void listen_to_signals(void)
{
	struct sigaction end = { .sa_handler = on_end };

	(void)sigaction(SIGTERM, &end, NULL);
	(void)sigaction(SIGUSR1, &end, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

static bool read_input(void *ctx, char *at, size_t n)
{
	FCGX_Stream *in = ctx;

	while (n > 0) {
		int got = FCGX_GetStr(at, (int)MIN(n, (size_t)65536), in);

		if (got <= 0)
			return false;
		at += got;
		n -= (size_t)got;
	}
	return true;
}

/* notices that nobody waits for would pile up */
static void drop_notices(struct db *db)
{
	char channel[64], payload[256];

	if (db->channels_n)
		while (db_notice(db, channel, payload))
			;
}

static void serve_one(
	const struct config *cfg, struct db *db, const struct routes *routes, FCGX_Request *fcgx)
{
	auto_arena struct arena a = { 0 };
	struct request rq = { .cfg = cfg,
		.db = db,
		.a = &a,
		.client_fd = fcgx->ipcFd,
		.read = read_input,
		.read_ctx = fcgx->in };
	struct response rs;
	struct buf out;
	struct err e = { 0 };

	response_init(&rs, &a);
	if (request_parse(fcgx->envp, &rq, &e))
		route_serve(routes, &rq, &rs);
	else
		response_problem(&rq, &rs, &e);
	buf_init(&out, rs.body.max + 65536);
	response_print(&rs, &rq, streq(rq.method, "HEAD"), &out);
	/* a client that is gone is no fault of ours */
	(void)FCGX_PutStr(out.data, (int)out.len, fcgx->out);
	FCGX_Finish_r(fcgx);
	buf_release(&out);
	response_release(&rs);
	caller_used(&rq);
	drop_notices(db);
}

int pool_run(const struct config *cfg, struct db *db, const struct routes *routes)
{
	FCGX_Request fcgx;

	listen_to_signals();
	if (FCGX_Init() != 0 || FCGX_InitRequest(&fcgx, 0, FCGI_FAIL_ACCEPT_ON_INTR) != 0) {
		LOG(ERROR, "pool.start", KV("error", "descriptor 0 is no FastCGI socket"));
		return 1;
	}
	for (int served = 0; served < POOL_MAX_REQUESTS && !ending; served++) {
		if (FCGX_Accept_r(&fcgx) != 0)
			break;
		serve_one(cfg, db, routes, &fcgx);
	}
	FCGX_Free(&fcgx, 1);
	return 0;
}
