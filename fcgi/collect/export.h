/*
 * The journal export format, read piece by piece as it comes from a connection.
 *
 * An entry is `FIELD=value` lines, or FIELD, newline, 8 bytes of little-endian length, the bytes, newline; an empty
 * line ends it. Only the fields below are kept; of a value at most EXPORT_MAX_VALUE bytes (MAX_LOG_LINE of a
 * message), the rest is read and dropped. Where a field comes twice the first counts.
 * See https://systemd.io/JOURNAL_EXPORT_FORMATS, systemd-journal-gatewayd(8), systemd.journal-fields(7).
 */
#ifndef NAP_COLLECT_EXPORT_H
#define NAP_COLLECT_EXPORT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

enum export_field {
	EXPORT_CURSOR, /* __CURSOR */
	EXPORT_TIME,   /* __REALTIME_TIMESTAMP */
	EXPORT_OF,    /* _SYSTEMD_UNIT: whose process wrote it; nobody can forge a field with '_' */
	EXPORT_ABOUT, /* UNIT: which unit it is about; anybody can write it */
	EXPORT_MESSAGE,	   /* MESSAGE */
	EXPORT_STREAM,	   /* _STREAM_ID: one open standard output */
	EXPORT_LINE_BREAK, /* _LINE_BREAK: why the line ended, where not by a newline */
	EXPORT_COMMAND,	   /* _COMM */
	EXPORT_FIELDS,
};

#define EXPORT_MAX_VALUE 1024		     /* but the message's */
#define EXPORT_MAX_FIELD (256 * 1024 * 1024) /* a length above this is no journal's */

struct export_entry {
	struct slice field[EXPORT_FIELDS]; /* p NULL: it has none; valid during the call only */
	int64_t time_us;		   /* 0: none */
};

/* false ends the reading */
typedef bool export_fn(void *ctx, const struct export_entry *entry);

struct export
{
	struct buf value[EXPORT_FIELDS];
	bool has[EXPORT_FIELDS];
	export_fn *on_entry;
	void *ctx;
	char name[32]; /* of the field being read */
	size_t name_n, size_n;
	uint64_t left; /* bytes of a binary value */
	int field;     /* -1: not kept */
	enum { EXPORT_NAME, EXPORT_TEXT, EXPORT_SIZE, EXPORT_BYTES, EXPORT_END } at;
};

void export_init(struct export *x, export_fn *on_entry, void *ctx);
void export_release(struct export *x);
/* forgets what was read of an entry: a new connection begins */
void export_restart(struct export *x);

/* Calls on_entry for each entry that ends in p. Errors: ERR_UPSTREAM "malformed"; ERR_CONFLICT "stopped" where
 * on_entry said so. After an error only export_restart and export_release may be called. */
NODISCARD bool export_feed(struct export *x, const char *p, size_t n, struct err *e);

#endif
