/*
 * Where a command writes: a terminal with its width and colours, or anything else as plain lines.
 *
 * Texts of tenants may hold what a terminal obeys: all that is printed passes term_text.
 */
#ifndef NAP_CLI_TERM_H
#define NAP_CLI_TERM_H

#include "base/arena.h"

#define TERM_WIDTH 80 /* where nothing tells */

struct term {
	FILE *file;
	bool tty;    /* people look at it: widths, progress that is drawn over */
	bool colour; /* tty, NO_COLOR is not set (https://no-color.org), TERM is not "dumb" */
	size_t width;
};

struct term term_of(FILE *file);

enum colour { PLAIN, RED, GREEN, YELLOW, BLUE, DIM, BOLD };
/* text in that colour; without colours text itself */
void term_put(const struct term *t, enum colour colour, const char *text);
/* running green, failed red and so on; of states and operations */
enum colour term_state(const char *state);

/* valid UTF-8 in one line, control characters made visible */
const char *term_text(struct arena *a, const char *text);

/* columns that text takes on a terminal: wide characters two, combining ones none. See wcwidth(3). */
size_t term_columns(const char *text);
/* the first bytes of text that fit into so many columns */
size_t term_fit(const char *text, size_t columns);

/* "12 s", "3 min", "2 h", "5 d" since an RFC 3339 time, as of now_us; "" of none */
const char *term_age(struct arena *a, const char *when, int64_t now_us);
/* "0.4 s", "12.3 s", "2 min 05 s" */
const char *term_seconds(struct arena *a, int64_t us);

#endif
