#include "model/source.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/text.h"

#include <ctype.h>

static const char *refuse(struct source *s, const char *code, const char *why)
{
	s->code = code;
	return why;
}

static const char *invalid(struct source *s, const char *why)
{
	return refuse(s, "url_invalid", why);
}

static const char *wrong_bytes(const char *text)
{
	if (!text[0])
		return "must not be empty";
	if (strlen(text) > MAX_URL_BYTES)
		return "must have at most 2000 characters";
	if (text[0] == '-')
		return "must not begin with -";
	for (const char *p = text; *p; p++)
		if (*p <= ' ' || *p > '~')
			return "must not hold blanks, control characters or characters beyond ASCII";
	if (strpbrk(text, "\\\"'`<>|^{}$"))
		return "must not hold quotes, brackets, backslashes or $";
	return NULL;
}

static bool is_word(const char *list, const char *word, size_t n)
{
	for (const char *p = list; *p;) {
		size_t len = strcspn(p, " ,");

		if (len == n && memcmp(p, word, n) == 0)
			return true;
		p += len;
		p += strspn(p, " ,");
	}
	return false;
}

static const char *allowed(
	struct arena *a, struct source *s, const char *protocols, const char *word, size_t n)
{
	if (is_word(protocols, word, n) && is_word("https ssh http file", word, n))
		return NULL;
	return refuse(s, "protocol_not_allowed",
		arena_printf(a, "protocol \"%.*s\" is not allowed here; allowed: %s",
			(int)MIN(n, (size_t)20), word, protocols));
}

/* a host name or an address in brackets; the length of it, 0 if it is none */
static size_t host_length(const char *p)
{
	size_t n = 0;

	if (*p == '[') {
		n = strspn(p + 1, "0123456789abcdefABCDEF:.");
		return n > 1 && p[1 + n] == ']' ? n + 2 : 0;
	}
	while (isalnum((unsigned char)p[n]) || p[n] == '.' || p[n] == '-' || p[n] == '_')
		n++;
	return p[0] == '-' || p[0] == '.' ? 0 : n;
}

static bool good_user(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)p[i]) && !strchr("._-", p[i]))
			return false;
	return n > 0 && p[0] != '-';
}

/* user and password as they came, so that git's credential file can hold them; '@' within becomes %40 */
static char *secret_of(struct arena *a, const char *p, size_t n)
{
	auto_buf struct buf b;

	buf_init(&b, 3 * n + 1);
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '@')
			buf_puts(&b, "%40");
		else
			buf_putc(&b, p[i]);
	}
	if (!memchr(p, ':', n))
		buf_putc(&b, ':');
	return arena_strdup(a, b.data);
}

static char *percent_decoded(struct arena *a, const char *p, size_t n)
{
	char *text = arena_alloc(a, n + 1);
	size_t len = 0;

	for (size_t i = 0; i < n; i++, len++) {
		char digits[3] = { 0 };

		text[len] = p[i];
		if (p[i] != '%' || i + 2 >= n)
			continue;
		memcpy(digits, p + i + 1, 2);
		if (hex_decode(text + len, 1, digits))
			i += 2;
		else
			text[len] = '%';
	}
	return text;
}

/* cuts what a page of GitHub, GitLab or Gitea has behind the repository's path */
static void cut_page(struct arena *a, const char *path, size_t *n, struct source *s)
{
	static const char *const marks[] = { "/-/tree/", "/-/commit/", "/tree/", "/src/branch/",
		"/src/tag/", "/src/commit/", "/commit/" };

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		const char *at = memmem(path, *n, marks[i], strlen(marks[i]));
		const char *end = path + *n, *ref;

		/* behind OWNER/NAME only: a repository may be called "tree" */
		if (!at || !memchr(path + 1, '/', (size_t)(at - path) - (at > path)))
			continue;
		ref = at + strlen(marks[i]);
		while (end > ref && end[-1] == '/')
			end--;
		if (end == ref)
			continue;
		s->ref = percent_decoded(a, ref, (size_t)(end - ref));
		*n = (size_t)(at - path);
		return;
	}
}

/* HOST[:PORT]/PATH behind SCHEME://[USER@] */
static const char *place(
	struct arena *a, const char *head, const char *host, bool web, struct source *s)
{
	size_t n = host_length(host), path_n;
	const char *path = host + n;

	if (n == 0)
		return invalid(s, "names no host");
	if (*path == ':') {
		size_t digits = strspn(path + 1, "0123456789");
		int64_t port;

		if (!parse_slice_i64((struct slice){ path + 1, digits }, 1, 65535, &port))
			return invalid(s, "has a port that is no number from 1 to 65535");
		path += 1 + digits;
	}
	if (*path != '/')
		return invalid(s, *path ? "has a host that is no host name" : "names no path");
	path_n = strcspn(path, "#");
	if (web) {
		size_t query = strcspn(path, "?#");

		cut_page(a, path, &query, s);
		if (s->ref)
			path_n = query;
	}
	if (strspn(path, "/") >= path_n)
		return invalid(s, "names no path");
	s->url = arena_printf(a, "%s%.*s%.*s", head, (int)(path - host), host, (int)path_n, path);
	return NULL;
}

static const char *with_scheme(struct arena *a, const char *text, size_t scheme, struct source *s)
{
	const char *rest = text + scheme + 3, *at = NULL, *host = rest;
	size_t authority = strcspn(rest, "/?#");
	bool web = text[0] == 'h', ssh = text[0] == 's';
	char *head = arena_printf(a, "%.*s://", (int)scheme, text);

	for (size_t i = 0; i < authority; i++)
		if (rest[i] == '@')
			at = rest + i;
	if (text[0] == 'f') {
		if (rest[0] != '/' || strstr(rest, "/../") || ends_with(rest, "/.."))
			return invalid(s, "must be file:/// and an absolute path without \"..\"");
		s->url = arena_strdup(a, text);
		return NULL;
	}
	if (at) {
		size_t n = (size_t)(at - rest);

		if (ssh && !good_user(rest, n))
			return invalid(
				s, "has a user that is no name; ssh takes no password in the URL");
		if (ssh)
			head = arena_printf(a, "%s%.*s@", head, (int)n, rest);
		else if (n > 0)
			s->secret = secret_of(a, rest, n);
		host = at + 1;
	}
	return place(a, head, host, web, s);
}

/* USER@HOST:PATH */
static const char *scp_like(struct arena *a, const char *text, struct source *s)
{
	const char *at = strchr(text, '@'), *host = at + 1;
	size_t n = host_length(host);

	if (!good_user(text, (size_t)(at - text)))
		return invalid(s, "has a user that is no name");
	if (n == 0 || host[n] != ':')
		return invalid(s, "has a host that is no host name");
	if (host[n + 1] == '\0' || host[n + 1] == '-' || host[n + 1] == ':')
		return invalid(s, "names no path behind the colon");
	s->url = arena_strdup(a, text);
	return NULL;
}

const char *source_parse(
	struct arena *a, const char *text, const char *protocols, struct source *ret)
{
	struct source s = { 0 };
	const char *colon, *at, *why;
	size_t scheme = 0;
	char *copy;

	*ret = s;
	why = wrong_bytes(text);
	if (why)
		return invalid(ret, why);
	copy = arena_strdup(a, text);
	while (isalnum((unsigned char)copy[scheme]) || copy[scheme] == '+' || copy[scheme] == '-') {
		copy[scheme] = (char)tolower((unsigned char)copy[scheme]);
		scheme++;
	}
	colon = copy + scheme;
	at = strchr(text, '@');
	if (starts_with(colon, "::"))
		return refuse(ret, "protocol_not_allowed",
			arena_printf(a, "transport \"%.*s::\" is not allowed",
				(int)MIN(scheme, (size_t)20), copy));
	if (scheme > 0 && starts_with(colon, "://")) {
		why = allowed(a, ret, protocols, copy, scheme);
		if (!why)
			why = with_scheme(a, copy, scheme, &s);
	} else if (at && strcspn(text, "/:") > (size_t)(at - text)) {
		why = allowed(a, ret, protocols, "ssh", 3);
		if (!why)
			why = scp_like(a, text, &s);
	} else {
		return invalid(ret,
			"is no address of a git repository: https://host/path or git@host:path is expected");
	}
	if (!why && s.ref && ref_wrong(s.ref))
		why = invalid(&s, "has a branch that is no name of one");
	if (why) {
		ret->code = s.code ? s.code : ret->code;
		return why;
	}
	*ret = s;
	return NULL;
}

const char *ref_wrong(const char *ref)
{
	size_t n = strlen(ref);

	if (n == 0)
		return "must not be empty";
	if (n > 250)
		return "must have at most 250 characters";
	if (ref[0] == '-' || ref[0] == '/' || ref[0] == '.')
		return "must not begin with -, / or a dot";
	if (ends_with(ref, "/") || ends_with(ref, ".") || ends_with(ref, ".lock"))
		return "must not end with /, a dot or .lock";
	if (strstr(ref, "..") || strstr(ref, "//") || strstr(ref, "@{") || strstr(ref, "/.") ||
		strstr(ref, ".lock/") || streq(ref, "@"))
		return "must not hold \"..\", \"//\", \"/.\" or \"@{\"";
	for (const char *p = ref; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f || strchr("~^:?*[\\", *p))
			return "must not hold blanks, control characters or any of ~ ^ : ? * [ \\";
	if (!utf8_valid(ref, n))
		return "must be UTF-8";
	return starts_with(ref, "refs/nap/") ? "must not name nap's own refs" : NULL;
}
