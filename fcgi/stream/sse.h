/*
 * A stream as bytes: server-sent events (WHATWG HTML, section 9.2) within FastCGI records (FastCGI 1.0, section 8).
 *
 * The hub writes to a stream's connection itself and without blocking, which libfcgi cannot: an output of libfcgi
 * that meets a full socket loses what it held.
 */
#ifndef NAP_STREAM_SSE_H
#define NAP_STREAM_SSE_H

#include "base/buf.h"

/*
 * "event: E", "id: I", "data: …" for each line of data, and an empty line. id and event may be NULL; neither holds a
 * newline. data NULL: a message that only sets the last id.
 */
void sse_message(struct buf *b, const char *id, const char *event, const char *data, size_t n);
void sse_comment(struct buf *b); /* ":" and an empty line: shows that both ends are there */

/* Text of the response, as FCGI_STDOUT records of this request. */
void fcgi_output(struct buf *b, int request, const char *text, size_t n);
/* The end of the output and of the request. */
void fcgi_end(struct buf *b, int request);

#endif
