#include "model/name.h"
#include "base/buf.h"
#include "base/limits.h"

/* words that would be mistaken for a part of nap or of the machine; also in the OpenAPI document */
const char *const RESERVED_NAMES[] = { "admin", "api", "apps", "auth", "nap", "git", "www", "root",
	"localhost", "internal", "node", "static", "assets", "health", "events", "stream", "system",
	"nobody", "daemon", "postgres", "discovery", NULL };

bool name_is_reserved(const char *name)
{
	for (const char *const *word = RESERVED_NAMES; *word; word++)
		if (streq(*word, name))
			return true;
	return false;
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

const char *app_name_wrong(const char *name)
{
	size_t n = strlen(name);

	if (n == 0)
		return "must not be empty";
	if (n > MAX_APP_NAME)
		return "must have at most 32 characters";
	if (!is_lower(name[0]))
		return "must begin with a lower-case letter";
	for (size_t i = 0; i < n; i++) {
		bool mark = name[i] == '-' || name[i] == '_';

		if (!is_lower(name[i]) && !is_digit(name[i]) && !mark)
			return "may hold lower-case letters, digits, - and _ only";
		if (mark && (i + 1 == n || name[i + 1] == '-' || name[i + 1] == '_'))
			return "must have a letter or digit after each - and _";
	}
	return name_is_reserved(name) ? "is a reserved word" : NULL;
}

const char *tenant_name_wrong(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > MAX_TENANT_NAME || !is_lower(name[0]))
		return "must be a lower-case letter and up to 23 letters and digits";
	for (size_t i = 0; i < n; i++)
		if (!is_lower(name[i]) && !is_digit(name[i]))
			return "must be a lower-case letter and up to 23 letters and digits";
	return NULL;
}

char *name_from_url(struct arena *a, const char *url)
{
	auto_buf struct buf b;
	size_t n = strcspn(url, "?#"), from;
	const char *tree = strstr(url, "/tree/");

	buf_init(&b, MAX_APP_NAME);
	if (tree && (size_t)(tree - url) < n)
		n = (size_t)(tree - url);
	while (n > 0 && url[n - 1] == '/')
		n--;
	if (n > 4 && strncmp(url + n - 4, ".git", 4) == 0)
		n -= 4;
	for (from = n; from > 0 && url[from - 1] != '/' && url[from - 1] != ':'; from--)
		;
	for (size_t i = from; i < n && !b.failed; i++) {
		char c = url[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c + 32);
		if (b.len == 0 && is_digit(c))
			buf_puts(&b, "app-");
		if (is_lower(c) || is_digit(c))
			buf_putc(&b, c);
		else if (b.len > 0 && b.data[b.len - 1] != '-' && b.data[b.len - 1] != '_')
			buf_putc(&b, c == '_' ? '_' : '-');
	}
	while (b.len > 0 && (b.data[b.len - 1] == '-' || b.data[b.len - 1] == '_'))
		b.data[--b.len] = '\0';
	if (b.len == 0)
		return arena_strdup(a, "app");
	if (name_is_reserved(b.data))
		return arena_printf(a, "app-%s", b.data);
	return arena_strdup(a, b.data);
}

const char *memory_parse(struct slice s, int64_t *ret)
{
	static const char wrong[] = "must be a memory size like 256m, 1.5g or 512MiB";
	double n = 0, part = 0.1;
	size_t i = 0;
	int64_t unit = 1;

	if (s.n == 0 || !is_digit(s.p[0]))
		return wrong;
	for (; i < s.n && is_digit(s.p[i]); i++)
		n = n * 10 + (s.p[i] - '0');
	if (i < s.n && s.p[i] == '.')
		for (i++; i < s.n && is_digit(s.p[i]); i++, part /= 10)
			n += (s.p[i] - '0') * part;
	while (i < s.n && s.p[i] == ' ')
		i++;
	if (i < s.n && strchr("bB", s.p[i]) == NULL) {
		const char *letters = "kmgt";
		char c = (char)(s.p[i] | 0x20);
		const char *at = strchr(letters, c);

		if (!at)
			return wrong;
		unit = INT64_C(1) << (10 * (at - letters + 1));
		i++;
		if (i < s.n && (s.p[i] == 'i' || s.p[i] == 'I') && i + 1 < s.n)
			i++;
	}
	if (i < s.n && (s.p[i] == 'b' || s.p[i] == 'B'))
		i++;
	if (i != s.n || n * (double)unit > 1e15)
		return wrong;
	*ret = (int64_t)(n * (double)unit);
	return NULL;
}
