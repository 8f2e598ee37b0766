/*
 * HTTP on a unix socket, by libmicrohttpd (its only user), inside the agent's own loop: no threads.
 *
 * A listener has one handler; it is called when a request is whole, and answers with exactly one http_reply*().
 * Requests may come in any pieces, as slowly as they like (HTTP_IDLE_S of silence ends a connection); bodies of more
 * than HTTP_BODY_MAX bytes are 413. Paths and queries are decoded here, not by the library, which would cut them at %00.
 */
#ifndef NAP_AGENT_HTTP_H
#define NAP_AGENT_HTTP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <microhttpd.h>
#include <sys/types.h>

#define HTTP_BODY_MAX	 (16 * 1024 * 1024)
#define HTTP_CONNECTIONS 600
#define HTTP_IDLE_S	 60

struct http_in {
	struct MHD_Connection *connection;
	const char *method;
	char *path;	 /* decoded; NULL: it is not well formed, or holds a NUL */
	const char *raw; /* as it came */
	struct buf body;
	bool too_large, answered;
	struct arena a;
};

typedef void http_fn(void *ctx, struct http_in *in);

struct http_listener {
	struct MHD_Daemon *daemon;
	char *path; /* of the socket */
	http_fn *fn;
	void *ctx;
	bool root_only; /* root and allow only, by SO_PEERCRED */
	uid_t allow;
};

/* A listening stream socket at path, of that mode; an old one is replaced. -1 and e. */
int http_socket(const char *path, mode_t mode, struct err *e);

/* The listener's epoll descriptor is in *ret_fd: when it is readable, call http_run(). An old socket is replaced. */
NODISCARD bool http_listen(
	struct http_listener *l, const char *path, mode_t mode, int *ret_fd, struct err *e);
void http_run(struct http_listener *l);
int http_timeout_ms(
	const struct http_listener *l); /* until http_run() must be called anyway; -1: never */
void http_close(struct http_listener *l);

/* the nth value of a query parameter, decoded; NULL: there are fewer. "" for one without a value */
const char *http_query(struct http_in *in, const char *name, size_t nth);
/* one part of a query as it came, decoded; NULL: it is not well formed */
const char *http_decode(struct http_in *in, const char *text);
/* the only value of a header; *ret_n counts them. NULL: none */
const char *http_header(struct http_in *in, const char *name, size_t *ret_n);

void http_reply(
	struct http_in *in, unsigned int status, const char *type, const char *body, size_t n);
/* fleet's error body */
void http_reply_error(struct http_in *in, unsigned int status, const char *message);
/* the caller's response, which is then released */
void http_reply_with(struct http_in *in, unsigned int status, struct MHD_Response *r);

#endif
