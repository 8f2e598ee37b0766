/*
 * The hub: one thread that holds all open streams and writes to them.
 *
 * A stream has a place in what it follows (events, an app's log, an operation's log). Notifications of PostgreSQL say
 * that there may be more; then what comes after the place is read, as the stream's tenant (row-level security), and
 * put into its buffer. While that holds much, nothing more is read for the stream: a client that does not read costs
 * memory for a page and is dropped after a minute, the others never wait for it. Streams at the same place of the
 * same events share one query.
 *
 * Notifications are hints: each stream also looks every few seconds, and after a lost connection to the database.
 * Its credential is looked up again every 60 s and when something about credentials of its tenant has changed
 * (channel nap_auth, migration 0007). A client that goes is seen at once by its socket.
 */
#ifndef NAP_STREAM_HUB_H
#define NAP_STREAM_HUB_H

#include "base/buf.h"
#include "model/config.h"
#include "store/event.h"

#define STREAMS_PER_TENANT 20
#define STREAMS_MAX	   8000
#define STREAM_SILENCE_MS  15000 /* REST: a comment at least this often */
#define STREAM_CHECK_MS	   60000 /* RULES 18 */

enum stream_kind { STREAM_EVENTS, STREAM_APP_LOG, STREAM_GROUP_LOG, STREAM_OPERATION };

#define STREAM_FROM_OLDEST (-1)
#define STREAM_FROM_NOW	   (-2)

struct stream {
	enum stream_kind kind;
	int fd, request; /* FastCGI's connection, owned, and request id */

	/* who */
	int64_t tenant, token, session;
	char role[8];

	/* what */
	char app[72];		 /* events: of this app only; "": of all */
	int64_t app_id;		 /* of the log, or whose events; 0: none */
	int64_t operation;	 /* whose log */
	struct group_log *group; /* whose log, owned; NULL: none */
	int instance;		 /* of the app's log; 0: all */
	int64_t release;	 /* of the log of an app; 0: all */
	int64_t lines; /* the app's log: this many of the last ones first; 0: go on behind seq */
	int64_t seq;   /* of the line told last; an app's log: or one of these */
	struct event_position at; /* of the event told last */

	/* the hub's */
	bool wake, ended; /* there may be more; the end is written */
	bool writing;	  /* waits for the socket to take more */
	struct buf out;
	size_t sent; /* of out */
	int64_t moved_ms, spoke_ms, looked_ms, checked_ms;
};

struct hub;

/* Opens its connection to the database when it runs. */
struct hub *hub_new(const struct config *cfg);
void hub_free(struct hub *h);

/*
 * Hands a stream over, from any thread; head is what its connection is to be sent first. On success s (from xcalloc)
 * and its fd are the hub's. Errors: ERR_BUSY "too_many_streams" where the tenant has its 20.
 */
NODISCARD bool hub_admit(
	struct hub *h, struct stream *s, const char *head, size_t head_n, struct err *e);

/* Runs until stop_fd is readable; then all streams are ended. */
void hub_run(struct hub *h, int stop_fd);

#endif
