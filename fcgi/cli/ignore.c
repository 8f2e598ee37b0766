#include "cli/ignore.h"

#include "base/text.h"

#include <fnmatch.h>

/* one part of each, up to their slashes; fnmatch(3) knows the rest */
static bool part_matches(const char *pattern, size_t n, const char *text, size_t m)
{
	auto_free char *p = xstrndup(pattern, n);
	auto_free char *t = xstrndup(text, m);

	return fnmatch(p, t, 0) == 0;
}

bool ignore_glob(const char *pattern, const char *text)
{
	size_t n = strcspn(pattern, "/"), m = strcspn(text, "/");

	if (n == 2 && memcmp(pattern, "**", 2) == 0) {
		const char *rest = pattern + 2 + (pattern[2] == '/');

		if (!*rest)
			return *text;
		for (;;) {
			if (ignore_glob(rest, text))
				return true;
			text += strcspn(text, "/");
			if (!*text++)
				return false;
		}
	}
	if (!part_matches(pattern, n, text, m))
		return false;
	if (pattern[n] && text[m])
		return ignore_glob(pattern + n + 1, text + m + 1);
	return !pattern[n] && !text[m];
}

/* what stands behind it but for blanks that a backslash keeps */
static size_t trimmed(const char *p, size_t n)
{
	while (n && (p[n - 1] == ' ' || p[n - 1] == '\t') && !(n > 1 && p[n - 2] == '\\'))
		n--;
	return n;
}

static bool parse_line(struct arena *a, struct slice line, struct ignore_rule *ret)
{
	*ret = (struct ignore_rule){ 0 };
	line.n = trimmed(line.p, line.n);
	if (line.n == 0 || *line.p == '#')
		return false;
	if (*line.p == '!') {
		ret->back = true;
		line.p++;
		line.n--;
	}
	if (line.n && line.p[line.n - 1] == '/') {
		ret->folder = true;
		line.n--;
	}
	ret->anchored = memchr(line.p, '/', line.n) != NULL;
	if (line.n && *line.p == '/') {
		line.p++;
		line.n--;
	}
	ret->pattern = arena_strndup(a, line.p, line.n);
	return line.n > 0;
}

void ignore_parse(struct ignore *ig, struct arena *a, const char *text, size_t n)
{
	struct slice rest = { text, n }, line;
	size_t lines = 1;

	for (size_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	ig->n = 0;
	ig->v = arena_alloc(a, lines * sizeof *ig->v);
	while (slice_line(&rest, &line))
		if (parse_line(a, line, &ig->v[ig->n]))
			ig->n++;
}

bool ignore_matches(const struct ignore *ig, const char *path, bool folder)
{
	const char *slash = strrchr(path, '/');

	for (size_t i = ig->n; i-- > 0;) {
		const struct ignore_rule *r = &ig->v[i];

		if (r->folder && !folder)
			continue;
		if (ignore_glob(r->pattern, r->anchored || !slash ? path : slash + 1))
			return !r->back;
	}
	return false;
}
