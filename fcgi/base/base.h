/*
 * What every file of nap may use without asking: the C library, the compiler's attributes and the
 * cleanup variables. Nothing here knows of another folder.
 *
 * A variable declared auto_free, auto_fd, auto_file or auto_dir is closed when its block ends
 * (attribute cleanup, gcc manual "Common Variable Attributes"); give it NULL or -1 at birth.
 * steal() and steal_fd() hand the value on and leave the variable empty.
 */
#ifndef NAP_BASE_BASE_H
#define NAP_BASE_BASE_H

#include <assert.h>
#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NODISCARD	  __attribute__((warn_unused_result))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN	  __attribute__((noreturn))
#define UNUSED		  __attribute__((unused))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)     ((a) < (b) ? (a) : (b))
#define MAX(a, b)     ((a) > (b) ? (a) : (b))

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_fd(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline void cleanup_file(FILE **f)
{
	if (*f)
		(void)fclose(*f);
}

static inline void cleanup_dir(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

#define auto_free __attribute__((cleanup(cleanup_free)))
#define auto_fd	  __attribute__((cleanup(cleanup_fd)))
#define auto_file __attribute__((cleanup(cleanup_file)))
#define auto_dir  __attribute__((cleanup(cleanup_dir)))

static inline void *steal_ptr(void *pp)
{
	void *p = *(void **)pp;

	*(void **)pp = NULL;
	return p;
}

/* keeps the type of what it hands on */
#define steal(p) (0 ? *(p) : steal_ptr(p))

static inline int steal_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* Memory: exhaustion ends the process; the supervisor starts another. Sizes are checked for overflow. */
void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xrealloc_array(void *p, size_t n, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *fmt, ...) PRINTF(1, 2);

static inline bool streq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static inline bool starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static inline bool ends_with(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

#endif
