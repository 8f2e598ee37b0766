#include "model/env.h"

#include "base/limits.h"

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

const char *env_name_wrong(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > 128 || !is_letter(name[0]))
		return "must be a letter or _ and at most 127 letters, digits or _";
	for (size_t i = 1; i < n; i++)
		if (!is_letter(name[i]) && !(name[i] >= '0' && name[i] <= '9'))
			return "must be a letter or _ and at most 127 letters, digits or _";
	if (streq(name, "PORT") || streq(name, "HOST") || starts_with(name, "NAP_"))
		return "is set by nap itself";
	return NULL;
}

const char *env_value_wrong(const char *value, size_t n)
{
	if (n > MAX_ENV_VALUE_BYTES)
		return "must have at most 65536 bytes";
	return memchr(value, '\0', n) ? "must not hold a NUL character" : NULL;
}

void env_print(struct buf *b, const char *name, const char *value)
{
	buf_puts(b, name);
	buf_putc(b, '=');
	buf_shell(b, value);
	buf_putc(b, '\n');
}
