/*
 * Bodies of requests read as fleetd's encoding/json reads them, with the sentences it answers where it cannot.
 */
#ifndef NAP_AGENT_FLEET_BODY_H
#define NAP_AGENT_FLEET_BODY_H

#include "agent/http.h"
#include "base/err.h"

#include <jansson.h>

/* The body's first JSON value, whatever follows it; the caller owns it. ERR_INVALID begins with prefix. */
NODISCARD bool fleet_body_read(
	const struct http_in *in, const char *prefix, json_t **ret, struct err *e);

/* as Go names it: "string", "number", … */
const char *fleet_body_kind(const json_t *v);

/* The member, looked up without regard to case; NULL: absent or null. */
json_t *fleet_body_member(const json_t *o, const char *name);

/*
 * A member that is a text, "" where it is absent; lives as long as o. ERR_INVALID: it is something else, told as
 * prefix and the name of Go's field, "Unit.name".
 */
NODISCARD bool fleet_body_text(const json_t *o, const char *name, const char *prefix,
	const char *field, const char **ret, struct err *e);

#endif
