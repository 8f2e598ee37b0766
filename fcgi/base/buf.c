#include "base/buf.h"
#include "base/text.h"

#include <stdarg.h>

static char empty[1];

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .data = empty, .max = max };
}

void buf_release(struct buf *b)
{
	if (b->size)
		free(b->data);
	buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->size)
		b->data[0] = '\0';
}

static bool room(struct buf *b, size_t n)
{
	size_t want;

	if (b->failed || n > b->max || b->len > b->max - n) {
		b->failed = true;
		return false;
	}
	if (b->len + n + 1 <= b->size)
		return true;
	want = MAX(b->size * 2, (size_t)256);
	if (want < b->len + n + 1)
		want = b->len + n + 1;
	b->data = xrealloc_array(b->size ? b->data : NULL, want, 1);
	b->size = want;
	return true;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	if (n == 0 || !room(b, n))
		return;
	memcpy(b->data + b->len, p, n);
	b->len += n;
	b->data[b->len] = '\0';
}

void buf_puts(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_putc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	auto_free char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		b->failed = true;
	else
		buf_add(b, text, (size_t)n);
}

void buf_i64(struct buf *b, int64_t n)
{
	char digits[24];
	char *p = digits + sizeof digits;
	uint64_t u = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;

	do
		*--p = (char)('0' + u % 10);
	while (u /= 10);
	if (n < 0)
		*--p = '-';
	buf_add(b, p, (size_t)(digits + sizeof digits - p));
}

void buf_json(struct buf *b, const char *s, size_t n)
{
	size_t from = 0, i = 0;

	buf_putc(b, '"');
	while (i < n) {
		unsigned char c = (unsigned char)s[i];
		size_t step;

		if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
			i++;
			continue;
		}
		step = c < 0x80 ? 0 : utf8_step(s + i, n - i);
		if (step) {
			i += step;
			continue;
		}
		buf_add(b, s + from, i - from);
		if (c >= 0x80)
			buf_puts(b, "\xef\xbf\xbd");
		else if (c == '"' || c == '\\')
			buf_add(b, (char[]){ '\\', (char)c }, 2);
		else if (c == '\n')
			buf_puts(b, "\\n");
		else if (c == '\t')
			buf_puts(b, "\\t");
		else
			buf_printf(b, "\\u%04x", c);
		from = ++i;
	}
	buf_add(b, s + from, n - from);
	buf_putc(b, '"');
}

void buf_shell(struct buf *b, const char *s)
{
	buf_putc(b, '\'');
	for (; *s; s++) {
		if (*s == '\'')
			buf_puts(b, "'\\''");
		else
			buf_putc(b, *s);
	}
	buf_putc(b, '\'');
}

char *buf_detach(struct buf *b)
{
	char *p = b->size ? b->data : xstrdup("");

	buf_init(b, b->max);
	return p;
}
