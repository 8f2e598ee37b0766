/*
 * A machine's journal, followed: one connection, begun again where it ended.
 *
 * The place is the cursor of the last entry whose lines are all written; it is kept in memory for reconnects and,
 * about once a second, in the file logs/cursor/KEY for restarts. What was written behind it is recognised when it
 * comes again (sink.h). A cursor that the journal no longer knows is dropped, and what this boot has is read.
 * See systemd-journal-gatewayd(8): Range: entries=CURSOR:SKIP:COUNT.
 */
#ifndef NAP_COLLECT_SOURCE_H
#define NAP_COLLECT_SOURCE_H

#include "collect/sink.h"
#include "remote/http.h"

struct source;

/* key: the machine's id, a file name; url: without a slash at the end; socket NULL: by url. All are copied. */
struct source *source_new(
	struct sink *sink, const char *dir, const char *key, const char *url, const char *socket);
void source_free(struct source *s); /* not while its call runs: http_free first */
bool source_is(const struct source *s, const char *key, const char *url);
const char *source_key(const struct source *s);

/*
 * Told with each look at the engine's machines whether its own is among them. One that is not is asked ever more
 * rarely, and source_over() once it has been away for SOURCE_KEEP_MS: by then a machine has removed the logs of
 * units that are gone. A source that is over begins nothing, lets go of its connection within a second, and may be
 * freed when source_idle().
 */
#define SOURCE_KEEP_MS (60 * 60 * 1000)
void source_listed(struct source *s, bool listed, int64_t now_ms);
bool source_over(const struct source *s, int64_t now_ms);
void source_end(struct source *s); /* over now, whatever is listed */
bool source_idle(const struct source *s);

/* how long the next connection waits when the one before waited for before_ms: it doubles, to 30 s, or 10 min */
int64_t source_back_off(int64_t before_ms, bool listed);

/* Starts its connection when it is time to. */
void source_begin(struct source *s, struct http *h);
/* call has ended: true when it was this one's */
bool source_ended(struct source *s, const struct http_call *call);
/* Once a second or so: writes lines whose end does not come, keeps the place. */
void source_tick(struct source *s);
void source_keep(struct source *s); /* the place, now */

/* The value of the Range header that goes on behind cursor. */
#define SOURCE_MAX_CURSOR 400
void source_range(char ret[SOURCE_MAX_CURSOR + 40], const char *cursor);

#endif
