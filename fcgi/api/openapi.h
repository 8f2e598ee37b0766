/*
 * The OpenAPI 3.1 document: made of the route table, the bodies' tables, the list of error codes and the reserved
 * words, so that it cannot say anything else than the server does; schemas of answers come from openapi.in.json.
 */
#ifndef NAP_API_OPENAPI_H
#define NAP_API_OPENAPI_H

#include "serve/route.h"

/* base: the document to fill, stolen; a new reference, or NULL with e filled: a row without what it needs */
json_t *openapi_make(const struct routes *routes, json_t *base, struct err *e);

NODISCARD bool openapi_print(const struct routes *routes, FILE *in, FILE *out, struct err *e);

#endif
