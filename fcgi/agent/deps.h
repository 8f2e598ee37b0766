/*
 * The names of other units in a unit's options, as systemd.unit(5) has them: lists with blanks between, over any number
 * of lines, with specifiers. They are read once, when the unit is loaded: with a thousand units each is compared with
 * each other.
 */
#ifndef NAP_AGENT_DEPS_H
#define NAP_AGENT_DEPS_H

#include "agent/content.h"

enum dep_kind {
	DEP_AFTER,
	DEP_BEFORE,
	DEP_BINDS_TO,
	DEP_CONFLICTS,
	DEP_PART_OF,
	DEP_REQUIRES,
	DEP_REQUISITE,
	DEP_WANTS,
	DEP_KINDS
};

typedef void dep_fn(void *ctx, const char *name);

/* [Unit] of c, for the unit of that name; the caller's, never NULL */
struct deps *deps_read(const char *unit, const struct content *c);
void deps_free(struct deps *d); /* NULL is fine */

/* d NULL: a unit that is not loaded names nobody */
bool deps_name(const struct deps *d, enum dep_kind kind, const char *name);
void deps_each(const struct deps *d, enum dep_kind kind, dep_fn *fn, void *ctx);

/* the same of any section and option, straight from the text; c NULL names nobody */
void deps_each_of(const char *unit, const struct content *c, const char *section,
	const char *option, dep_fn *fn, void *ctx);

#endif
