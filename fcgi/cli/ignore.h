/*
 * .napignore: which files `nap deploy DIR` leaves at home, in the form of .gitignore (gitignore(5)).
 *
 * A line is a pattern; blank ones and those that begin with # say nothing. * and ? match within one part of a path, [a-z]
 * one character, ** any parts. A pattern with a slash at its begin or within it is matched against the whole path,
 * another one against the last part; one that ends in a slash matches folders only; ! takes an earlier match back. The
 * last line that matches decides. What stands in a folder that is left out is left out with it.
 */
#ifndef NAP_CLI_IGNORE_H
#define NAP_CLI_IGNORE_H

#include "base/arena.h"

struct ignore_rule {
	const char *pattern;
	bool anchored, folder, back;
};

struct ignore {
	struct ignore_rule *v;
	size_t n;
};

void ignore_parse(struct ignore *ig, struct arena *a, const char *text, size_t n);
/* path: below the folder, "src/main.c" */
bool ignore_matches(const struct ignore *ig, const char *path, bool folder);
/* one pattern against one text, both without a leading slash; exposed for its test */
bool ignore_glob(const char *pattern, const char *text);

#endif
