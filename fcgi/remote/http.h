/*
 * HTTP out: the only curl_* calls. One client per process; its connections are kept between calls.
 *
 * A request has a total time limit (the engine's socket accepts while fleetd is down) and a cap on the body. No
 * redirect is followed; only http and https are spoken. Many requests run at once by http_all, at most
 * HTTP_PARALLEL of them on the wire. See libcurl-multi(3).
 */
#ifndef NAP_REMOTE_HTTP_H
#define NAP_REMOTE_HTTP_H

#include "base/buf.h"
#include "base/err.h"

#define HTTP_PARALLEL	 16
#define HTTP_HEADER_SIZE 1024

struct http;

struct http *http_new(void);
void http_free(struct http *h);

struct http_call {
	const char *method; /* "GET" … */
	const char *url;    /* http://fleet/fleet/v1/units */
	const char *socket; /* path of a unix socket; NULL: by the URL's host */
	const char *body;   /* NULL: none */
	const char *type;   /* of the body; NULL: application/json */
	/* instead of body: so many bytes of a file, from its beginning; 0: none. Not closed here */
	int file;
	int64_t file_bytes;
	const char *accept; /* NULL: none */
	const char *range; /* value of the Range header (journal-gatewayd's own form); NULL: none */
	const char *const *headers; /* further ones, "Name: value", ended by NULL; NULL: none */
	const char *wanted;	    /* name of a header of the answer to keep; NULL: none */
	int64_t timeout_ms;	    /* total; 0: none */
	size_t max_bytes;	    /* of the answer */
	/* a stream: called with each piece of a 2xx answer as it comes instead of keeping it; false ends the call.
	 * NULL: kept */
	bool (*on_data)(void *ctx, const char *p, size_t n);
	/* asked at least each 500 ms; false ends the call */
	bool (*go_on)(void *ctx);
	void *ctx;

	/* results */
	bool ok; /* an answer came, whatever its status */
	long status;
	int64_t retry_after; /* seconds; 0: the answer does not say */
	int64_t sent;	     /* bytes of the body so far, as go_on sees them */
	char header
		[HTTP_HEADER_SIZE]; /* the wanted one's value; "": there is none, or it is longer */
	struct buf answer;	    /* released by http_call_release */
	/* filled where ok is false: ERR_TIMEOUT, or ERR_UPSTREAM "no_connection" (nothing was sent), "unreachable" */
	struct err err;

	struct http_call *next; /* the client's */
};

/* Runs them all; true when every one has an answer. */
bool http_all(struct http *h, struct http_call *calls, size_t n);
bool http_one(struct http *h, struct http_call *call);

/*
 * Calls that go on for long, any number beside each other: http_begin starts one and returns, http_turn moves all of
 * them on, once, waiting at most timeout_ms for something to come on their connections or on wake_fd (-1: none).
 * It returns one that has ended, or NULL; its results are set as by http_all. A client used so is not used for
 * http_all. http_free drops what still runs.
 */
void http_begin(struct http *h, struct http_call *call);
struct http_call *http_turn(struct http *h, int timeout_ms, int wake_fd);

void http_call_release(struct http_call *call);

#endif
