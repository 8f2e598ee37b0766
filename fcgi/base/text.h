/*
 * Numbers, sizes, slices and UTF-8: whole text or failure, nothing guessed.
 */
#ifndef NAP_BASE_TEXT_H
#define NAP_BASE_TEXT_H

#include "base/arena.h"

struct slice {
	const char *p;
	size_t n;
};

static inline struct slice slice_of(const char *s)
{
	return (struct slice){ s, strlen(s) };
}

bool slice_eq(struct slice s, const char *text);
struct slice slice_trim(struct slice s); /* blanks and tabs at both ends */

/* Cuts the next line (without \n or \r\n) off *rest; false when nothing is left. */
bool slice_line(struct slice *rest, struct slice *ret_line);

/* The whole of text is a decimal number from min to max, without blanks or a plus sign. */
NODISCARD bool parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret);
NODISCARD bool parse_slice_i64(struct slice s, int64_t min, int64_t max, int64_t *ret);

/* Length of the well-formed UTF-8 sequence at s (RFC 3629: no overlong, no surrogates), 0 if there is none. */
size_t utf8_step(const char *s, size_t n);
bool utf8_valid(const char *s, size_t n);

/* A copy that is valid UTF-8 without C0 controls other than tab and newline; others become U+FFFD. */
char *utf8_scrub(struct arena *a, const char *s, size_t n);

/* "1.2 GiB", "512 MiB": rounded down; GiB and TiB that are not whole with their tenths */
#define BYTES_TEXT_SIZE 48
const char *bytes_text(char ret[BYTES_TEXT_SIZE], int64_t bytes);

void hex_encode(char *ret, const void *bytes, size_t n);	 /* 2 n digits and a NUL */
NODISCARD bool hex_decode(void *ret, size_t n, const char *hex); /* exactly 2 n digits */

#endif
