/*
 * A place in a stream, and the entry there: a line, or a piece of one that is longer than JOURNAL_PIECE.
 *
 * A place is (file by inode number, offset), so rotation moves nothing. Several places read through one window.
 */
#ifndef NAP_AGENT_LOG_PLACE_H
#define NAP_AGENT_LOG_PLACE_H

#include "agent/journal.h"
#include "agent/log_window.h"

struct log_place {
	struct log_stream *s;
	ino_t inode; /* 0: before the oldest file */
	off_t offset;
	int64_t last_ns;   /* of the entry before: time never goes back within a stream */
	unsigned int seen; /* the stream's seq when nothing more was there */
	bool has, asked;
	/* the entry */
	ino_t at_inode;
	off_t at, next;
	int64_t ns;
	bool more;
	bool continued; /* offset is within a line of time last_ns */
	char *text;
	size_t text_n;
	size_t cut; /* bytes of the mark behind the text */
};

/* loads the entry at p's place; false: nothing is there now */
bool log_place_load(struct log_window *w, struct log_place *p);

/* the entry's text without the mark; *shown is what holds it, freed and made anew at each call */
struct slice log_place_text(struct log_window *w, struct log_place *p, char **shown);

/* "<6>text" is text of priority 6, and the text loses its sign: sd-daemon(3) */
int log_place_priority(const struct log_place *p, struct slice *text);

/* "s=ID;i=OFFSET;n=INODE;t=NS", all in hex */
void log_place_cursor(char ret[JOURNAL_CURSOR_SIZE], const struct log_place *p);

/* to the first entry that is not before (ns, id) */
void log_place_seek_time(struct log_window *w, struct log_place *p, int64_t ns, uint64_t id);

/* to the entry of a cursor's parts; where that is gone, or another stream's, by its time */
void log_place_seek(struct log_window *w, struct log_place *p, uint64_t id, ino_t inode,
	off_t offset, int64_t ns);

/* n lines before where it is, or before the end */
void log_place_back(struct log_window *w, struct log_place *p, size_t n, bool from_end);

#endif
