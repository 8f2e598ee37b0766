/*
 * What the members of a group came to: a row each, as JSON or as CSV (RFC 4180), sorted by any key.
 */
#include "api/app.h"
#include "api/routes.h"
#include "base/limits.h"
#include "base/text.h"
#include "store/group.h"

#include <stdlib.h>

#define MAX_RESULTS 10000
#define MAX_KEYS    200

struct result {
	const PGresult *r;
	int row;
	json_t *params, *values;
	const char *sort; /* what it is sorted by; NULL: it has none */
};

struct results {
	struct result *v;
	int n;
	const char *params[MAX_KEYS], *values[MAX_KEYS]; /* keys, as they come first */
	size_t params_n, values_n;
};

static const char *const COLUMNS[] = { "name", "command", "state", "exit_code", "exit_signal",
	"seconds", "runs" };

static void note_keys(const json_t *object, const char **keys, size_t *n)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
		size_t i = 0;

		while (i < *n && !streq(keys[i], key))
			i++;
		if (i == *n && *n < MAX_KEYS)
			keys[(*n)++] = key;
	}
}

static void json_free(void *p)
{
	json_decref(p);
}

static json_t *column(struct request *rq, const PGresult *r, int row, const char *name)
{
	json_t *value = json_loads(db_text(r, row, name), 0, NULL);

	if (value)
		arena_defer(rq->a, json_free, value);
	return value;
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* a result's own key wins over a parameter's, and that over a column */
static const char *value_of(const struct result *one, const char *key)
{
	const char *text = text_of(one->values, key);

	if (!text)
		text = text_of(one->params, key);
	for (size_t i = 0; !text && i < ARRAY_SIZE(COLUMNS); i++)
		if (streq(COLUMNS[i], key))
			return db_text_null(one->r, one->row, key);
	return text;
}

static void load(struct request *rq, const PGresult *r, const char *sort, struct results *ret)
{
	ret->n = db_rows(r);
	ret->v = arena_alloc(rq->a, ((size_t)ret->n + 1) * sizeof *ret->v);
	for (int i = 0; i < ret->n; i++) {
		struct result *one = &ret->v[i];

		*one = (struct result){ r, i, column(rq, r, i, "params"),
			column(rq, r, i, "values"), NULL };
		one->sort = sort ? value_of(one, sort) : NULL;
		note_keys(one->params, ret->params, &ret->params_n);
		note_keys(one->values, ret->values, &ret->values_n);
	}
}

static bool number_of(const char *text, double *ret)
{
	char *end;

	*ret = strtod(text, &end);
	return *text && !*end;
}

/* numbers by their size, before texts; who has none comes last, whichever way */
static int compare(const void *x, const void *y, void *descending)
{
	const struct result *a = x, *b = y;
	int sign = *(bool *)descending ? -1 : 1, n;
	double na = 0, nb = 0;
	bool a_is = a->sort && number_of(a->sort, &na), b_is = b->sort && number_of(b->sort, &nb);

	if (!a->sort || !b->sort)
		n = !a->sort - !b->sort;
	else if (a_is != b_is)
		n = a_is ? -1 : 1;
	else if (a_is)
		n = sign * ((na > nb) - (na < nb));
	else if ((n = strcmp(a->sort, b->sort)) != 0)
		n = (n < 0) == (sign < 0) ? 1 : -1;
	return n ? n : a->row - b->row;
}

static json_t *keys_json(const char *const *keys, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(list, json_string(keys[i]));
	return list;
}

static void write_json(struct response *rs, const struct results *all)
{
	struct buf *b = list_begin(rs);
	json_t *params = keys_json(all->params, all->params_n),
	       *values = keys_json(all->values, all->values_n);
	char *params_text = json_dumps(params, JSON_COMPACT),
	     *values_text = json_dumps(values, JSON_COMPACT);
	struct rows rows;

	if (all->n)
		rows_init(&rows, all->v[0].r, MEMBER_FIELDS, MEMBER_FIELDS_N);
	for (int i = 0; i < all->n; i++) {
		buf_puts(b, i ? ",{" : "{");
		rows_members(&rows, all->v[i].row, b);
		buf_putc(b, '}');
	}
	buf_printf(b, "],\"next\":null,\"params\":%s,\"values\":%s}", params_text, values_text);
	free(params_text);
	free(values_text);
	json_decref(params);
	json_decref(values);
}

/* RFC 4180; a text that a spreadsheet would take for a formula begins with a quote mark */
static void put_cell(struct buf *b, const char *text)
{
	double ignored;

	if (!text)
		return;
	if (text[strcspn(text, ",\"\r\n")] == '\0' &&
		(!strchr("=+-@\t", text[0]) || number_of(text, &ignored))) {
		buf_puts(b, text);
		return;
	}
	buf_putc(b, '"');
	if (text[0] && strchr("=+-@\t", text[0]) && !number_of(text, &ignored))
		buf_putc(b, '\'');
	for (; *text; text++) {
		if (*text == '"')
			buf_putc(b, '"');
		buf_putc(b, *text);
	}
	buf_putc(b, '"');
}

static bool is_among(const char *key, const char *const *keys, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (streq(keys[i], key))
			return true;
	return false;
}

/* a result whose name a parameter or a column has already is told apart */
static void put_value_name(
	struct request *rq, const struct results *all, const char *key, struct buf *b)
{
	bool twice = is_among(key, all->params, all->params_n) ||
		     is_among(key, COLUMNS, ARRAY_SIZE(COLUMNS));

	put_cell(b, twice ? arena_printf(rq->a, "result.%s", key) : key);
}

static void write_csv(struct request *rq, struct response *rs, const struct results *all)
{
	struct buf *b = response_body(rs, 200, "text/csv; charset=utf-8");

	for (size_t i = 0; i < ARRAY_SIZE(COLUMNS); i++)
		buf_printf(b, "%s%s", i ? "," : "", COLUMNS[i]);
	for (size_t i = 0; i < all->params_n; i++) {
		buf_putc(b, ',');
		put_cell(b, is_among(all->params[i], COLUMNS, ARRAY_SIZE(COLUMNS))
				    ? arena_printf(rq->a, "param.%s", all->params[i])
				    : all->params[i]);
	}
	for (size_t i = 0; i < all->values_n; i++) {
		buf_putc(b, ',');
		put_value_name(rq, all, all->values[i], b);
	}
	buf_puts(b, "\r\n");
	for (int k = 0; k < all->n; k++) {
		const struct result *one = &all->v[k];

		for (size_t i = 0; i < ARRAY_SIZE(COLUMNS); i++) {
			if (i)
				buf_putc(b, ',');
			put_cell(b, db_text_null(one->r, one->row, COLUMNS[i]));
		}
		for (size_t i = 0; i < all->params_n; i++) {
			buf_putc(b, ',');
			put_cell(b, text_of(one->params, all->params[i]));
		}
		for (size_t i = 0; i < all->values_n; i++) {
			buf_putc(b, ',');
			put_cell(b, text_of(one->values, all->values[i]));
		}
		buf_puts(b, "\r\n");
	}
}

static bool wants_csv(const struct request *rq)
{
	const char *accept = request_header(rq, "Accept"), *format = request_query(rq, "format");

	return (format && streq(format, "csv")) || (accept && strstr(accept, "text/csv"));
}

static bool results_get(struct request *rq, struct response *rs, struct err *e)
{
	const char *group = request_param(rq, "group"), *order = request_query(rq, "order");
	const char *sort = request_query(rq, "sort");
	auto_result PGresult *found = NULL, *r = NULL;
	struct results all = { 0 };
	bool descending = order && streq(order, "desc");

	if (order && !streq(order, "asc") && !descending)
		fault_add(&rq->faults, "order", "invalid_value", "must be asc or desc");
	if (!faults_end(&rq->faults, e))
		return false;
	if (!group_get(rq->db, rq->caller.tenant, group, &found, e))
		return e->kind == ERR_NOT_FOUND ? request_not_found(rq, e) : false;
	if (!group_members(rq->db, rq->caller.tenant, group, -1, MAX_RESULTS, &r, e))
		return false;
	load(rq, r, sort && sort[0] ? sort : NULL, &all);
	if (sort && sort[0] && all.n)
		qsort_r(all.v, (size_t)all.n, sizeof *all.v, compare, &descending);
	if (wants_csv(rq)) {
		write_csv(rq, rs, &all);
		response_header(rs, "Content-Disposition",
			arena_printf(rq->a, "attachment; filename=\"%s.csv\"", group));
	} else {
		write_json(rs, &all);
	}
	tenants_bytes(rs);
	return true;
}

static const struct route results_routes[] = {
	{ "GET", "/groups/:group/results", ACCESS_READ, 0, results_get,
		.doc = { "Parameters and results of all members, sorted by any key; text/csv, or format=csv, gives a "
			 "table",
			.answer = "Results", .query = "sort order format" } },
};
ROUTE_TABLE(results);
