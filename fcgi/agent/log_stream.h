/*
 * One of the two things that a unit's log has: its output (svlogd's files) or its events (agent/journal.h has the files).
 * A stream is shared by the journal that knows it and by the readers that stand in it, and counts them.
 */
#ifndef NAP_AGENT_LOG_STREAM_H
#define NAP_AGENT_LOG_STREAM_H

#include "base/base.h"

#include <sys/types.h>

#define LOG_STAMP     25 /* "@" and 24 hex digits */
#define LOG_FILES_MAX 64

struct log_stream {
	char *name, *folder;
	char *log, *unit; /* where its files are */
	bool events, gone;
	uid_t uid;
	uint64_t id;	  /* of name and kind: part of cursors */
	unsigned int seq; /* grows when a file may have changed */
	int watch, watch_kept;
	int refs;
};

/* dir: A, as the other two copied */
struct log_stream *log_stream_new(
	const char *dir, const char *name, const char *folder, bool events, uid_t uid);
void log_stream_unref(struct log_stream *s);

/* The time of the line at p, in nanoseconds; *ret_n: the bytes of the stamp with its blank. False: it has none. */
bool log_stream_stamp(
	const struct log_stream *s, const char *p, size_t n, int64_t *ret_ns, size_t *ret_n);

/* nap-unit ended the line, for the unit did not: unit/unit_dir.h */
bool log_stream_ends_in_mark(const struct log_stream *s, const char *p, size_t n);

/* the files of a stream that are there, oldest first */
struct log_files {
	char *path[LOG_FILES_MAX];
	ino_t inode[LOG_FILES_MAX];
	int64_t mtime[LOG_FILES_MAX];
	size_t n;
};

void log_files_list(const struct log_stream *s, struct log_files *f);
void log_files_release(struct log_files *f);

#endif
