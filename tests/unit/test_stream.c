/* fcgi/stream/sse.c and the positions of fcgi/store/event.c */
#include "store/event.h"
#include "stream/sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void assert_message(
	const char *id, const char *event, const char *data, const char *expected)
{
	auto_buf struct buf b;

	buf_init(&b, 1000);
	sse_message(&b, id, event, data, data ? strlen(data) : 0);
	assert_string_equal(b.data, expected);
}

static void a_message_has_its_fields_and_an_empty_line(void **state)
{
	(void)state;
	assert_message("7-1", NULL, "{\"a\":1}", "id: 7-1\ndata: {\"a\":1}\n\n");
	assert_message(NULL, "end", "{}", "event: end\ndata: {}\n\n");
	assert_message("7-1", NULL, NULL, "id: 7-1\n\n");
	assert_message(NULL, NULL, "two\nlines", "data: two\ndata: lines\n\n");
}

static void output_is_cut_into_records_none_of_them_empty(void **state)
{
	auto_free char *text = xcalloc(1, 70000);
	auto_buf struct buf b;
	size_t at = 0, all = 0;
	int records = 0;

	(void)state;
	buf_init(&b, 100000);
	fcgi_output(&b, 258, "", 0);
	assert_int_equal(b.len, 0);
	fcgi_output(&b, 258, text, 70000);
	while (at < b.len) {
		const unsigned char *head = (const unsigned char *)b.data + at;
		size_t n = (size_t)head[4] << 8 | head[5];

		assert_int_equal(head[0], 1);
		assert_int_equal(head[1], 6);
		assert_int_equal(head[2] << 8 | head[3], 258);
		assert_true(n > 0 && head[6] == 0);
		all += n;
		at += 8 + n;
		records++;
	}
	assert_int_equal(all, 70000);
	assert_int_equal(records, 3);
}

static void the_end_is_an_empty_output_and_the_end_of_the_request(void **state)
{
	static const char expected[] = "\1\6\0\1\0\0\0\0"
				       "\1\3\0\1\0\10\0\0"
				       "\0\0\0\0\0\0\0\0";
	auto_buf struct buf b;

	(void)state;
	buf_init(&b, 100);
	fcgi_end(&b, 1);
	assert_int_equal(b.len, sizeof expected - 1);
	assert_memory_equal(b.data, expected, b.len);
}

static void a_position_is_what_it_was_printed_as(void **state)
{
	static const char *const bad[] = { "", "-", "1", "1-", "-1", "1-2-3", "01-2", "1-+2",
		"1 -2", "99999999999999999999-1", "1--2", "-1-2" };
	char text[EVENT_POSITION_SIZE];
	struct event_position at;

	(void)state;
	event_position_print(text, (struct event_position){ INT64_MAX, INT64_MAX });
	assert_true(event_position_parse(text, &at));
	assert_true(at.txid == INT64_MAX && at.id == INT64_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(event_position_parse(bad[i], &at));
}

static void positions_are_ordered_by_transaction_first(void **state)
{
	const struct event_position a = { 5, 9 }, b = { 6, 1 }, c = { 6, 2 };

	(void)state;
	assert_true(event_position_compare(a, b) < 0);
	assert_true(event_position_compare(c, b) > 0);
	assert_int_equal(event_position_compare(b, b), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_has_its_fields_and_an_empty_line),
		cmocka_unit_test(output_is_cut_into_records_none_of_them_empty),
		cmocka_unit_test(the_end_is_an_empty_output_and_the_end_of_the_request),
		cmocka_unit_test(a_position_is_what_it_was_printed_as),
		cmocka_unit_test(positions_are_ordered_by_transaction_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
