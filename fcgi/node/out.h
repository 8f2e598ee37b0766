/*
 * What instances left in $NAP_OUT (home/UNIT/out), for reading: by nap-files, which the agent starts.
 *
 * Each instance's own program wrote it and may write it still. So the folders are walked beneath open descriptors, no
 * link is followed, nothing but regular files is opened, and as root all of it happens with the rights of the user
 * that the folder belongs to: a hard link to what that user may not read stays closed.
 */
#ifndef NAP_NODE_OUT_H
#define NAP_NODE_OUT_H

#include "base/arena.h"

#include <sys/stat.h>

#define OUT_PATH_MAX 4000 /* what has a longer path is left out */
#define OUT_DEPTH    200  /* what lies deeper too */

struct out_unit {
	const char *folder; /* name of the unit, and of its folder in home */
	const char *stem;   /* "TENANT.APP" */
	const char *app;    /* its end */
	int64_t release, number;
};

/* Of each instance number the newest release that left anything, by app and number. */
void out_find(struct arena *a, const char *home, struct out_unit **ret, size_t *ret_n);

/* The same of those apps alone whose ids ranges names ("12,20-24"). False: ranges is malformed. */
NODISCARD bool out_find_of(struct arena *a, const char *home, const char *ranges,
	struct out_unit **ret, size_t *ret_n);

/*
 * Calls fn for each regular file of the unit, by path, with an open descriptor; path is relative to the unit's folder.
 * False: fn said so, which ends the walk.
 */
typedef bool out_fn(void *ctx, const char *path, int fd, const struct stat *st);
bool out_walk(const char *home, const struct out_unit *u, out_fn *fn, void *ctx);

/* one file; -1: there is no such regular file */
int out_open(const char *home, const struct out_unit *u, const char *path, struct stat *ret_st);

/* the order that out_walk goes by: '/' is before all else */
int out_compare(const char *a, const char *b);

/* whose the unit is: its link to the app's data says so; 0: nobody's */
int64_t out_app_id(const char *home, const char *unit);

/* "TENANT.APP.vRELEASE@NUMBER.service"; false: it is none */
bool out_name(struct arena *a, const char *unit, struct out_unit *ret);

#endif
