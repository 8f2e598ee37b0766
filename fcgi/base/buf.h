/*
 * A growing text, always terminated, born with its maximum.
 *
 * failed is sticky: append ten times, check once. After a failure the contents stay what they were and further
 * appends do nothing. data is never NULL; it may hold NUL bytes; data[len] is '\0'.
 */
#ifndef NAP_BASE_BUF_H
#define NAP_BASE_BUF_H

#include "base/base.h"

struct buf {
	char *data;
	size_t len, size, max;
	bool failed;
};

void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b);
void buf_clear(struct buf *b); /* empty, not failed, memory kept */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_i64(struct buf *b, int64_t n);

/* s as a JSON string with its quotes; broken UTF-8 becomes U+FFFD (RFC 8259 section 7) */
void buf_json(struct buf *b, const char *s, size_t n);

/* s quoted for sh: 'it'\''s' */
void buf_shell(struct buf *b, const char *s);

/* hands the text on (free it); b is as after buf_init */
char *buf_detach(struct buf *b);

#define auto_buf __attribute__((cleanup(buf_release)))

#endif
