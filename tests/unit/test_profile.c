/* fcgi/model/profile.c */
#include "model/profile.h"

#include "base/buf.h"
#include "base/limits.h"
#include "model/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct arena arena;

static int clear(void **state)
{
	(void)state;
	arena_clear(&arena);
	return 0;
}

static struct profile parsed(const char *text)
{
	struct profile p;
	struct err e;

	if (!profile_parse(text, strlen(text), &arena, &p, &e))
		fail_msg("%s", e.msg);
	return p;
}

static void assert_refused(const char *text, size_t n, const char *msg)
{
	struct profile p;
	struct err e;

	assert_false(profile_parse(text, n, &arena, &p, &e));
	assert_string_equal(e.code, "profile_invalid");
	assert_string_equal(e.msg, msg);
}

/* The words of a command, blanks collapsed: what the first nap's loop kept of it. */
static char *words(const char *text)
{
	auto_buf struct buf b;

	buf_init(&b, MAX_PROFILE_BYTES);
	for (const char *p = text; *p; p++) {
		bool blank = *p == ' ' || *p == '\t' || *p == '\r';

		if (!blank)
			buf_putc(&b, *p);
		else if (b.len && b.data[b.len - 1] != ' ' && b.data[b.len - 1] != '\n' && p[1] &&
			 p[1] != '\n')
			buf_putc(&b, ' ');
	}
	return arena_strdup(&arena, b.data);
}

/* docs/profile.md lists where nap means to differ: a last line without newline counts, CR is no part of a value. */
static void old_profiles_mean_what_they_meant(void **state)
{
	json_error_t je;
	json_auto_t *all = json_load_file(PROFILES, 0, &je);
	const char *name;
	json_t *one;
	int n = 0;

	(void)state;
	assert_non_null(all);
	json_object_foreach (all, name, one) {
		struct profile p = parsed(json_string_value(json_object_get(one, "profile")));
		json_t *original = json_object_get(one, "original");
		const char *memory = json_string_value(json_object_get(original, "memory"));
		const char *scale = json_string_value(json_object_get(original, "scale"));
		const char *run = json_string_value(json_object_get(original, "run"));
		const char *before = json_string_value(json_object_get(one, "run_before"));
		int64_t bytes = 0, number = -1;

		if (memory)
			assert_null(memory_parse(
				(struct slice){ memory, strcspn(memory, "\r") }, &bytes));
		if (scale)
			assert_true(parse_slice_i64(
				(struct slice){ scale, strcspn(scale, "\r") }, 0, 500, &number));
		assert_int_equal(p.memory, bytes);
		assert_int_equal(p.scale, number);
		if (!run)
			run = "./a\n"; /* no-last-newline */
		if (before)
			run += strlen(before);
		assert_string_equal(words(p.command), words(run));
		n++;
	}
	assert_int_equal(n, 16);
}

static void every_key_is_read(void **state)
{
	struct profile p = parsed(
		"memory: 1.5g\nscale: 3\ncommand: cd x\ncommand: ./a\nbuild: make\nimage: debian:12\n"
		"port: 80\nhealth: /up\nrestart: on-failure\n");

	(void)state;
	assert_int_equal(p.memory, 1536LL << 20);
	assert_int_equal(p.scale, 3);
	assert_string_equal(p.command, "cd x\n./a\n");
	assert_string_equal(p.build, "make\n");
	assert_string_equal(p.image, "debian:12");
	assert_int_equal(p.port, 80);
	assert_int_equal(p.health, HEALTH_PATH);
	assert_string_equal(p.health_path, "/up");
	assert_int_equal(p.restart, RESTART_ON_FAILURE);
	assert_int_equal(p.faults_n, 0);
}

static void bom_crlf_and_a_missing_last_newline_are_fine(void **state)
{
	struct profile p = parsed("\xef\xbb\xbfmemory: 64m\r\nscale: 2\r\ncommand: ./a");

	(void)state;
	assert_int_equal(p.memory, 64 << 20);
	assert_int_equal(p.scale, 2);
	assert_string_equal(p.command, "./a\n");
	assert_int_equal(p.faults_n, 0);
}

static void what_is_odd_but_harmless_is_a_warning_with_its_line(void **state)
{
	struct profile p = parsed("scale: 2\nscale: 3 # three\nlanguage: c\njust some words\n");

	(void)state;
	assert_int_equal(p.scale, 3);
	assert_int_equal(p.faults_n, 4);
	assert_string_equal(p.faults[0].code, "words_ignored");
	assert_string_equal(p.faults[1].code, "repeated");
	assert_string_equal(p.faults[2].text, "key \"language\" is not known");
	assert_int_equal(p.faults[3].line, 4);
}

static void a_double_backslash_at_the_end_is_no_continuation(void **state)
{
	(void)state;
	assert_string_equal(parsed("command: echo a \\\\\nscale: 1\n").command, "echo a \\\\\n");
}

static void wrong_values_name_line_value_and_what_was_expected(void **state)
{
	static const char *const cases[][2] = {
		{ "\nscale: three\n",
			"profile, line 2: scale: \"three\" is not a whole number from 0 to 500" },
		{ "scale: 501",
			"profile, line 1: scale: \"501\" is not a whole number from 0 to 500" },
		{ "scale: -1",
			"profile, line 1: scale: \"-1\" is not a whole number from 0 to 500" },
		{ "port: 0",
			"profile, line 1: port: \"0\" is not a number from 1 to 65535, nor $PORT" },
		{ "restart: maybe",
			"profile, line 1: restart: \"maybe\" is not auto, always, on-failure or no" },
		{ "memory:", "profile, line 1: memory: has no value" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_refused(cases[i][0], strlen(cases[i][0]), cases[i][1]);
}

static void memory_below_six_mebibytes_is_refused(void **state)
{
	struct profile p;
	struct err e;

	(void)state;
	assert_true(profile_parse("memory: 6m", 10, &arena, &p, &e));
	assert_false(profile_parse("memory: 5m", 10, &arena, &p, &e));
}

static void bytes_that_are_no_text_are_refused_where_they_stand(void **state)
{
	(void)state;
	assert_refused("scale: 1\nab\0c", 13,
		"profile, line 2: a NUL byte at column 3; a text file is expected");
	assert_refused("command: \xff", 10, "profile, line 1: byte 0xff at column 10 is not UTF-8");
}

static void a_profile_over_one_mebibyte_is_refused(void **state)
{
	size_t n = MAX_PROFILE_BYTES + 1;
	auto_free char *text = xmalloc(n);

	(void)state;
	memset(text, '\n', n);
	assert_refused(text, n,
		"profile, line 0: the profile has 1048577 bytes; at most 1048576 are allowed");
	assert_int_equal(parsed("\n\n").faults_n, 0);
}

static void health_paths_hold_visible_ascii_only(void **state)
{
	struct profile p;
	struct err e;

	(void)state;
	assert_true(profile_parse("health: /a?b=1", 14, &arena, &p, &e));
	assert_false(profile_parse("health: /a b", 12, &arena, &p, &e));
	assert_false(profile_parse("health: up", 10, &arena, &p, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(old_profiles_mean_what_they_meant, clear),
		cmocka_unit_test_teardown(every_key_is_read, clear),
		cmocka_unit_test_teardown(bom_crlf_and_a_missing_last_newline_are_fine, clear),
		cmocka_unit_test_teardown(
			what_is_odd_but_harmless_is_a_warning_with_its_line, clear),
		cmocka_unit_test_teardown(a_double_backslash_at_the_end_is_no_continuation, clear),
		cmocka_unit_test_teardown(
			wrong_values_name_line_value_and_what_was_expected, clear),
		cmocka_unit_test_teardown(memory_below_six_mebibytes_is_refused, clear),
		cmocka_unit_test_teardown(
			bytes_that_are_no_text_are_refused_where_they_stand, clear),
		cmocka_unit_test_teardown(a_profile_over_one_mebibyte_is_refused, clear),
		cmocka_unit_test_teardown(health_paths_hold_visible_ascii_only, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
