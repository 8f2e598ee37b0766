#include "store/rows.h"

#include "base/clock.h"
#include "base/text.h"

/* a statement lists its columns mostly in the order of the fields: PQfnumber() copies each name that it looks for */
static int column_of(const PGresult *r, int likely, const char *name)
{
	const char *there = PQfname(r, likely);

	return there && streq(there, name) ? likely : db_column(r, name);
}

void rows_init(struct rows *rows, const PGresult *r, const struct row_field *fields, size_t n)
{
	size_t at = 0;

	assert(n <= ROWS_MAX_FIELDS);
	rows->r = r;
	rows->fields = fields;
	rows->n = n;
	for (size_t i = 0; i < n; i++) {
		size_t left = sizeof rows->keys - at;
		int len = snprintf(rows->keys + at, left, ",\"%s\":", fields[i].name);

		assert(len > 0 && (size_t)len < left);
		at += (size_t)len;
		rows->key_ends[i] = at;
		rows->columns[i] = column_of(r, (int)i, fields[i].name);
	}
}

static void put_time(struct buf *b, const char *text)
{
	char time[RFC3339_SIZE];
	int64_t us = 0;

	if (!parse_i64(text, INT64_MIN, INT64_MAX, &us))
		assert(!"a time is asked for by DB_US");
	clock_rfc3339(time, us, 3);
	buf_putc(b, '"');
	buf_puts(b, time);
	buf_putc(b, '"');
}

static void put(struct buf *b, enum row_kind kind, const char *text, size_t n)
{
	switch (kind) {
	case ROW_TEXT:
		buf_json(b, text, n);
		break;
	case ROW_NUMBER:
	case ROW_JSON:
		buf_add(b, text, n);
		break;
	case ROW_ID:
		buf_putc(b, '"');
		buf_add(b, text, n);
		buf_putc(b, '"');
		break;
	case ROW_BOOL:
		buf_puts(b, text[0] == 't' ? "true" : "false");
		break;
	case ROW_TIME:
		put_time(b, text);
		break;
	}
}

void rows_members(const struct rows *rows, int row, struct buf *b)
{
	size_t key = 1; /* the first one without its comma */

	for (size_t i = 0; i < rows->n; i++) {
		size_t n;
		const char *text = db_cell(rows->r, row, rows->columns[i], &n);

		buf_add(b, rows->keys + key, rows->key_ends[i] - key);
		key = rows->key_ends[i];
		if (text)
			put(b, rows->fields[i].kind, text, n);
		else
			buf_add(b, "null", 4);
	}
}

void rows_objects(
	const PGresult *r, const struct row_field *fields, size_t n, int count, struct buf *b)
{
	struct rows rows;

	rows_init(&rows, r, fields, n);
	for (int i = 0; i < count; i++) {
		buf_add(b, i ? ",{" : "{", i ? 2 : 1);
		rows_members(&rows, i, b);
		buf_putc(b, '}');
	}
}
