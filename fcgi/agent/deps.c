#include "agent/deps.h"

#include "agent/fleet_name.h"
#include "base/buf.h"

struct deps {
	struct dep_list {
		char **name;
		size_t n;
	} list[DEP_KINDS];
};

static const char *const OPTIONS[DEP_KINDS] = {
	[DEP_AFTER] = "After",
	[DEP_BEFORE] = "Before",
	[DEP_BINDS_TO] = "BindsTo",
	[DEP_CONFLICTS] = "Conflicts",
	[DEP_PART_OF] = "PartOf",
	[DEP_REQUIRES] = "Requires",
	[DEP_REQUISITE] = "Requisite",
	[DEP_WANTS] = "Wants",
};

/* %n and its like; %% is a percent sign; what is not known stays */
static void expand(const char *unit, const char *word, size_t n, struct buf *b)
{
	struct slice s;

	for (size_t i = 0; i < n; i++) {
		if (word[i] != '%' || i + 1 == n) {
			buf_putc(b, word[i]);
		} else if (word[i + 1] == '%') {
			buf_putc(b, '%');
			i++;
		} else if (fleet_specifier(unit, word[i + 1], &s)) {
			buf_add(b, s.p, s.n);
			i++;
		} else {
			buf_putc(b, '%');
		}
	}
}

struct words {
	const char *unit;
	dep_fn *fn;
	void *ctx;
};

static void split_names(void *ctx, const char *value)
{
	const struct words *w = ctx;

	while (*value) {
		size_t blank = strspn(value, " \t\n\\"), len = strcspn(value + blank, " \t\n");
		auto_buf struct buf b = { 0 };

		if (!len)
			return;
		buf_init(&b, 4096);
		expand(w->unit, value + blank, len, &b);
		w->fn(w->ctx, b.data);
		value += blank + len;
	}
}

void deps_each_of(const char *unit, const struct content *c, const char *section,
	const char *option, dep_fn *fn, void *ctx)
{
	struct words w = { unit, fn, ctx };

	if (c)
		content_each(c, section, option, split_names, &w);
}

static void add(void *ctx, const char *name)
{
	struct dep_list *l = ctx;

	l->name = xrealloc_array(l->name, l->n + 1, sizeof *l->name);
	l->name[l->n++] = xstrdup(name);
}

struct deps *deps_read(const char *unit, const struct content *c)
{
	struct deps *d = xcalloc(1, sizeof *d);

	for (int k = 0; k < DEP_KINDS; k++)
		deps_each_of(unit, c, "Unit", OPTIONS[k], add, &d->list[k]);
	return d;
}

void deps_free(struct deps *d)
{
	if (!d)
		return;
	for (int k = 0; k < DEP_KINDS; k++) {
		for (size_t i = 0; i < d->list[k].n; i++)
			free(d->list[k].name[i]);
		free(d->list[k].name);
	}
	free(d);
}

bool deps_name(const struct deps *d, enum dep_kind kind, const char *name)
{
	for (size_t i = 0; d && i < d->list[kind].n; i++)
		if (streq(d->list[kind].name[i], name))
			return true;
	return false;
}

void deps_each(const struct deps *d, enum dep_kind kind, dep_fn *fn, void *ctx)
{
	for (size_t i = 0; d && i < d->list[kind].n; i++)
		fn(ctx, d->list[kind].name[i]);
}
