/*
 * Environment variables of an app.
 */
#ifndef NAP_MODEL_ENV_H
#define NAP_MODEL_ENV_H

#include "base/buf.h"

/* What is wrong with the name or value, or NULL. Names are [A-Za-z_][A-Za-z0-9_]*, at most 128; PORT, HOST and
 * NAP_* are nap's own; values hold no NUL and at most MAX_ENV_VALUE_BYTES. */
const char *env_name_wrong(const char *name);
const char *env_value_wrong(const char *value, size_t n);

/* NAME='value' and a newline, as sh reads it */
void env_print(struct buf *b, const char *name, const char *value);

#endif
