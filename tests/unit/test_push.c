/* What the push programs decide without git: the parameters of the CGI, lines of a tree, texts that are none. */
#include "push/push_cgi.h"
#include "push/push_command.h"
#include "push/push_hook.h"
#include "push/push_source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const char *vars[32][2];

static const char *get(const char *name)
{
	for (size_t i = 0; vars[i][0]; i++)
		if (streq(vars[i][0], name))
			return vars[i][1];
	return NULL;
}

static void given(const char *name, const char *value)
{
	size_t i = 0;

	while (vars[i][0] && !streq(vars[i][0], name))
		i++;
	vars[i][0] = name;
	vars[i][1] = value;
}

static int setup(void **state)
{
	(void)state;
	memset(vars, 0, sizeof vars);
	given("NAP_STATE", "/s");
	given("NAP_TENANT", "iwanna");
	given("NAP_APP", "shop");
	given("NAP_REPO", "12");
	given("NAP_SERVICE", "git-receive-pack");
	given("NAP_PATH", "git-receive-pack");
	return 0;
}

static const char *value_of(const struct push_cgi *cgi, const char *key)
{
	size_t n = strlen(key);

	for (const char *const *v = cgi->env; *v; v++)
		if (strncmp(*v, key, n) == 0 && (*v)[n] == '=')
			return *v + n + 1;
	return NULL;
}

static void the_path_is_made_from_the_id_alone(void **state)
{
	auto_arena struct arena a = { 0 };
	struct push_cgi cgi;
	struct err e;

	(void)state;
	given("PATH_INFO", "/../etc");
	given("QUERY_STRING", "service=git-upload-pack");
	assert_true(push_cgi_prepare(get, "/s/bin", &a, &cgi, &e));
	assert_string_equal(cgi.git.repo, "12");
	assert_string_equal(cgi.git.bin, "/s/bin");
	assert_string_equal(cgi.git.place, "push");
	assert_string_equal(value_of(&cgi, "PATH_INFO"), "/12.git/git-receive-pack");
	assert_string_equal(value_of(&cgi, "GIT_PROJECT_ROOT"), "/s/git");
	assert_string_equal(value_of(&cgi, "QUERY_STRING"), "");
	assert_int_equal(strlen(value_of(&cgi, "NAP_PUSH")), 32);
}

static void info_refs_of_no_app_shows_the_empty_repository(void **state)
{
	auto_arena struct arena a = { 0 };
	struct push_cgi cgi;
	struct err e;

	(void)state;
	given("NAP_REPO", "");
	given("NAP_PATH", "info/refs");
	assert_true(push_cgi_prepare(get, "/s/bin", &a, &cgi, &e));
	assert_string_equal(value_of(&cgi, "PATH_INFO"), "/empty.git/info/refs");
	assert_string_equal(value_of(&cgi, "QUERY_STRING"), "service=git-receive-pack");
	given("NAP_SERVICE", "git-upload-pack");
	assert_false(push_cgi_prepare(get, "/s/bin", &a, &cgi, &e));
	assert_int_equal(e.kind, ERR_NOT_FOUND);
}

static void what_is_no_id_or_no_service_is_refused(void **state)
{
	static const char *const ids[] = { "0", "-1", "1/../2", "12 ", "x",
		"99999999999999999999" };
	auto_arena struct arena a = { 0 };
	struct push_cgi cgi;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		given("NAP_REPO", ids[i]);
		assert_false(push_cgi_prepare(get, "/s/bin", &a, &cgi, &e));
	}
	given("NAP_REPO", "12");
	given("NAP_SERVICE", "git-upload-pack"); /* allowed to read, asks to write */
	assert_false(push_cgi_prepare(get, "/s/bin", &a, &cgi, &e));
	given("NAP_PATH", "objects/info/packs");
	assert_false(push_cgi_prepare(get, "/s/bin", &a, &cgi, &e));
	given("NAP_PATH", NULL);
	assert_false(push_cgi_prepare(get, "/s/bin", &a, &cgi, &e));
}

static void only_known_variables_reach_git(void **state)
{
	auto_arena struct arena a = { 0 };
	struct push_cgi cgi;
	struct err e;

	(void)state;
	given("GIT_CONFIG_PARAMETERS", "x");
	given("LD_PRELOAD", "x");
	given("HTTP_GIT_PROTOCOL", "version=2\nX");
	assert_true(push_cgi_prepare(get, "/s/bin", &a, &cgi, &e));
	assert_null(value_of(&cgi, "GIT_CONFIG_PARAMETERS"));
	assert_null(value_of(&cgi, "LD_PRELOAD"));
	assert_null(value_of(&cgi, "GIT_PROTOCOL"));
	given("HTTP_GIT_PROTOCOL", "version=2");
	assert_true(push_cgi_prepare(get, "/s/bin", &a, &cgi, &e));
	assert_string_equal(value_of(&cgi, "GIT_PROTOCOL"), "version=2");
}

static struct push_command command(const char *text)
{
	struct push_command c;

	push_command_parse(text, strlen(text), &c);
	return c;
}

static void the_four_forms_of_a_git_command_name_an_app(void **state)
{
	static const struct {
		const char *text;
		enum push_verb verb;
		const char *app;
	} rows[] = {
		{ "git-receive-pack 'app'", PUSH_VERB_PUSH, "app" },
		{ "git receive-pack '/app.git'", PUSH_VERB_PUSH, "app" },
		{ "git-upload-pack 'app.git'", PUSH_VERB_FETCH, "app" },
		{ "git upload-pack '/a-b_1'", PUSH_VERB_FETCH, "a-b_1" },
		{ "", PUSH_VERB_NONE, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(command(rows[i].text).verb, rows[i].verb);
		assert_string_equal(command(rows[i].text).app, rows[i].app);
	}
}

static void other_names_are_not_found_and_other_commands_refused(void **state)
{
	static const char *const names[] = { "''", "'/'", "'../bob/app'", "'bob/app'",
		"'/iwanna/app'", "'//app'", "'app/'", "'.git'", "'App'", "'-app'", "'_a'", "'a b'",
		"'it'\\''s'", "'a\n'", "'~/app'", "'app.git.git'", "'$(id)'", "'a;id'",
		"'\xc3\xa4'" };
	static const char *const others[] = { " ", "ls", "sh", "git", "git-receive-pack",
		"git-receive-pack app", "git-receive-pack  'app'", "git-receive-pack 'app' ",
		"git-receive-pack 'app'; id", "git-receive-pack \"app\"", "git-shell -c x",
		"git-upload-archive 'app'", "git  receive-pack 'app'", " git-receive-pack 'app'",
		"git-receive-pack '", "GIT-RECEIVE-PACK 'app'", "scp -f x" };
	auto_arena struct arena a = { 0 };
	char longest[80] = "'";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct push_command c = command(arena_printf(&a, "git-receive-pack %s", names[i]));

		assert_int_equal(c.verb, PUSH_VERB_PUSH);
		assert_string_equal(c.app, "");
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_int_equal(command(others[i]).verb, PUSH_VERB_OTHER);
	memset(longest + 1, 'a', 63);
	longest[64] = '\'';
	assert_int_equal(strlen(command(arena_printf(&a, "git-upload-pack %s", longest)).app), 63);
	longest[64] = 'a';
	longest[65] = '\'';
	assert_string_equal(command(arena_printf(&a, "git-upload-pack %s", longest)).app, "");
}

static void line(struct push_tree *t, struct arena *a, const char *text)
{
	push_tree_line(t, a, text, strlen(text));
}

static void a_tree_is_counted_line_by_line(void **state)
{
	auto_arena struct arena a = { 0 };
	struct push_source s = { 0 };
	struct push_tree t = { .source = &s };

	(void)state;
	line(&t, &a, "100644 blob 1111111111111111111111111111111111111111      12\tprofile");
	line(&t, &a, "040000 tree 2222222222222222222222222222222222222222       -\tlib");
	line(&t, &a, "100755 blob 3333333333333333333333333333333333333333       5\tlib/run");
	line(&t, &a, "160000 commit 4444444444444444444444444444444444444444       -\tlib/sub");
	line(&t, &a, "100755 blob 5555555555555555555555555555555555555555       7\trun");
	line(&t, &a, "the rest of a path longer than a line may be");
	assert_int_equal(s.entries, 6);
	assert_int_equal(s.bytes, 24);
	assert_string_equal(t.profile, "1111111111111111111111111111111111111111");
	assert_int_equal(t.profile_size, 12);
	assert_true(t.profile_is_file && s.run && !s.too_many);
	assert_string_equal(s.submodule, "lib/sub");
}

static void a_tree_has_an_end(void **state)
{
	auto_arena struct arena a = { 0 };
	struct push_source s = { .entries = MAX_TREE_ENTRIES - 1 };
	struct push_tree t = { .source = &s };

	(void)state;
	line(&t, &a, "100644 blob 1111111111111111111111111111111111111111 9223372036854775807\ta");
	assert_false(s.too_many);
	line(&t, &a, "100644 blob 1111111111111111111111111111111111111111 9223372036854775807\tb");
	assert_true(s.too_many);
	assert_int_equal(s.bytes, INT64_MAX);
}

static void a_text_is_utf8_without_nul(void **state)
{
	size_t at = 0;

	(void)state;
	assert_null(push_text_fault("command: gr\xc3\xbc\xc3\x9f\n", 16, &at));
	assert_string_equal(push_text_fault("a\nb\xff", 4, &at), "it is not UTF-8");
	assert_int_equal(at, 2);
	assert_string_equal(push_text_fault("a\n\n\0", 4, &at), "it holds a NUL byte");
	assert_int_equal(at, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_path_is_made_from_the_id_alone, setup),
		cmocka_unit_test_setup(info_refs_of_no_app_shows_the_empty_repository, setup),
		cmocka_unit_test_setup(what_is_no_id_or_no_service_is_refused, setup),
		cmocka_unit_test_setup(only_known_variables_reach_git, setup),
		cmocka_unit_test(the_four_forms_of_a_git_command_name_an_app),
		cmocka_unit_test(other_names_are_not_found_and_other_commands_refused),
		cmocka_unit_test(a_tree_is_counted_line_by_line),
		cmocka_unit_test(a_tree_has_an_end),
		cmocka_unit_test(a_text_is_utf8_without_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
