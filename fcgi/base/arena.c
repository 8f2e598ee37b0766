#include "base/arena.h"

#include <stdarg.h>

#include <stdalign.h>

#ifdef __SANITIZE_ADDRESS__
#define BLOCK 0
#else
#define BLOCK 4000 /* with malloc's own words less than a page */
#endif
#define SMALL 512 /* larger pieces are blocks of their own */

struct arena_item {
	struct arena_item *before;
	void (*fn)(void *);
	void *ptr;
};

struct arena_block {
	struct arena_block *before;
	size_t used, size;
	alignas(max_align_t) char data[];
};

static struct arena_block *new_block(size_t size)
{
	struct arena_block *b = xcalloc(1, sizeof *b + size);

	b->size = size;
	return b;
}

/* Behind the newest, which goes on to be cut from. */
static void *whole_block(struct arena *a, size_t size)
{
	struct arena_block *b = new_block(size), **at = a->blocks ? &a->blocks->before : &a->blocks;

	b->used = size;
	b->before = *at;
	*at = b;
	return b->data;
}

void *arena_alloc(struct arena *a, size_t size)
{
	const size_t step = alignof(max_align_t);
	struct arena_block *b = a->blocks;
	size_t rounded = (size + step - 1) / step * step;

	if (size > SMALL || size > BLOCK)
		return whole_block(a, size);
	if (!b || b->size - b->used < rounded) {
		b = new_block(BLOCK / step * step);
		b->before = a->blocks;
		a->blocks = b;
	}
	b->used += rounded;
	return b->data + b->used - rounded;
}

void arena_defer(struct arena *a, void (*fn)(void *), void *ptr)
{
	struct arena_item *item = arena_alloc(a, sizeof *item);

	*item = (struct arena_item){ a->last, fn, ptr };
	a->last = item;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	size_t len = strnlen(s, n);

	return memcpy(arena_alloc(a, len + 1), s, len);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	char some[256], *p;
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(some, sizeof some, fmt, ap);
	if (n < 0)
		abort(); /* a format that cannot be */
	p = arena_alloc(a, (size_t)n + 1);
	if ((size_t)n < sizeof some)
		memcpy(p, some, (size_t)n);
	else
		(void)vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	va_end(ap);
	return p;
}

void arena_clear(struct arena *a)
{
	if (!a)
		return;
	for (struct arena_item *item = a->last; item; item = item->before)
		item->fn(item->ptr);
	while (a->blocks) {
		struct arena_block *b = a->blocks;

		a->blocks = b->before;
		free(b);
	}
	a->last = NULL;
}
