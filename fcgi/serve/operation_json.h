/*
 * An operation as every answer shows it.
 */
#ifndef NAP_SERVE_OPERATION_JSON_H
#define NAP_SERVE_OPERATION_JSON_H

#include "store/operation.h"

#include <jansson.h>

/* {"id","kind","app","state","position","steps","done","total","error":{"code","detail","lines"}|null, …}: row of a
 * result of operation_get or operation_list */
json_t *operation_json(const PGresult *r, int row);

/* us since 1970, or null where the column is NULL: "2026-11-23T21:10:16.123Z". A new reference. */
json_t *cell_time(const PGresult *r, int row, const char *column);
/* the column's text, or null */
json_t *cell_text(const PGresult *r, int row, const char *column);
/* the column's whole number, or null */
json_t *cell_number(const PGresult *r, int row, const char *column);
/* an id: numbers are texts to clients (REST: "Ids are opaque strings") */
json_t *json_id(int64_t id);

#endif
