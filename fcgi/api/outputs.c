/*
 * Do equal instances say the same? Size and SHA-256 of what each wrote to its standard output since its start.
 *
 * Of a run that has ended nap-run counted and hashed every byte as it passed. What a running one has written so far is
 * read from the app's log, which holds lines: two of those are compared on their common length.
 */
#include "api/app.h"
#include "api/routes.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include "store/applog.h"
#include "store/output.h"

#include <sodium.h>

struct output {
	int64_t number, release;
	bool ended; /* its hash is that of the whole */
	const char *sha256;
	int64_t bytes;
	char sha[2 * crypto_hash_sha256_BYTES + 1];
	/* the lines of its run, as the log has them */
	struct slice *lines;
	size_t lines_n;
	bool cut; /* the log's oldest lines are gone */
};

static bool begins_run(const struct applog_entry *entry)
{
	return entry->stream == 's' &&
	       (memmem(entry->message.p, entry->message.n, "Started", 7) ||
		       memmem(entry->message.p, entry->message.n, "Starting", 8));
}

/* what of the log is the last run's of the instance */
static bool read_lines(struct request *rq, int64_t app, struct output *o, struct err *e)
{
	const char *dir = arena_printf(rq->a, "%s/logs", rq->cfg->state);
	const struct applog_filter filter = {
		.instance = (int)o->number, .after = -1, .lines = SIZE_MAX, .release = o->release
	};
	struct applog_entry *entries;
	int64_t last;
	size_t n, from = 0;

	if (!applog_read(dir, app, &filter, rq->a, &entries, &n, &last, e))
		return false;
	for (size_t i = 0; i < n; i++)
		if (begins_run(&entries[i]))
			from = i + 1;
	o->cut = from == 0 && n > 0 && entries[0].seq > 1;
	o->lines = arena_alloc(rq->a, (n + 1) * sizeof *o->lines);
	for (size_t i = from; i < n; i++)
		if (entries[i].stream == 'o')
			o->lines[o->lines_n++] = entries[i].message;
	return true;
}

static void hash_lines(struct output *o)
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state sha;

	(void)crypto_hash_sha256_init(&sha);
	o->bytes = 0;
	for (size_t i = 0; i < o->lines_n; i++) {
		(void)crypto_hash_sha256_update(
			&sha, (const unsigned char *)o->lines[i].p, o->lines[i].n);
		(void)crypto_hash_sha256_update(&sha, (const unsigned char *)"\n", 1);
		o->bytes += (int64_t)o->lines[i].n + 1;
	}
	(void)crypto_hash_sha256_final(&sha, hash);
	hex_encode(o->sha, hash, sizeof hash);
	o->sha256 = o->sha;
}

static bool load(
	struct request *rq, int64_t app, const PGresult *r, struct output **ret, struct err *e)
{
	struct output *list = arena_alloc(rq->a, ((size_t)db_rows(r) + 1) * sizeof *list);

	for (int i = 0; i < db_rows(r); i++) {
		struct output *o = &list[i];

		*o = (struct output){ .number = db_i64(r, i, "number"),
			.release = db_i64(r, i, "release"),
			.ended = !db_is_null(r, i, "sha256"),
			.sha256 = db_text(r, i, "sha256"),
			.bytes = db_i64(r, i, "bytes") };
		if (o->ended)
			continue;
		if (!read_lines(rq, app, o, e))
			return false;
		hash_lines(o);
	}
	*ret = list;
	return true;
}

static bool same_line(struct slice a, struct slice b)
{
	return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

/* whole hashes where both have ended, else the lines that both have */
static bool equal(struct request *rq, int64_t app, struct output *a, struct output *b, bool *ret,
	struct err *e)
{
	if (a->ended && b->ended) {
		*ret = a->bytes == b->bytes && streq(a->sha256, b->sha256);
		return true;
	}
	if ((a->ended && !a->lines && !read_lines(rq, app, a, e)) ||
		(b->ended && !b->lines && !read_lines(rq, app, b, e)))
		return false;
	*ret = true;
	for (size_t i = 0; *ret && i < MIN(a->lines_n, b->lines_n); i++)
		*ret = same_line(a->lines[i], b->lines[i]);
	/* one that has ended has said all */
	if ((a->ended && b->lines_n > a->lines_n) || (b->ended && a->lines_n > b->lines_n))
		*ret = false;
	return true;
}

/* true or false; null while there are not two that could be compared */
static bool agree(
	struct request *rq, int64_t app, struct output *list, int n, json_t **ret, struct err *e)
{
	int said = 0;
	bool same = true;

	for (int i = 0; i < n; i++)
		said += list[i].ended || list[i].bytes > 0;
	for (int i = 1; i < n && same; i++)
		if (!equal(rq, app, &list[0], &list[i], &same, e))
			return false;
	*ret = same && said < 2 ? json_null() : json_boolean(same);
	return true;
}

static bool outputs_get(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	struct output *list;
	struct rows rows;
	struct buf *b;
	struct app app;
	json_t *word;

	if (!app_of(rq, &app, e) || !output_list(rq->db, app.id, &r, e) ||
		!load(rq, app.id, r, &list, e) || !agree(rq, app.id, list, db_rows(r), &word, e))
		return false;
	b = list_begin(rs);
	if (db_rows(r))
		rows_init(&rows, r, OUTPUT_FIELDS, OUTPUT_FIELDS_N);
	for (int i = 0; i < db_rows(r); i++) {
		buf_puts(b, i ? ",{" : "{");
		rows_members(&rows, i, b);
		buf_printf(b, ",\"complete\":%s,\"bytes\":%jd,\"sha256\":\"%s\"}",
			list[i].ended ? "true" : "false", (intmax_t)list[i].bytes, list[i].sha256);
	}
	buf_printf(b, "],\"next\":null,\"agree\":%s}",
		json_is_null(word)   ? "null"
		: json_is_true(word) ? "true"
				     : "false");
	json_decref(word);
	return true;
}

static struct output *pick(struct output *list, int n, int64_t number)
{
	for (int i = 0; i < n; i++)
		if (list[i].number == number)
			return &list[i];
	return NULL;
}

static json_t *line_json(struct request *rq, const struct output *o, size_t i)
{
	if (i >= o->lines_n)
		return json_null();
	return json_string(
		utf8_scrub(rq->a, o->lines[i].p, MIN(o->lines[i].n, (size_t)MAX_LOG_LINE)));
}

static bool diff_get(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	int64_t first = 1, second = 2;
	struct output *list, *a, *b;
	struct app app;
	size_t i = 0;
	bool same;

	(void)request_query_i64(rq, "a", 1, MAX_INSTANCES, &first);
	(void)request_query_i64(rq, "b", 1, MAX_INSTANCES, &second);
	if (!faults_end(&rq->faults, e) || !app_of(rq, &app, e) ||
		!output_list(rq->db, app.id, &r, e) || !load(rq, app.id, r, &list, e))
		return false;
	a = pick(list, db_rows(r), first);
	b = pick(list, db_rows(r), second);
	if (!a || !b)
		return request_not_found(rq, e);
	if (!equal(rq, app.id, a, b, &same, e) || (!a->lines && !read_lines(rq, app.id, a, e)) ||
		(!b->lines && !read_lines(rq, app.id, b, e)))
		return false;
	while (i < MIN(a->lines_n, b->lines_n) && same_line(a->lines[i], b->lines[i]))
		i++;
	response_json(rs, 200,
		json_pack("{s:I, s:I, s:b, s:b, s:o, s:o, s:o}", "a", (json_int_t)first, "b",
			(json_int_t)second, "same", same, "cut", a->cut || b->cut, "line",
			same ? json_null() : json_integer((json_int_t)i + 1), "line_a",
			same ? json_null() : line_json(rq, a, i), "line_b",
			same ? json_null() : line_json(rq, b, i)));
	tenants_bytes(rs);
	return true;
}

static const struct route outputs_routes[] = {
	{ "GET", "/apps/:app/outputs", ACCESS_READ, 0, outputs_get,
		.doc = { "What each instance wrote to its standard output since its start: size, SHA-256 and whether all "
			 "agree",
			.answer = "Outputs" } },
	{ "GET", "/apps/:app/outputs/diff", ACCESS_READ, 0, diff_get,
		.doc = { "The first line in which the outputs of two instances differ",
			.answer = "OutputDiff", .query = "a b" } },
};
ROUTE_TABLE(outputs);
