#include "base/text.h"
#include "base/buf.h"

bool slice_eq(struct slice s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice s)
{
	while (s.n && is_blank(*s.p)) {
		s.p++;
		s.n--;
	}
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool slice_line(struct slice *rest, struct slice *ret_line)
{
	const char *end;
	size_t len;

	if (rest->n == 0)
		return false;
	end = memchr(rest->p, '\n', rest->n);
	len = end ? (size_t)(end - rest->p) : rest->n;
	*ret_line = (struct slice){ rest->p, len };
	if (end && len && rest->p[len - 1] == '\r')
		ret_line->n--;
	rest->p += len + (end ? 1 : 0);
	rest->n -= len + (end ? 1 : 0);
	return true;
}

bool parse_slice_i64(struct slice s, int64_t min, int64_t max, int64_t *ret)
{
	bool negative = s.n > 0 && s.p[0] == '-';
	size_t i = negative ? 1 : 0;
	int64_t n = 0;

	if (i == s.n)
		return false;
	for (; i < s.n; i++) {
		int digit = s.p[i] - '0';

		if (digit < 0 || digit > 9)
			return false;
		if (__builtin_mul_overflow(n, 10, &n) ||
			__builtin_add_overflow(n, negative ? -digit : digit, &n))
			return false;
	}
	if (n < min || n > max)
		return false;
	*ret = n;
	return true;
}

bool parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret)
{
	return parse_slice_i64(slice_of(text), min, max, ret);
}

size_t utf8_step(const char *s, size_t n)
{
	const unsigned char *u = (const unsigned char *)s;
	size_t len, i;

	if (n == 0)
		return 0;
	if (u[0] < 0x80)
		return 1;
	len = u[0] >= 0xc2 && u[0] <= 0xdf   ? 2
	      : (u[0] & 0xf0) == 0xe0	     ? 3
	      : u[0] >= 0xf0 && u[0] <= 0xf4 ? 4
					     : 0;
	if (len == 0 || len > n)
		return 0;
	for (i = 1; i < len; i++)
		if ((u[i] & 0xc0) != 0x80)
			return 0;
	if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f) ||
		(u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f))
		return 0;
	return len;
}

bool utf8_valid(const char *s, size_t n)
{
	while (n) {
		size_t step = utf8_step(s, n);

		if (step == 0)
			return false;
		s += step;
		n -= step;
	}
	return true;
}

char *utf8_scrub(struct arena *a, const char *s, size_t n)
{
	auto_buf struct buf b;
	size_t i = 0;

	buf_init(&b, n * 3 + 1);
	while (i < n) {
		size_t step = utf8_step(s + i, n - i);
		unsigned char c = (unsigned char)s[i];

		if (step == 0 || c == 0x7f || (c < 0x20 && c != '\t' && c != '\n'))
			buf_puts(&b, "\xef\xbf\xbd");
		else
			buf_add(&b, s + i, step);
		i += step ? step : 1;
	}
	return arena_strndup(a, b.data, b.len);
}

void hex_encode(char *ret, const void *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *u = bytes;

	for (size_t i = 0; i < n; i++) {
		*ret++ = digits[u[i] >> 4];
		*ret++ = digits[u[i] & 15];
	}
	*ret = '\0';
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

bool hex_decode(void *ret, size_t n, const char *hex)
{
	unsigned char *u = ret;

	if (strlen(hex) != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int hi = hex_digit(hex[2 * i]), lo = hex_digit(hex[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		u[i] = (unsigned char)(hi << 4 | lo);
	}
	return true;
}

const char *bytes_text(char ret[BYTES_TEXT_SIZE], int64_t bytes)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
	size_t u = 0;
	int64_t unit = 1;

	while (u + 1 < ARRAY_SIZE(units) && bytes / unit >= 1024) {
		unit *= 1024;
		u++;
	}
	if (u >= 3 && bytes % unit)
		(void)snprintf(ret, BYTES_TEXT_SIZE, "%lld.%d %s", (long long)(bytes / unit),
			(int)(bytes % unit * 10 / unit), units[u]);
	else
		(void)snprintf(
			ret, BYTES_TEXT_SIZE, "%lld %s", (long long)(bytes / unit), units[u]);
	return ret;
}
