#include "serve/pool.h"

#include "base/log.h"
#include "serve/session.h"

#include <malloc.h>
#include <signal.h>

#define MAX_HEAD  65536
#define KEPT_HEAP (4 << 20) /* about what a list of a thousand takes */

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

void pool_answer(FCGX_Request *fcgx, const struct request *rq, struct response *rs)
{
	auto_buf struct buf head;

	buf_init(&head, MAX_HEAD);
	response_head(rs, rq, &head);
	/* a client that is gone is no fault of ours */
	(void)FCGX_PutStr(head.data, (int)head.len, fcgx->out);
	if (!response_is_bare(rs, rq))
		(void)FCGX_PutStr(rs->body.data, (int)rs->body.len, fcgx->out);
	FCGX_Finish_r(fcgx);
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
	struct err e = { 0 };

	response_init(&rs, &a);
	if (request_parse(fcgx->envp, &rq, &e))
		route_serve(routes, &rq, &rs);
	else
		response_problem(&rq, &rs, &e);
	pool_answer(fcgx, &rq, &rs);
	response_release(&rs);
	caller_used(&rq);
	drop_notices(db);
}

int pool_run(const struct config *cfg, struct db *db, const struct routes *routes)
{
	FCGX_Request fcgx;

	/* a large answer's memory is kept for the next one: giving it back and faulting it in again costs more than
	 * writing the answer (mallopt(3)) */
	(void)mallopt(M_TRIM_THRESHOLD, KEPT_HEAP);
	(void)mallopt(M_MMAP_THRESHOLD, KEPT_HEAP);
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
