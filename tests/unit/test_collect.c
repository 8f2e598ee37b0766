/* fcgi/collect/: the journal's export format, and what becomes a line of a log */
#include "collect/source.h"
#include "collect/export.h"
#include "collect/line.h"
#include "base/file.h"

#include <jansson.h>
#include <sodium.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct seen {
	struct arena a;
	char *message[32];
	size_t len[32];
	int64_t time_us[32];
	char *cursor[32];
	size_t n;
};

static bool note(void *ctx, const struct export_entry *entry)
{
	struct seen *s = ctx;
	struct slice m = entry->field[EXPORT_MESSAGE], c = entry->field[EXPORT_CURSOR];

	s->message[s->n] = arena_strndup(&s->a, m.p ? m.p : "", m.n);
	s->len[s->n] = m.n;
	s->time_us[s->n] = entry->time_us;
	s->cursor[s->n++] = arena_strndup(&s->a, c.p, c.n);
	return s->n < 32;
}

/* the body of a recorded answer */
static char *recorded(struct arena *a, const char *file, size_t *ret_n)
{
	json_error_t where;
	json_auto_t *answer = json_load_file(arena_printf(a, JOURNAL "/%s", file), 0, &where);
	const char *text = NULL, *end;
	size_t size;
	unsigned char *body;

	assert_int_equal(json_unpack(answer, "{s:{s:s}}", "response", "body_base64", &text), 0);
	size = strlen(text);
	body = arena_alloc(a, size + 1);
	assert_int_equal(sodium_base642bin(body, size, text, size, NULL, ret_n, &end,
				 sodium_base64_VARIANT_ORIGINAL),
		0);
	return (char *)body;
}

static void a_recorded_answer_loses_nothing(void **state)
{
	auto_arena struct arena a = { 0 };
	size_t n;
	char *body = recorded(&a, "12-export-format.json", &n);

	(void)state;
	/* in pieces of every size: no border matters */
	for (size_t piece = 1; piece < n + 1; piece = piece * 3 + 1) {
		struct seen s = { 0 };
		struct export x;
		struct err e = { 0 };

		export_init(&x, note, &s);
		for (size_t i = 0; i < n; i += piece)
			assert_true(export_feed(&x, body + i, MIN(piece, n - i), &e));
		assert_int_equal(s.n, 7);
		assert_string_equal(s.message[0], "plain line");
		assert_string_equal(s.message[1], "caf\xc3\xa9 utf8");
		assert_string_equal(s.message[2], "bad \xff\xfe bytes");
		assert_string_equal(s.message[3], "tab\there \x1b[31mred\x1b[0m");
		assert_int_equal(s.len[4], 6000);
		assert_int_equal(s.len[5], 49152);
		assert_int_equal(s.len[6], 10848);
		assert_int_equal(s.time_us[0], 1795472551077060);
		assert_true(starts_with(s.cursor[6], "s=29b3141c9d314d5bba41f916d8e375ed;i=63;"));
		export_release(&x);
		arena_clear(&s.a);
	}
}

static void feed(struct export *x, const char *text)
{
	struct err e = { 0 };

	assert_true(export_feed(x, text, strlen(text), &e));
}

static void a_field_whose_length_lies_is_an_error(void **state)
{
	static const char lies[] = "__CURSOR=c\nMESSAGE\n\x03\0\0\0\0\0\0\0abcd\n\n";
	static const char huge[] = "__CURSOR=c\nMESSAGE\n\xff\xff\xff\xff\xff\xff\xff\xff";
	struct seen s = { 0 };
	struct export x;
	struct err e = { 0 };

	(void)state;
	export_init(&x, note, &s);
	assert_false(export_feed(&x, lies, sizeof lies - 1, &e));
	assert_string_equal(e.code, "malformed");
	export_restart(&x);
	assert_false(export_feed(&x, huge, sizeof huge - 1, &e));
	export_restart(&x);
	feed(&x, "__CURSOR=c\nMESSAGE=good again\n\n");
	assert_int_equal(s.n, 1);
	export_release(&x);
	arena_clear(&s.a);
}

struct written {
	char text[4096];
	size_t n, longest;
};

static bool write_down(void *ctx, const struct log_line *line)
{
	struct written *w = ctx;

	w->longest = MAX(w->longest, line->text.n);
	w->n += (size_t)snprintf(w->text + w->n, sizeof w->text - w->n, "%s.%s v%lld @%d %c %.*s\n",
		line->name.tenant, line->name.app, (long long)line->name.release, line->name.number,
		line->stream, (int)MIN(line->text.n, (size_t)60), line->text.p);
	assert_true(w->n < sizeof w->text);
	return true;
}

static bool take(void *lines, const struct export_entry *entry)
{
	return lines_take(lines, entry);
}

static void assert_lines(const char *journal, const char *expected)
{
	struct written w = { 0 };
	struct lines *l = lines_new(write_down, &w);
	struct export x;

	export_init(&x, take, l);
	feed(&x, journal);
	assert_true(lines_flush(l, 0));
	assert_string_equal(w.text, expected);
	export_release(&x);
	lines_free(l);
}

static void only_units_of_apps_are_kept(void **state)
{
	(void)state;
	assert_lines("__CURSOR=1\n_SYSTEMD_UNIT=ssh.service\nMESSAGE=no\n\n"
		     "__CURSOR=2\n_SYSTEMD_UNIT=acme.web.v3@2.service\nMESSAGE=yes\n\n"
		     "__CURSOR=3\n_SYSTEMD_UNIT=acme.web.v3_discovery@2.service\nMESSAGE=no\n\n"
		     "__CURSOR=4\n_SYSTEMD_UNIT=acme.web.v3@.service\nMESSAGE=no\n\n"
		     "__CURSOR=5\n_SYSTEMD_UNIT=acme.web.v4-build@1.service\nMESSAGE=built\n\n"
		     "__CURSOR=6\n_SYSTEMD_UNIT=acme.web.v3@2.service\n\n"
		     "__CURSOR=7\nMESSAGE=no\n\n",
		"acme.web v3 @2 o yes\n"
		"acme.web v4 @0 o built\n");
}

static void what_the_engine_says_is_told_apart_and_cannot_be_forged(void **state)
{
	(void)state;
	assert_lines(
		"__CURSOR=1\n_SYSTEMD_UNIT=init.scope\nUNIT=acme.web.v3@2.service\n"
		"MESSAGE=acme.web.v3@2.service: Failed with result 'exit-code'.\n\n"
		"__CURSOR=2\nUNIT=acme.web.v3@2.service\nMESSAGE=Started.\n\n"
		"__CURSOR=3\n_SYSTEMD_UNIT=evil.x.v1@1.service\nUNIT=acme.web.v3@2.service\nMESSAGE=forged\n\n"
		"__CURSOR=4\n_SYSTEMD_UNIT=acme.web.v3@2.service\n_COMM=nap-node\nMESSAGE=waits\n\n",
		"acme.web v3 @2 s Failed with result 'exit-code'.\n"
		"acme.web v3 @2 s Started.\n"
		"evil.x v1 @1 o forged\n"
		"acme.web v3 @2 s waits\n");
}

static void pieces_of_a_long_line_are_joined(void **state)
{
	(void)state;
	assert_lines(
		"__CURSOR=1\n_SYSTEMD_UNIT=a.b.v1@1.service\n_STREAM_ID=x\n_LINE_BREAK=line-max\nMESSAGE=one \n\n"
		"__CURSOR=2\n_SYSTEMD_UNIT=a.b.v1@1.service\n_STREAM_ID=y\nMESSAGE=other\n\n"
		"__CURSOR=3\n_SYSTEMD_UNIT=a.b.v1@1.service\n_STREAM_ID=x\n_LINE_BREAK=line-max\nMESSAGE=two \n\n"
		"__CURSOR=4\n_SYSTEMD_UNIT=a.b.v1@1.service\n_STREAM_ID=x\nMESSAGE=three\n\n"
		"__CURSOR=5\n_SYSTEMD_UNIT=a.b.v1@1.service\n_STREAM_ID=x\n_LINE_BREAK=pid-change\nMESSAGE=four\n\n"
		"__CURSOR=6\n_SYSTEMD_UNIT=a.b.v1@1.service\n_STREAM_ID=x\n_LINE_BREAK=line-max\nMESSAGE=never ended\n\n",
		"a.b v1 @1 o other\n"
		"a.b v1 @1 o one two three\n"
		"a.b v1 @1 o four\n"
		"a.b v1 @1 o never ended\n");
}

static void a_line_without_end_is_cut_and_goes_on(void **state)
{
	struct written w = { 0 };
	struct lines *l = lines_new(write_down, &w);
	auto_free char *text = xcalloc(1, 40001);
	struct export_entry entry = { .field = { [EXPORT_OF] = slice_of("a.b.v1@1.service"),
					      [EXPORT_STREAM] = slice_of("x"),
					      [EXPORT_LINE_BREAK] = slice_of("line-max"),
					      [EXPORT_MESSAGE] = { text, 40000 } } };

	(void)state;
	memset(text, 'z', 40000);
	for (int i = 0; i < 7; i++)
		assert_true(lines_take(l, &entry));
	assert_true(lines_pending(l));
	assert_true(lines_flush(l, 0));
	assert_false(lines_pending(l));
	assert_int_equal(w.longest, 120000);
	lines_free(l);
}

static void colours_go_and_text_stays(void **state)
{
	static const char *const cases[][2] = {
		{ "\x1b[1;31mred\x1b[0m plain", "red plain" },
		{ "\x1b]0;title\x07text", "text" },
		{ "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link" },
		{ "tab\tstays\r", "tab\tstays" },
		{ "cut \x1b[3", "cut " },
		{ "cut \x1b", "cut " },
		{ "\x1b[31\nm", "\nm" },
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t n = line_clean(out, cases[i][0], strlen(cases[i][0]));

		assert_int_equal(n, strlen(cases[i][1]));
		assert_memory_equal(out, cases[i][1], n);
	}
}

static void a_machine_that_is_gone_is_asked_rarely_and_then_no_more(void **state)
{
	struct source *s = source_new(NULL, "/nonexistent", "m1", "http://10.0.0.1:1", NULL);
	int64_t wait[2] = { 500, 500 }, t = 1000;

	(void)state;
	for (int i = 0; i < 20; i++)
		for (int k = 0; k < 2; k++)
			wait[k] = source_back_off(wait[k], k == 0);
	assert_int_equal(wait[0], 30000);
	assert_int_equal(wait[1], 600000);

	source_listed(s, true, t);
	assert_false(source_over(s, t + 10 * SOURCE_KEEP_MS));
	source_listed(s, false, t);
	source_listed(s, false, t + SOURCE_KEEP_MS - 1);
	assert_false(source_over(s, t + SOURCE_KEEP_MS - 1));
	assert_true(source_over(s, t + SOURCE_KEEP_MS));
	/* it came back: silence counts anew */
	source_listed(s, true, t + SOURCE_KEEP_MS - 1);
	source_listed(s, false, t + SOURCE_KEEP_MS);
	assert_false(source_over(s, t + SOURCE_KEEP_MS + 1));
	source_end(s);
	assert_true(source_over(s, t));
	assert_true(source_idle(s));
	source_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recorded_answer_loses_nothing),
		cmocka_unit_test(a_field_whose_length_lies_is_an_error),
		cmocka_unit_test(only_units_of_apps_are_kept),
		cmocka_unit_test(what_the_engine_says_is_told_apart_and_cannot_be_forged),
		cmocka_unit_test(pieces_of_a_long_line_are_joined),
		cmocka_unit_test(a_line_without_end_is_cut_and_goes_on),
		cmocka_unit_test(colours_go_and_text_stays),
		cmocka_unit_test(a_machine_that_is_gone_is_asked_rarely_and_then_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
