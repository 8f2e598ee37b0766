#include "unit/option_read.h"

#include <limits.h>

static void add_path(struct reading *r, struct unit_path path)
{
	struct unit_paths *list = &r->o->paths;
	struct unit_path *bigger = arena_alloc(r->a, (list->n + 1) * sizeof *bigger);

	if (list->n)
		memcpy(bigger, list->v, list->n * sizeof *bigger);
	bigger[list->n++] = path;
	list->v = bigger;
}

static void drop_paths(struct reading *r, enum unit_path_kind kind)
{
	struct unit_paths *list = &r->o->paths;
	size_t kept = 0;

	for (size_t i = 0; i < list->n; i++)
		if (list->v[i].kind != kind)
			list->v[kept++] = list->v[i];
	list->n = kept;
}

/* absolute, and no part of it is .. : a unit must not climb */
static bool path_fine(const char *path)
{
	const char *p = path;

	if (*p != '/' || strlen(path) >= PATH_MAX)
		return false;
	while ((p = strstr(p, "/.."))) {
		if (p[3] == '\0' || p[3] == '/')
			return false;
		p += 3;
	}
	return true;
}

static bool one_path(struct reading *r, enum unit_path_kind kind, char *word)
{
	struct unit_path path = { .kind = kind };
	char *colon, *options;

	/* + means beneath RootDirectory=, which no unit here has */
	for (; *word == '-' || *word == '+'; word++)
		path.optional = path.optional || *word == '-';
	path.to = path.from = word;
	if (kind == UNIT_PATH_BIND || kind == UNIT_PATH_BIND_RO || kind == UNIT_PATH_TMPFS) {
		colon = strchr(word, ':');
		if (colon) {
			*colon++ = '\0';
			options = kind == UNIT_PATH_TMPFS ? NULL : strchr(colon, ':');
			if (options)
				*options = '\0';
			if (kind != UNIT_PATH_TMPFS && *colon)
				path.to = colon;
		}
	}
	if (!path_fine(path.from) || !path_fine(path.to))
		return false;
	add_path(r, path);
	return true;
}

bool read_paths(struct reading *r, void *field)
{
	enum unit_path_kind kind = (enum unit_path_kind)r->which;
	const char *rest = r->value;
	char *word;

	(void)field;
	if (!*rest)
		drop_paths(r, kind);
	for (;;) {
		if (!unit_word(&rest, r->a, &word))
			return false;
		if (!word)
			return true;
		if (!one_path(r, kind, unit_specifiers(r->place, word, r->a)))
			(void)reading_warn(r, "holds a path that is not absolute, or climbs");
	}
}
