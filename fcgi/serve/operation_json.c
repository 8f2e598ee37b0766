#include "serve/operation_json.h"

#include "base/clock.h"

json_t *cell_time(const PGresult *r, int row, const char *column)
{
	char text[RFC3339_SIZE];

	if (db_is_null(r, row, column))
		return json_null();
	clock_rfc3339(text, db_i64(r, row, column), 3);
	return json_string(text);
}

json_t *cell_text(const PGresult *r, int row, const char *column)
{
	const char *text = db_text_null(r, row, column);

	return text ? json_string(text) : json_null();
}

json_t *cell_number(const PGresult *r, int row, const char *column)
{
	return db_is_null(r, row, column) ? json_null() : json_integer(db_i64(r, row, column));
}

json_t *json_id(int64_t id)
{
	return json_sprintf("%jd", (intmax_t)id);
}

/* a column of JSON text; NULL: fallback, which is stolen */
static json_t *json_column(const PGresult *r, int row, const char *column, json_t *fallback)
{
	const char *text = db_text_null(r, row, column);

	if (!text)
		return fallback;
	json_decref(fallback);
	return json_loads(text, JSON_DECODE_ANY, NULL);
}

static json_t *error_json(const PGresult *r, int row)
{
	const char *code = db_text_null(r, row, "error_code");

	if (!code)
		return json_null();
	return json_pack("{s:s, s:o, s:o}", "code", code, "detail", cell_text(r, row, "error"),
		"lines", json_column(r, row, "error_lines", json_array()));
}

/* a push being received is, to clients, one that waits */
static const char *state_of(const PGresult *r, int row)
{
	const char *state = db_text(r, row, "state");

	return streq(state, "receiving") ? "queued" : state;
}

json_t *operation_json(const PGresult *r, int row)
{
	json_t *release = db_is_null(r, row, "release_number")
				  ? json_null()
				  : json_integer(db_i64(r, row, "release_number"));

	return json_pack(
		"{s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:I, s:b, s:o, s:o, s:s, s:o, s:o, s:o}",
		"id", json_id(db_i64(r, row, "id")), "kind", db_text(r, row, "kind"), "app",
		db_text(r, row, "app"), "state", state_of(r, row), "position",
		cell_number(r, row, "position"), "release", release, "steps",
		json_column(r, row, "steps", json_array()), "done",
		(json_int_t)db_i64(r, row, "done"), "total", (json_int_t)db_i64(r, row, "total"),
		"cancel", (int)db_bool(r, row, "cancel"), "waiting", cell_text(r, row, "waiting"),
		"error", error_json(r, row), "created_by", db_text(r, row, "created_by"),
		"created_at", cell_time(r, row, "created_us"), "started_at",
		cell_time(r, row, "started_us"), "ended_at", cell_time(r, row, "ended_us"));
}
