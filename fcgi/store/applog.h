/*
 * The log of an app: files that `nap-worker logs` writes and that nap-api and nap-stream read, so
 *that a GET asks neither the engine nor PostgreSQL, and a log outlives its units.
 *
 *	DIR/APP_ID/current    being written
 *	DIR/APP_ID/1, 2, …    rotated, 1 the newest; all together at most about max_bytes
 *
 * One line an entry:
 *
 *	SEQ TIME RELEASE INSTANCE STREAM MESSAGE
 *	17 2026-11-23T21:10:16.123456Z 3 2 o listening on 20001
 *
 * SEQ       counts per app from 1 and never restarts, rotation or not
 * STREAM    'o' what the program wrote, 's' what the engine says about the unit
 * MESSAGE   valid UTF-8 without control characters but tab; what was none became U+FFFD
 *
 * One writer (it holds flock(2) on DIR/APP_ID/lock), any number of readers. A line cut by a crash
 *is mended at the next open: the writer ends it.
 */
#ifndef NAP_STORE_APPLOG_H
#define NAP_STORE_APPLOG_H

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

#define APPLOG_FILES 4 /* current and three rotated */

struct applog_entry {
	int64_t seq;
	const char *time; /* RFC 3339, microseconds, Z */
	int64_t release;
	int instance;
	char stream;
	struct slice message;
};

/* Cuts one line (without its newline) into an entry that points into it; writes NULs between the
 * words. */
NODISCARD bool applog_parse(char *line, size_t n, struct applog_entry *ret);

struct applog {
	int lock_fd, fd;
	int64_t seq, size, max_bytes;
	char dir[512];
};

/* Opens for writing, making the folder (0750) and file (0640) as needed. */
NODISCARD bool applog_open(
	const char *dir, int64_t app_id, int64_t max_bytes, struct applog *ret, struct err *e);
NODISCARD bool applog_append(struct applog *log, int64_t time_us, int64_t release, int instance,
	char stream, const char *message, size_t n, struct err *e);
/* The text that a message becomes: what a reader of the log will find. */
void applog_clean(struct buf *b, const char *message, size_t n);
void applog_close(struct applog *log); /* NULL and closed are fine */

struct applog_filter {
	int instance;	 /* 0: all */
	int64_t after;	 /* entries with a larger seq only; -1: from the oldest */
	size_t lines;	 /* at most; with after 0 the last ones, else the first */
	int64_t release; /* 0: all */
};

/*
 * The entries that pass the filter, oldest first, in memory of a. No log yet is an empty list, not
 * an error. *ret_last is the seq of the newest entry there is (0: none), whatever the filter: a
 * reader goes on from there.
 */
NODISCARD bool applog_read(const char *dir, int64_t app_id, const struct applog_filter *filter,
	struct arena *a, struct applog_entry **ret, size_t *ret_n, int64_t *ret_last,
	struct err *e);

/* {"seq","time","release","instance","stream","message"} as JSON text */
void applog_json(struct buf *b, const struct applog_entry *entry);

#endif
