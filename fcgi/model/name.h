/*
 * Names (DESIGN 5, REST "Names") and memory sizes. Pure text.
 */
#ifndef NAP_MODEL_NAME_H
#define NAP_MODEL_NAME_H

#include "base/text.h"

/* what is wrong with the name, or NULL: grammar, length, reserved */
const char *app_name_wrong(const char *name);
const char *tenant_name_wrong(const char *name);
bool name_is_reserved(const char *name);
extern const char *const RESERVED_NAMES[]; /* ends with NULL */

/* the default name for a source: last part of the URL's path, made to fit; "app" if nothing is left of it */
char *name_from_url(struct arena *a, const char *url);

/* "256m", "1.5g", "512MiB", "1000000" (bytes), as docker run -m reads them. NULL, or what is wrong. */
const char *memory_parse(struct slice text, int64_t *ret);

#endif
