/*
 * JSON straight from a result, without a tree between: a list of a thousand apps costs half of what jansson takes.
 *
 * A shape names the members in order, each the name of a column too:
 *
 *	static const struct row_field FIELDS[] = { { "name", ROW_TEXT }, { "created_at", ROW_TIME } };
 *	struct rows rows;
 *	rows_init(&rows, r, FIELDS, ARRAY_SIZE(FIELDS));
 *	for (int i = 0; i < db_rows(r); i++)
 *		… rows_members(&rows, i, b) …        "name":"web","created_at":"2026-…Z", without braces
 *
 * A NULL is null. buf_json mends broken UTF-8.
 */
#ifndef NAP_STORE_ROWS_H
#define NAP_STORE_ROWS_H

#include "base/buf.h"
#include "store/db.h"

enum row_kind {
	ROW_TEXT,
	ROW_NUMBER, /* as PostgreSQL prints whole numbers */
	ROW_ID,	    /* a number as a text: ids are opaque */
	ROW_BOOL,
	ROW_TIME, /* DB_US: microseconds since 1970, shown as RFC 3339 with milliseconds */
	ROW_JSON, /* json or jsonb, as it stands */
};

struct row_field {
	const char *name;
	enum row_kind kind;
};

#define ROWS_MAX_FIELDS 40

struct rows {
	const PGresult *r;
	const struct row_field *fields;
	size_t n;
	int columns[ROWS_MAX_FIELDS];
	/* ,"name": of each field, written out once */
	char keys[ROWS_MAX_FIELDS * 24];
	size_t key_ends[ROWS_MAX_FIELDS];
};

void rows_init(struct rows *rows, const PGresult *r, const struct row_field *fields, size_t n);
void rows_members(const struct rows *rows, int row, struct buf *b);

/* {"name":…} for each row, with commas between */
void rows_objects(
	const PGresult *r, const struct row_field *fields, size_t n, int count, struct buf *b);

#endif
