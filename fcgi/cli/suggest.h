/*
 * "Did you mean": the known word that is nearest to a mistyped one.
 */
#ifndef NAP_CLI_SUGGEST_H
#define NAP_CLI_SUGGEST_H

#include "base/base.h"

/*
 * Letters added, dropped, changed or swapped with their neighbour (Damerau, optimal string alignment); words longer
 * than 64 bytes are as far as can be.
 */
size_t suggest_distance(const char *a, const char *b);

/* Of n words the nearest one, if it is near enough to be meant; else NULL. A word that begins with it is near. */
const char *suggest(const char *word, const char *const *known, size_t n);

#endif
