/*
 * What units wrote, and what was said about them, as one journal in the order of time.
 *
 * A stream is one of the two things a unit's log has: its output (svlogd's files A/log/NAME/{@*.s,current}, a line
 * each with a TAI64N stamp) and its events (A/unit/NAME/{events.old,events}, "TIME_US TEXT"; when the unit is gone, in
 * A/log/NAME). The logs of a deleted unit stay for an hour, so that whoever collects can fetch the last lines.
 *
 * A reader merges streams. Its place in a stream is (file by inode number, offset), so rotation moves nothing; a cursor
 * names an entry by time, stream, inode and offset, and holds over restarts of the agent: where the file is gone, time
 * decides. While following, entries of the last JOURNAL_HOLD_MS wait, so that one written a little later with an
 * earlier time still comes in order.
 */
#ifndef NAP_AGENT_JOURNAL_H
#define NAP_AGENT_JOURNAL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

#include <sys/types.h>

#define JOURNAL_HOLD_MS	    100
#define JOURNAL_PIECE	    (48 * 1024) /* longer lines come in pieces, as journald cuts them */
#define JOURNAL_CURSOR_SIZE 160
#define JOURNAL_KEEP_S	    3600 /* of a unit that is gone */

struct journal;

/* dir: A, copied */
struct journal *journal_new(const char *dir);
void journal_free(struct journal *j);

/* The log folder of unit name is there, and written for uid. Told again it is only brought up to date. */
void journal_unit(struct journal *j, const char *name, const char *folder, uid_t uid);

/* Log folders that no unit has: those of an earlier agent's deleted units. Old ones are removed. */
void journal_tidy(struct journal *j, bool (*is_unit)(void *ctx, const char *folder), void *ctx);

/* Some file may have grown: one look without blocking. True if a reader should read on. */
bool journal_look(struct journal *j);

struct journal_entry {
	const char *unit; /* whose stream it is */
	bool event;	  /* said about it, not written by it */
	uid_t uid;
	int64_t time_us;
	int priority; /* 0..7; from a leading <N> (sd-daemon(3)), which is not part of the message */
	struct slice message;
	bool more; /* the line goes on in the stream's next entry */
	char cursor[JOURNAL_CURSOR_SIZE];
};

struct journal_reader;

/* units: only these, output and events chosen apart; n 0: of all. Both sets empty: everything. */
struct journal_match {
	const char *const *output, *const *events;
	size_t n_output, n_events;
	bool all; /* everything */
};

struct journal_reader *journal_read(struct journal *j, const struct journal_match *m, bool follow);
void journal_reader_free(struct journal_reader *r);

/* Where it begins; without any of these at the oldest entry. */
/* at the entry of cursor, or where it would be; false: it is none */
NODISCARD bool journal_seek_cursor(struct journal_reader *r, const char *cursor);
/* n entries before the place it has, or before the end */
void journal_seek_back(struct journal_reader *r, size_t n, bool from_end);
void journal_seek_time(struct journal_reader *r, int64_t time_us);

/* The next entry, valid until the next call; false: there is none (yet). */
bool journal_next(struct journal_reader *r, struct journal_entry *ret);

#endif
