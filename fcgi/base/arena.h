/*
 * What must live until a request is answered, or a job is over.
 *
 * Small pieces are cut from blocks (under ASan each is a malloc of its own, so that it sees overruns). arena_clear runs
 * the deferred destructors of guests (a PGresult, a json_t) in reverse order, and then frees all. A function that takes
 * an arena returns memory of it; callers never free that.
 */
#ifndef NAP_BASE_ARENA_H
#define NAP_BASE_ARENA_H

#include "base/base.h"

struct arena_item;
struct arena_block;

struct arena {
	struct arena_item *last;
	struct arena_block *blocks; /* the newest first: small pieces are cut from it */
};

void *arena_alloc(struct arena *a, size_t size); /* zeroed */
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);
void arena_defer(struct arena *a, void (*fn)(void *), void *ptr);
void arena_clear(struct arena *a); /* ready for use again; NULL is fine */

static inline void cleanup_arena(struct arena *a)
{
	arena_clear(a);
}

#define auto_arena __attribute__((cleanup(cleanup_arena)))

#endif
