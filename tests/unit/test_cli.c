/* The command line without a nap: the table of commands, tables of rows, what is typed wrong, and .napignore. */
#include "base/text.h"
#include "cli/account.h"
#include "cli/command.h"
#include "cli/ignore.h"
#include "cli/suggest.h"
#include "cli/table.h"
#include "job/import.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* -- commands ----------------------------------------------------------------------------------------------------- */

static struct cli parsed(
	const char *name, struct err *e, bool *ret_ok, const char *const *argv, int n)
{
	struct cli c = { .url = "", .token = "" };
	int words;

	c.command = command_find((const char *[]){ name }, 1, &words);
	assert_non_null(c.command);
	*ret_ok = command_parse(&c, argv, n, e);
	return c;
}
#define PARSE(name, ...) \
	parsed(name, &e, &ok, (const char *[]){ __VA_ARGS__ }, \
		(int)(sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *)))

static void options_and_words_stand_anywhere(void **state)
{
	struct err e = { 0 };
	int64_t lines = 0;
	bool ok;
	struct cli c = PARSE("logs", "-fn", "20", "web", "--instance=3", "--json");

	(void)state;
	assert_true(ok);
	assert_int_equal(c.words, 1);
	assert_string_equal(c.word[0], "web");
	assert_null(c.word[1]);
	assert_string_equal(cli_option(&c, "follow"), "");
	assert_string_equal(cli_option(&c, "instance"), "3");
	assert_true(cli_number(&c, "lines", 1, 1000, &lines));
	assert_int_equal(lines, 20);
	assert_true(c.json);
	assert_null(cli_option(&c, "help"));
	arena_clear(&c.a);
	c = PARSE("similar", "web", "--", "./solve", "--seed");
	assert_true(ok && c.words == 3);
	assert_string_equal(c.word[2], "--seed");
	arena_clear(&c.a);
}

static void what_is_wrong_is_said(void **state)
{
	struct err e = { 0 };
	bool ok;
	struct cli c = PARSE("scale", "web");

	(void)state;
	assert_false(ok);
	assert_string_equal(e.msg, "something is missing: nap scale APP N|auto");
	arena_clear(&c.a);
	c = PARSE("scale", "web", "2", "3");
	assert_false(ok);
	assert_string_equal(e.msg, "\"3\" is one word too many: nap scale APP N|auto");
	arena_clear(&c.a);
	c = PARSE("logs", "web", "--folow");
	assert_false(ok);
	assert_string_equal(e.msg, "option \"folow\" is unknown; did you mean \"--follow\"?");
	arena_clear(&c.a);
	c = PARSE("logs", "web", "-n");
	assert_false(ok);
	assert_string_equal(e.msg, "option \"-n\" needs its N");
	arena_clear(&c.a);
	c = PARSE("logs", "web", "--follow=yes");
	assert_false(ok);
	assert_string_equal(e.msg, "option \"--follow\" takes no value");
	arena_clear(&c.a);
	/* with --help nothing is missing */
	c = PARSE("scale", "--help");
	assert_true(ok);
	arena_clear(&c.a);
}

static const char *found(const char *const *argv, int n, int *words)
{
	const struct cli_command *command = command_find(argv, n, words);

	return command ? command->name : "";
}

static void commands_have_one_word_or_two(void **state)
{
	auto_arena struct arena a = { 0 };
	int words;

	(void)state;
	assert_string_equal(found((const char *[]){ "env", "set", "web" }, 3, &words), "env set");
	assert_int_equal(words, 2);
	assert_string_equal(found((const char *[]){ "apps", "x" }, 2, &words), "apps");
	assert_int_equal(words, 1);
	assert_string_equal(found((const char *[]){ "tenant" }, 1, &words), "tenant list");
	assert_string_equal(found((const char *[]){ "ops", "--json" }, 2, &words), "ops list");
	assert_string_equal(found((const char *[]){ "ops", "shwo" }, 2, &words), "");
	assert_string_equal(command_suggest(&a, (const char *[]){ "ops", "shwo" }, 2), "ops show");
	assert_string_equal(command_suggest(&a, (const char *[]){ "tenants" }, 1), "tenant");
	assert_string_equal(command_suggest(&a, (const char *[]){ "aps" }, 1), "apps");
	assert_null(command_suggest(&a, (const char *[]){ "kubernetes" }, 1));
}

/* a row that the table forgets something of would show in the help of a user */
static void every_row_is_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < CLI_COMMANDS_N; i++) {
		const struct cli_command *command = &CLI_COMMANDS[i];
		char letters[128] = { 0 };
		struct slice rest = slice_of(command->examples ? command->examples : ""), line;

		assert_non_null(command->run);
		assert_true(command->min <= command->max);
		assert_true(!ends_with(command->summary, "."));
		assert_true(command->min == 0 || *command->synopsis);
		for (const struct cli_option_row *o = command->options; o && o->name; o++) {
			assert_non_null(o->help);
			if (o->letter)
				assert_int_equal(letters[(int)o->letter]++, 0);
			for (const struct cli_option_row *k = CLI_COMMON; k->name; k++)
				assert_true(k->letter != o->letter || !o->letter);
		}
		while (slice_line(&rest, &line))
			assert_true(memchr(line.p, '\t', line.n) != NULL);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(command->name, CLI_COMMANDS[k].name);
	}
}

static void the_page_and_the_completion_know_every_command(void **state)
{
	auto_free char *man = NULL, *completion = NULL;
	size_t n;
	FILE *out = open_memstream(&man, &n);

	(void)state;
	help_man(out);
	assert_int_equal(fclose(out), 0);
	out = open_memstream(&completion, &n);
	help_completion(out);
	assert_int_equal(fclose(out), 0);
	for (size_t i = 0; i < CLI_COMMANDS_N; i++) {
		const struct cli_command *command = &CLI_COMMANDS[i];
		auto_free char *head = xasprintf(".SS nap %s", command->name);
		auto_free char *row = xasprintf("\t\"%s\")\n", command->name);
		bool shown = !(command->flags & COMMAND_HIDDEN);

		assert_int_equal(strstr(man, head) != NULL, shown);
		assert_int_equal(strstr(completion, row) != NULL, shown);
	}
}

/* -- words that were meant ----------------------------------------------------------------------------------------- */

static void the_nearest_word_is_meant(void **state)
{
	const char *const names[] = { "shop", "shop_1", "solver", "api" };

	(void)state;
	assert_int_equal(suggest_distance("shop", "shop"), 0);
	assert_int_equal(suggest_distance("shpo", "shop"), 1);
	assert_int_equal(suggest_distance("", "shop"), 4);
	assert_int_equal(suggest_distance("kitten", "sitting"), 3);
	assert_string_equal(suggest("shpo", names, 4), "shop");
	assert_string_equal(suggest("solv", names, 4), "solver");
	assert_string_equal(suggest("apo", names, 4), "api");
	assert_null(suggest("zebra", names, 4));
	assert_null(suggest("shop", names, 0));
}

/* -- tables ------------------------------------------------------------------------------------------------------- */

static char *printed(bool tty, bool colour, size_t width)
{
	char *text = NULL;
	size_t n;
	auto_arena struct arena a = { 0 };
	struct term term = {
		.file = open_memstream(&text, &n), .tty = tty, .colour = colour, .width = width
	};
	struct table t = table_new(&a, &term, "NAME !STATE +NO *COMMAND");

	table_row(&t, "web", "running", "1", "python3 app.py --with many --words");
	table_row(&t, "日本", "failed", "10", "a\033[31mb\nc");
	table_row(&t, "x", NULL, "", "");
	table_print(&t);
	assert_int_equal(fclose(term.file), 0);
	return text;
}

static void a_table_fits_the_terminal_and_is_whole_elsewhere(void **state)
{
	auto_free char *plain = printed(false, false, 10), *tty = printed(true, false, 30),
		       *colour = printed(true, true, 200);

	(void)state;
	assert_string_equal(plain, "NAME  STATE    NO  COMMAND\n"
				   "web   running   1  python3 app.py --with many --words\n"
				   "日本  failed   10  a\xef\xbf\xbd[31mb c\n"
				   "x     -         -  -\n");
	assert_string_equal(tty, "NAME  STATE    NO  COMMAND\n"
				 "web   running   1  python3 ap…\n"
				 "日本  failed   10  a\xef\xbf\xbd[31mb c\n"
				 "x     -         -  -\n");
	assert_non_null(strstr(colour, "\033[32mrunning\033[0m"));
	assert_non_null(strstr(colour, "\033[31mfailed\033[0m"));
	assert_null(strstr(colour, "a\033[31mb"));
}

static void times_are_told_shortly(void **state)
{
	auto_arena struct arena a = { 0 };
	int64_t now = INT64_C(1796000000000000);

	(void)state;
	assert_string_equal(term_seconds(&a, 420000), "0.4 s");
	assert_string_equal(term_seconds(&a, 59900000), "59.9 s");
	assert_string_equal(term_seconds(&a, 125000000), "2 min 05 s");
	assert_string_equal(term_age(&a, "2026-11-30T13:20:00Z", now), "0 s");
	assert_string_equal(term_age(&a, "1970-01-01T00:00:00Z", 119000000), "119 s");
	assert_string_equal(term_age(&a, "1970-01-01T00:00:00Z", 120000000), "2 min");
	assert_string_equal(term_age(&a, "1970-01-01T00:00:00Z", INT64_C(172800000000)), "2 d");
	assert_string_equal(term_age(&a, "never", now), "");
}

/* -- .napignore --------------------------------------------------------------------------------------------------- */

static bool ignored(const char *patterns, const char *path, bool folder)
{
	auto_arena struct arena a = { 0 };
	struct ignore ig = { 0 };

	ignore_parse(&ig, &a, patterns, strlen(patterns));
	return ignore_matches(&ig, path, folder);
}

static void patterns_are_those_of_gitignore(void **state)
{
	static const struct {
		const char *patterns, *path;
		bool folder, out;
	} cases[] = {
		{ "*.o", "main.o", false, true },
		{ "*.o", "src/deep/main.o", false, true },
		{ "*.o", "main.c", false, false },
		{ "/build", "build", true, true },
		{ "/build", "src/build", true, false },
		{ "build/", "src/build", true, true },
		{ "build/", "build", false, false },
		{ "src/*.c", "src/a.c", false, true },
		{ "src/*.c", "src/x/a.c", false, false },
		{ "src/*.c", "lib/src/a.c", false, false },
		{ "**/log", "a/b/log", false, true },
		{ "**/log", "log", false, true },
		{ "doc/**", "doc/a/b", false, true },
		{ "doc/**", "doc", true, false },
		{ "a/**/b", "a/b", false, true },
		{ "a/**/b", "a/x/y/b", false, true },
		{ "*.log\n!keep.log", "keep.log", false, false },
		{ "*.log\n!keep.log", "other.log", false, true },
		{ "# *.c\n\n  \n*.h  ", "x.c", false, false },
		{ "# *.c\n\n  \n*.h  ", "x.h", false, true },
		{ "\\#x\r\n", "#x", false, true },
		{ "[a-c].txt", "b.txt", false, true },
		{ "[a-c].txt", "d.txt", false, false },
		{ "?", "ab", false, false },
		{ "!", "x", false, false },
		{ "/", "x", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (ignored(cases[i].patterns, cases[i].path, cases[i].folder) != cases[i].out)
			fail_msg("\"%s\" and \"%s\"", cases[i].patterns, cases[i].path);
}

/* -- addresses, paths ----------------------------------------------------------------------------------------------- */

static void an_address_has_a_scheme_and_no_secret(void **state)
{
	static const struct {
		const char *typed, *url;
	} cases[] = {
		{ "https://nap.example.org/", "https://nap.example.org" },
		{ "nap.example.org", "https://nap.example.org" },
		{ "127.0.0.1:8080", "http://127.0.0.1:8080" },
		{ "http://10.0.0.1:8080", "http://10.0.0.1:8080" },
		{ "ftp://nap", NULL },
		{ "https://me:secret@nap", NULL },
		{ "https://nap?x", NULL },
		{ "https://", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_arena struct arena a = { 0 };
		const char *url = NULL;
		struct err e;
		bool ok = account_url(&a, cases[i].typed, &url, &e);

		if (ok != (cases[i].url != NULL) || (ok && !streq(url, cases[i].url)))
			fail_msg("%s: %s", cases[i].typed, url ? url : e.msg);
	}
}

static void no_path_of_an_archive_leads_out_of_it(void **state)
{
	static const struct {
		const char *path, *clean;
	} cases[] = {
		{ "a", "a" },
		{ "./a/b", "a/b" },
		{ ".//./a/", "a" },
		{ "a b/ü", "a b/ü" },
		{ ".gitignore", ".gitignore" },
		{ "a/.github/x", "a/.github/x" },
		{ "..a/b..", "..a/b.." },
		{ "/etc/passwd", NULL },
		{ "../x", NULL },
		{ "a/../../x", NULL },
		{ "a/./b", NULL },
		{ "a//b", NULL },
		{ ".git/config", NULL },
		{ "a/.GIT/hooks/x", NULL },
		{ "", NULL },
		{ "./", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_arena struct arena a = { 0 };
		const char *clean = import_path(&a, cases[i].path);

		if ((clean != NULL) != (cases[i].clean != NULL) ||
			(clean && !streq(clean, cases[i].clean)))
			fail_msg("\"%s\": %s", cases[i].path, clean ? clean : "refused");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_and_words_stand_anywhere),
		cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(commands_have_one_word_or_two),
		cmocka_unit_test(every_row_is_whole),
		cmocka_unit_test(the_page_and_the_completion_know_every_command),
		cmocka_unit_test(the_nearest_word_is_meant),
		cmocka_unit_test(a_table_fits_the_terminal_and_is_whole_elsewhere),
		cmocka_unit_test(times_are_told_shortly),
		cmocka_unit_test(patterns_are_those_of_gitignore),
		cmocka_unit_test(an_address_has_a_scheme_and_no_secret),
		cmocka_unit_test(no_path_of_an_archive_leads_out_of_it),
	};

	(void)setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
