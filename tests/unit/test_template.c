/* fcgi/model/template.c, and the command lines of fcgi/model/profile.c that it fills */
#include "model/template.h"

#include "base/limits.h"
#include "model/profile.h"

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

/* all commands and parameters: "command {params}" lines */
static const char *expanded(const char *text)
{
	struct template t;
	struct err e;
	const char *all = "";

	if (!template_parse(&arena, text, false, &t, &e))
		return arena_printf(&arena, "%s: %s", e.code, e.msg);
	for (int64_t i = 0; i < t.count; i++) {
		json_t *params;
		const char *command = template_expand(&arena, &t, i, &params);
		char *json = json_dumps(params, JSON_COMPACT);

		all = arena_printf(&arena, "%s%s %s\n", all, command, json);
		free(json);
		json_decref(params);
	}
	return all;
}

static void ranges_lists_names_and_steps_make_the_product_in_order(void **state)
{
	(void)state;
	assert_string_equal(expanded("./s {seed:1..3}"),
		"./s 1 {\"seed\":\"1\"}\n./s 2 {\"seed\":\"2\"}\n./s 3 {\"seed\":\"3\"}\n");
	assert_string_equal(expanded("a {1..9..4} --rate {0.1,0.01}"),
		"a 1 --rate 0.1 {\"p1\":\"1\",\"rate\":\"0.1\"}\n"
		"a 1 --rate 0.01 {\"p1\":\"1\",\"rate\":\"0.01\"}\n"
		"a 5 --rate 0.1 {\"p1\":\"5\",\"rate\":\"0.1\"}\n"
		"a 5 --rate 0.01 {\"p1\":\"5\",\"rate\":\"0.01\"}\n"
		"a 9 --rate 0.1 {\"p1\":\"9\",\"rate\":\"0.1\"}\n"
		"a 9 --rate 0.01 {\"p1\":\"9\",\"rate\":\"0.01\"}\n");
	assert_string_equal(expanded("x={08..10}"),
		"x=08 {\"x\":\"08\"}\nx=09 {\"x\":\"09\"}\nx=10 {\"x\":\"10\"}\n");
	assert_string_equal(expanded("{2..-1..2}"), "2 {\"p1\":\"2\"}\n0 {\"p1\":\"0\"}\n");
	assert_string_equal(expanded("{01..3}"),
		"01 {\"p1\":\"01\"}\n02 {\"p1\":\"02\"}\n03 {\"p1\":\"03\"}\n");
}

static void every_other_brace_stays_byte_for_byte(void **state)
{
	static const char *const texts[] = { "echo ${HOME} ${x:-a,b} ${a..b}",
		"awk '{print $1, $2}' f", "awk '{ if (x) { y } }'", "a {b} {} {,} {a,} {a b,c}",
		"printf '{\"a\": 1, \"b\": 2}'", "{a:1}", "{", "}{", "{a:1,b:2}", "{a,{b}}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_string_equal(expanded(texts[i]), arena_printf(&arena, "%s {}\n", texts[i]));
}

static void literal_turns_templates_off(void **state)
{
	struct template t;
	struct err e;

	(void)state;
	assert_true(template_parse(&arena, "a {1..3} {x..y}", true, &t, &e));
	assert_int_equal(t.count, 1);
	assert_int_equal(t.params_n, 0);
}

static void a_brace_with_dots_that_is_no_range_is_told_with_its_position(void **state)
{
	static const char *const bad[] = { "a..b", "1..x", "1..2,5", "..", "1..", "n:1...5",
		"1..5..x" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_string_equal(expanded(arena_printf(&arena, "cd x\n./s {%s}", bad[i])),
			"template_invalid: the brace at line 2, column 5 holds \"..\" and is no range of whole "
			"numbers; \"literal\": true takes braces as they are");
	assert_non_null(strstr(expanded("{1..5..0}"), "column 1 is a range with the step 0"));
	assert_non_null(strstr(expanded("{a:1..2} {a:1..2}"), "column 10 has a name that stands"));
}

static void more_than_a_thousand_are_refused(void **state)
{
	struct template t;
	struct err e;

	(void)state;
	assert_true(template_parse(&arena, "{1..1000}", false, &t, &e));
	assert_int_equal(t.count, 1000);
	assert_true(starts_with(expanded("{1..1001}"), "too_many_members"));
	assert_true(starts_with(expanded("{1..40} {1..40}"), "too_many_members"));
	assert_true(starts_with(expanded("{1..999999999999999}"), "too_many_members"));
}

static void a_parameter_is_a_variable(void **state)
{
	(void)state;
	assert_string_equal(template_variable(&arena, "seed"), "NAP_PARAM_SEED");
}

static const char *edited(const char *text, const char *command)
{
	size_t n;
	char *made = profile_with_command(&arena, text, strlen(text), command, &n);

	assert_int_equal(strlen(made), n);
	return made;
}

static void new_command_lines_stand_where_the_first_old_one_stood(void **state)
{
	(void)state;
	assert_string_equal(
		edited("# c\nmemory: 1g\n command: a\nscale: 2\ncommand: b \\\n  c\nbuild: make",
			"./x 1\n./y"),
		"# c\nmemory: 1g\ncommand: ./x 1\ncommand: ./y\nscale: 2\nbuild: make");
	assert_string_equal(edited("memory: 1g", "x"), "memory: 1g\ncommand: x\n");
	assert_string_equal(edited("", "x"), "command: x\n");
	assert_string_equal(edited("\xef\xbb\xbf"
				   "command: a\r\nscale: 2\r\n",
				    "b"),
		"\xef\xbb\xbf"
		"command: b\r\nscale: 2\r\n");
	assert_string_equal(
		edited("#command: a\\\ncommand: b\n", "x"), "#command: a\\\ncommand: x\n");
}

static void a_command_reaches_sh_byte_for_byte(void **state)
{
	static const char *const commands[] = { "a", "echo $(date) `x` \"q\" 'it''s' %i \\n a\\\\b",
		"python3 - <<E\nif 1:\n    print( 2 )  \n\n\tx\nE", "x: y: z", "# no comment\n#",
		"a\\\\" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		struct profile p;
		struct err e;
		const char *text = edited("scale: 2\ncommand: old\nmemory: 6m\n", commands[i]);

		assert_null(profile_command_wrong(&arena, commands[i]));
		assert_true(profile_parse(text, strlen(text), &arena, &p, &e));
		assert_string_equal(p.command, arena_printf(&arena, "%s\n", commands[i]));
		assert_int_equal(p.scale, 2);
	}
}

static void what_no_profile_can_hold_is_refused(void **state)
{
	char *big = arena_alloc(&arena, MAX_COMMAND_BYTES + 2);

	(void)state;
	assert_string_equal(profile_command_wrong(&arena, " \n"), "is blank");
	assert_string_equal(profile_command_wrong(&arena, "a\xff"), "is not UTF-8");
	assert_non_null(
		strstr(profile_command_wrong(&arena, "a\nb \\\nc"), "line 2 ends in a backslash"));
	assert_non_null(
		strstr(profile_command_wrong(&arena, "a\r\nb"), "line 1 ends in a carriage"));
	memset(big, 'a', MAX_COMMAND_BYTES);
	assert_null(profile_command_wrong(&arena, big));
	big[MAX_COMMAND_BYTES] = 'a';
	assert_non_null(strstr(profile_command_wrong(&arena, big), "more than"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
			ranges_lists_names_and_steps_make_the_product_in_order, clear),
		cmocka_unit_test_teardown(every_other_brace_stays_byte_for_byte, clear),
		cmocka_unit_test_teardown(literal_turns_templates_off, clear),
		cmocka_unit_test_teardown(
			a_brace_with_dots_that_is_no_range_is_told_with_its_position, clear),
		cmocka_unit_test_teardown(more_than_a_thousand_are_refused, clear),
		cmocka_unit_test_teardown(a_parameter_is_a_variable, clear),
		cmocka_unit_test_teardown(
			new_command_lines_stand_where_the_first_old_one_stood, clear),
		cmocka_unit_test_teardown(a_command_reaches_sh_byte_for_byte, clear),
		cmocka_unit_test_teardown(what_no_profile_can_hold_is_refused, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
