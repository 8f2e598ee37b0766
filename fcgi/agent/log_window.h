/*
 * The one file of a log that is open, and the piece of it read last: what is read next is most often right behind it.
 */
#ifndef NAP_AGENT_LOG_WINDOW_H
#define NAP_AGENT_LOG_WINDOW_H

#include "agent/log_stream.h"
#include "base/text.h"

struct log_window {
	int fd; /* -1 at its beginning */
	ino_t inode;
	char *chunk;
	off_t at;
	size_t n; /* 0: what was read may be old */
};

void log_window_release(struct log_window *w);

/* false: the stream has no such file any more */
bool log_window_open(struct log_window *w, const struct log_stream *s, ino_t inode);

/* The bytes from offset on, at least want of them unless the file ends; valid until the next call. */
struct slice log_window_bytes(struct log_window *w, off_t offset, size_t want);

bool log_window_mid_line(struct log_window *w, off_t offset);

/* where the first line begins at or after offset; the file's size if none does */
off_t log_window_line_start(struct log_window *w, off_t offset, off_t size);

#endif
