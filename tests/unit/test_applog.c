/* fcgi/store/applog.c: an app's log files */
#include "store/applog.h"
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define DIR_NAME "applog-test.d"

static struct applog opened(int64_t max_bytes)
{
	struct applog log;
	struct err e;

	assert_true(applog_open(DIR_NAME, 7, max_bytes, &log, &e));
	return log;
}

static void append(struct applog *log, int instance, const char *message, size_t n)
{
	struct err e;

	assert_true(applog_append(log, 1795472551077060, 3, instance, 'o', message, n, &e));
}

static size_t read_some(
	struct arena *a, struct applog_filter filter, struct applog_entry **ret, int64_t *ret_last)
{
	struct err e;
	size_t n;

	assert_true(applog_read(DIR_NAME, 7, &filter, a, ret, &n, ret_last, &e));
	return n;
}

static int fresh_folder(void **state)
{
	struct err e;

	(void)state;
	return tree_remove(DIR_NAME, &e) ? 0 : -1;
}

static void an_entry_comes_back_as_it_was_written(void **state)
{
	auto_arena struct arena a = { 0 };
	struct applog log = opened(100000);
	struct applog_entry *entries;
	auto_buf struct buf b;
	int64_t last;

	(void)state;
	append(&log, 2, "hello world", 11);
	applog_close(&log);
	assert_int_equal(read_some(&a, (struct applog_filter){ .lines = 9 }, &entries, &last), 1);
	buf_init(&b, 1000);
	applog_json(&b, &entries[0]);
	assert_string_equal(b.data,
		"{\"seq\":1,\"time\":\"2026-11-23T22:22:31.077060Z\",\"release\":3,\"instance\":2,"
		"\"stream\":\"output\",\"message\":\"hello world\"}");
}

static void control_characters_and_broken_utf8_become_replacement_characters(void **state)
{
	auto_arena struct arena a = { 0 };
	struct applog log = opened(100000);
	struct applog_entry *entries;
	int64_t last;

	(void)state;
	append(&log, 1, "a\x1b[31m\xff\nb\tc", 11);
	applog_close(&log);
	assert_int_equal(read_some(&a, (struct applog_filter){ .lines = 9 }, &entries, &last), 1);
	assert_string_equal(arena_strndup(&a, entries[0].message.p, entries[0].message.n),
		"a\xef\xbf\xbd[31m\xef\xbf\xbd\xef\xbf\xbd"
		"b\tc");
}

static void rotation_keeps_the_newest_and_the_sequence(void **state)
{
	auto_arena struct arena a = { 0 };
	struct applog log = opened(2000);
	struct applog_entry *entries;
	int64_t last;
	size_t n;

	(void)state;
	for (int i = 0; i < 100; i++)
		append(&log, i % 2 + 1, "a line of the program", 21);
	applog_close(&log);
	n = read_some(&a, (struct applog_filter){ .lines = 1000 }, &entries, &last);
	assert_true(n < 60);
	assert_int_equal(last, 100);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(entries[i].seq, 100 - n + 1 + i);
}

static void after_and_instance_choose_the_first_entries_behind_a_sequence(void **state)
{
	auto_arena struct arena a = { 0 };
	struct applog log = opened(100000);
	struct applog_entry *entries;
	int64_t last;

	(void)state;
	for (int i = 0; i < 10; i++)
		append(&log, i % 2 + 1, "x", 1);
	applog_close(&log);
	assert_int_equal(
		read_some(&a, (struct applog_filter){ .lines = 2, .after = 3, .instance = 2 },
			&entries, &last),
		2);
	assert_int_equal(entries[0].seq, 4);
	assert_int_equal(entries[1].seq, 6);
}

static void reading_on_from_any_place_finds_what_comes_after_it(void **state)
{
	struct applog log = opened(4000);

	(void)state;
	for (int i = 0; i < 80; i++)
		append(&log, 1, "reading on over the borders of files", 36);
	applog_close(&log);
	for (int64_t after = -1; after <= 81; after++) {
		auto_arena struct arena a = { 0 };
		struct applog_entry *entries;
		int64_t last;
		size_t n = read_some(&a,
			(struct applog_filter){ .lines = 1000, .after = after ? after : -1 },
			&entries, &last);

		assert_int_equal(last, 80);
		if (after >= 80)
			assert_int_equal(n, 0);
		for (size_t i = 1; i < n; i++)
			assert_int_equal(entries[i].seq, entries[i - 1].seq + 1);
		if (n) {
			assert_true(entries[0].seq == after + 1 || after < 40);
			assert_int_equal(entries[n - 1].seq, 80);
		}
	}
}

static void a_line_cut_by_a_crash_is_passed_over(void **state)
{
	auto_arena struct arena a = { 0 };
	struct applog log = opened(100000);
	struct applog_entry *entries;
	int64_t last;

	(void)state;
	append(&log, 1, "whole", 5);
	assert_int_equal(write(log.fd, "2 2026-11", 9), 9);
	applog_close(&log);
	log = opened(100000);
	append(&log, 1, "after", 5);
	applog_close(&log);
	assert_int_equal(read_some(&a, (struct applog_filter){ .lines = 9 }, &entries, &last), 2);
	assert_int_equal(entries[1].seq, 2);
	assert_true(slice_eq(entries[1].message, "after"));
}

static void a_second_writer_is_refused(void **state)
{
	struct applog log = opened(1000), second;
	struct err e;

	(void)state;
	assert_false(applog_open(DIR_NAME, 7, 1000, &second, &e));
	assert_string_equal(e.code, "log_busy");
	applog_close(&log);
}

static void no_log_yet_is_an_empty_list(void **state)
{
	auto_arena struct arena a = { 0 };
	struct applog_entry *entries;
	int64_t last;

	(void)state;
	assert_int_equal(read_some(&a, (struct applog_filter){ .lines = 9 }, &entries, &last), 0);
	assert_int_equal(last, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_entry_comes_back_as_it_was_written, fresh_folder),
		cmocka_unit_test_setup(
			control_characters_and_broken_utf8_become_replacement_characters,
			fresh_folder),
		cmocka_unit_test_setup(rotation_keeps_the_newest_and_the_sequence, fresh_folder),
		cmocka_unit_test_setup(
			after_and_instance_choose_the_first_entries_behind_a_sequence,
			fresh_folder),
		cmocka_unit_test_setup(
			reading_on_from_any_place_finds_what_comes_after_it, fresh_folder),
		cmocka_unit_test_setup(a_line_cut_by_a_crash_is_passed_over, fresh_folder),
		cmocka_unit_test_setup(a_second_writer_is_refused, fresh_folder),
		cmocka_unit_test_setup_teardown(
			no_log_yet_is_an_empty_list, fresh_folder, fresh_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
