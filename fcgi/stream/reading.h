/*
 * What a stream is told next: read from the database or the log files, written into its buffer.
 */
#ifndef NAP_STREAM_READING_H
#define NAP_STREAM_READING_H

#include "stream/hub.h"

#define STREAM_FULL    (128 * 1024) /* a buffer that holds this much is not filled further */
#define STREAM_MAX_OUT (4 * 1024 * 1024)

/* one message into s->out, within FastCGI's records */
void stream_message(
	struct stream *s, const char *id, const char *event, const char *data, size_t n);
void stream_end(struct stream *s);

/* The next page for s. s->wake stays set where there may be more at once; *ret_later is set where an event waits for
 * an older transaction. For events: the page goes to all of the n streams of group, which are at the same place. */
NODISCARD bool stream_read(
	const struct config *cfg, struct db *db, struct stream *s, struct err *e);
NODISCARD bool stream_read_events(
	struct db *db, struct stream *const *group, size_t n, bool *ret_later, struct err *e);

/* *ret_good: its credential still is, its app still exists */
NODISCARD bool stream_check(struct db *db, const struct stream *s, bool *ret_good, struct err *e);

#endif
