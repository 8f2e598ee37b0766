#include "base/arena.h"

#include <stdarg.h>

struct arena_item {
	struct arena_item *before;
	void (*fn)(void *);
	void *ptr;
};

void arena_defer(struct arena *a, void (*fn)(void *), void *ptr)
{
	struct arena_item *item = xmalloc(sizeof *item);

	*item = (struct arena_item){ a->last, fn, ptr };
	a->last = item;
}

void *arena_alloc(struct arena *a, size_t size)
{
	void *p = xcalloc(1, size);

	arena_defer(a, free, p);
	return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *p = xstrndup(s, n);

	arena_defer(a, free, p);
	return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	char *p = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&p, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort(); /* out of memory, or a format that cannot be */
	arena_defer(a, free, p);
	return p;
}

void arena_clear(struct arena *a)
{
	if (!a)
		return;
	while (a->last) {
		struct arena_item *item = a->last;

		a->last = item->before;
		item->fn(item->ptr);
		free(item);
	}
}
