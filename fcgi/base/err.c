#include "base/err.h"

#include <errno.h>
#include <stdarg.h>

/* vsnprintf may cut in the middle of a UTF-8 sequence: step back to its start */
static void cut_on_border(char *s, size_t size)
{
	size_t n = strnlen(s, size);

	if (n + 1 < size)
		return;
	while (n > 0 && ((unsigned char)s[n - 1] & 0xc0) == 0x80)
		n--;
	if (n > 0 && (unsigned char)s[n - 1] >= 0xc0)
		n--;
	s[n] = '\0';
}

bool err_set(struct err *e, enum err_kind kind, const char *code, const char *fmt, ...)
{
	va_list ap;

	e->kind = kind;
	e->code = code;
	e->detail[0] = '\0';
	va_start(ap, fmt);
	(void)vsnprintf(e->msg, sizeof e->msg, fmt, ap);
	va_end(ap);
	cut_on_border(e->msg, sizeof e->msg);
	return false;
}

bool err_errno(struct err *e, const char *fmt, ...)
{
	int saved = errno;
	char what[200];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	return err_set(e, ERR_INTERNAL, "internal", "%s: %s", what, strerror(saved));
}

bool err_add(struct err *e, const char *fmt, ...)
{
	char context[200], rest[sizeof e->detail];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(context, sizeof context, fmt, ap);
	va_end(ap);
	memcpy(rest, e->detail, sizeof rest);
	(void)snprintf(
		e->detail, sizeof e->detail, "%s%s%.390s", context, rest[0] ? ": " : "", rest);
	cut_on_border(e->detail, sizeof e->detail);
	return false;
}

int die(const struct err *e)
{
	(void)fprintf(stderr, "<3>%s%s%s\n", e->msg, e->detail[0] ? " | " : "", e->detail);
	return 1;
}
