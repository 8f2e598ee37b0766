/* fcgi/unit/syntax.c, options.c: values read as systemd reads them; resources.c: what crun is given of them */
#include "base/file.h"
#include "unit/options.h"
#include "unit/sandbox.h"

#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct unit_place place = {
	.name = "t.web.v3@2.service",
	.etc = "/A/etc",
	.lib = "/A/lib",
	.run = "/A/run",
	.uid = 210001,
};

static struct arena a;

static int clear(void **state)
{
	(void)state;
	arena_clear(&a);
	return 0;
}

/* "Section|Name|value" triples */
static struct unit_options read_all(const char *const *lines)
{
	json_auto_t *list = json_array();
	struct unit_options o;
	struct err e;

	for (; *lines; lines++) {
		const char *one = strchr(*lines, '|'), *two = strchr(one + 1, '|');

		json_array_append_new(list,
			json_pack("{s:s%, s:s%, s:s}", "section", *lines, (size_t)(one - *lines),
				"name", one + 1, (size_t)(two - one - 1), "value", two + 1));
	}
	assert_true(unit_options_parse(list, &place, &a, &o, &e));
	return o;
}

#define READ(...) read_all((const char *const[]){ __VA_ARGS__, NULL })

static char *joined(struct unit_words w)
{
	char *out = arena_strdup(&a, "");

	for (size_t i = 0; i < w.n; i++)
		out = arena_printf(&a, "%s[%s]", out, w.v[i]);
	return out;
}

static char *words(const char *text)
{
	struct unit_words w = { 0 };
	char *word;

	for (;;) {
		if (!unit_word(&text, &a, &word))
			return arena_strdup(&a, "unbalanced");
		if (!word)
			return joined(w);
		unit_words_add(&w, &a, word);
	}
}

static void words_are_cut_at_blanks_and_quotes_taken_off(void **state)
{
	(void)state;
	assert_string_equal(words("  a \t b\n"), "[a][b]");
	assert_string_equal(words("'a b' \"c d\" e'f 'g"), "[a b][c d][ef g]");
	assert_string_equal(words("'' \"\""), "[][]");
	assert_string_equal(words("\"it's\" 'say \"x\"'"), "[it's][say \"x\"]");
	assert_string_equal(words("'open"), "unbalanced");
	assert_string_equal(words("end\\"), "unbalanced");
}

static void escapes_are_c_escapes_and_unknown_ones_stay(void **state)
{
	(void)state;
	assert_string_equal(
		words("a\\tb '\\n' \\x41\\101 \\s\\\\ \\u00e9"), "[a\tb][\n][AA][ \\][\xc3\xa9]");
	assert_string_equal(words("\\d+ '\\.'"), "[\\d+][\\.]");
	assert_string_equal(words("\\x00"), "[\\x00]");
}

static void specifiers_stand_for_the_unit_and_its_folders(void **state)
{
	(void)state;
	assert_string_equal(unit_specifiers(&place, "%n|%N|%p|%i|%E|%S|%t|%U|100%%|%q|%", &a),
		"t.web.v3@2.service|t.web.v3@2|t.web.v3|2|/A/etc|/A/lib|/A/run|210001|100%|%q|%");
	assert_string_equal(
		unit_specifiers(&(struct unit_place){ .name = "a-b.service" }, "%p %j %i%P %f", &a),
		"a-b b a/b /a/b");
}

static void variables_become_one_word_or_many(void **state)
{
	struct unit_words env = { 0 }, w = { 0 };

	(void)state;
	assert_true(unit_env_set(&env, &a, "X=a b"));
	assert_true(unit_env_set(&env, &a, "Y="));
	assert_true(unit_env_set(&env, &a, "X=c  'd e'"));
	assert_false(unit_env_set(&env, &a, "1X=no"));
	unit_words_add(&w, &a, "$X");
	unit_words_add(&w, &a, "-${X}-");
	unit_words_add(&w, &a, "${NONE}");
	unit_words_add(&w, &a, "$NONE");
	unit_words_add(&w, &a, "$$X ${X:-y} a$X");
	assert_string_equal(
		joined(unit_expand(&w, &env, &a)), "[c][d e][-c  'd e'-][][$X ${X:-y} a$X]");
}

static void times_and_sizes_are_whole_or_nothing(void **state)
{
	int64_t n = -7;

	(void)state;
	assert_true(unit_parse_time("5min 20s", &n) && n == 320000000);
	assert_true(unit_parse_time("1.5", &n) && n == 1500000);
	assert_true(unit_parse_time("100ms", &n) && n == 100000);
	assert_true(unit_parse_time("infinity", &n) && n == UNIT_INFINITY);
	assert_false(unit_parse_time("", &n) || unit_parse_time("5 parsecs", &n) ||
		     unit_parse_time("-1", &n) || unit_parse_time("99999999999999999w", &n));
	assert_true(unit_parse_size("64M", &n) && n == 64 << 20);
	assert_true(unit_parse_size("1.5G", &n) && n == (3LL << 30) / 2);
	assert_true(unit_parse_size("12", &n) && n == 12);
	assert_false(unit_parse_size("64MB", &n) || unit_parse_size("x", &n) ||
		     unit_parse_size("9999999999E", &n));
}

static void a_command_has_prefixes_a_path_and_words(void **state)
{
	struct unit_options o = READ("Service|ExecStart|-+/A/lib/nap/bin/nap-node prepare %n",
		"Service|ExecStartPre|@/bin/sh mysh -c 'echo \"%i\" \\; exit'",
		"Service|ExecStartPre|/bin/a ; /bin/b x \\; y ; ");

	(void)state;
	assert_null(o.bad);
	assert_int_equal(o.start.n, 1);
	assert_true(o.start.v[0].privileged && o.start.v[0].ignore_failure);
	assert_string_equal(o.start.v[0].path, "/A/lib/nap/bin/nap-node");
	assert_string_equal(joined(o.start.v[0].argv),
		"[/A/lib/nap/bin/nap-node][prepare][t.web.v3@2.service]");
	assert_int_equal(o.start_pre.n, 3);
	assert_string_equal(o.start_pre.v[0].path, "/bin/sh");
	assert_string_equal(joined(o.start_pre.v[0].argv), "[mysh][-c][echo \"2\" \\; exit]");
	assert_string_equal(joined(o.start_pre.v[1].argv), "[/bin/a]");
	assert_string_equal(joined(o.start_pre.v[2].argv), "[/bin/b][x][;][y]");
}

static void an_empty_value_empties_a_list_and_a_backslash_joins_lines(void **state)
{
	struct unit_options o = READ("Service|ExecStart|/bin/a", "Service|ExecStart|",
		"Service|ExecStart|/bin/sh -c \\\n  'b'", "Unit|After|a.service b.service",
		"Unit|After|", "Unit|After|c.service");

	(void)state;
	assert_int_equal(o.start.n, 1);
	assert_string_equal(joined(o.start.v[0].argv), "[/bin/sh][-c][b]");
	assert_string_equal(joined(o.after), "[c.service]");
}

static void a_wrong_command_makes_the_unit_bad(void **state)
{
	(void)state;
	assert_non_null(READ("Service|ExecStart|bin/relative").bad);
	assert_non_null(READ("Service|ExecStart|/bin/sh -c 'open").bad);
	assert_non_null(READ("Service|ExecStart|/bin/dir/").bad);
	assert_non_null(READ("Unit|Description|nothing to run").bad);
	assert_non_null(READ("Service|ExecStart|/bin/a", "Service|ExecStart|/bin/b").bad);
	assert_null(
		READ("Service|ExecStart|/bin/a", "Service|ExecStart|/bin/b", "Service|Type|oneshot")
			.bad);
}

static void other_faults_are_warnings_and_keep_the_default(void **state)
{
	struct unit_options o = READ("Service|ExecStart|/bin/a", "Service|RestartSec|soon",
		"Service|MemoryMax|lots", "Service|FooBar|1", "X-Other|Y|z",
		"Service|ProtectProc|invisible");

	(void)state;
	assert_null(o.bad);
	assert_int_equal(o.restart_us, 100000);
	assert_int_equal(o.memory_max, UNIT_INFINITY);
	assert_int_equal(o.warnings.n, 4);
	assert_string_equal(
		o.warnings.v[2], "unknown option \"FooBar\" in section [Service], ignoring");
}

static void limits_and_walls_are_read(void **state)
{
	struct unit_options o = READ("Service|ExecStart|/bin/a", "Service|MemoryMax|64M",
		"Service|TasksMax|256", "Service|CPUQuota|50%", "Service|LimitNOFILE|1024:65536",
		"Service|LimitCORE|0", "Service|UMask|0077",
		"Service|SuccessExitStatus|250 SIGUSR1", "Service|Restart|on-abnormal",
		"Service|KillMode|mixed", "Service|KillSignal|SIGINT", "Service|TimeoutStopSec|0",
		"Service|OOMScoreAdjust|-900");

	(void)state;
	assert_int_equal(o.memory_max, 64 << 20);
	assert_int_equal(o.tasks_max, 256);
	assert_int_equal(o.cpu_quota_us, 500000);
	assert_int_equal(o.limit[RLIMIT_NOFILE].rlim_cur, 1024);
	assert_int_equal(o.limit[RLIMIT_NOFILE].rlim_max, 65536);
	assert_true(o.has_limit & 1U << RLIMIT_CORE);
	assert_int_equal(o.umask, 0077);
	assert_true(unit_exits_has(&o.success, false, 250) &&
		    unit_exits_has(&o.success, true, SIGUSR1));
	assert_false(unit_exits_has(&o.success, false, 1) || unit_exits_has(&o.success, false, -3));
	assert_int_equal(o.restart, UNIT_RESTART_ON_ABNORMAL);
	assert_int_equal(o.kill_mode, UNIT_KILL_MIXED);
	assert_int_equal(o.kill_signal, SIGINT);
	assert_int_equal(o.timeout_stop_us, UNIT_INFINITY);
	assert_int_equal(o.oom_score_adjust, -900);
}

static void paths_are_absolute_and_do_not_climb(void **state)
{
	struct unit_options o = READ("Service|ExecStart|/bin/a",
		"Service|BindPaths|-%S/nap/%n/view:/app /x:/y:rbind ../up /a/../b",
		"Service|InaccessiblePaths|-/etc/shadow", "Service|BindReadOnlyPaths|/one",
		"Service|BindReadOnlyPaths|", "Service|TemporaryFileSystem|/t:ro");

	(void)state;
	assert_int_equal(o.paths.n, 4);
	assert_true(o.paths.v[0].optional);
	assert_string_equal(o.paths.v[0].from, "/A/lib/nap/t.web.v3@2.service/view");
	assert_string_equal(o.paths.v[0].to, "/app");
	assert_string_equal(o.paths.v[1].to, "/y");
	assert_int_equal(o.paths.v[2].kind, UNIT_PATH_HIDDEN);
	assert_string_equal(o.paths.v[3].to, "/t");
	assert_int_equal(o.warnings.n, 2);
}

static void an_environment_file_is_read_line_by_line(void **state)
{
	struct unit_words env = { 0 };

	(void)state;
	unit_environment_file(
		"# note\\\nA=not this\n;x\nB = 1\nC='a b' # kept\nD=\"x\\\"y\\\nz\" \n  E=plain  \nF=a\\\nb\n=x\nC2=\n",
		&a, &env);
	assert_string_equal(joined(env), "[C=a b # kept][D=x\"yz][E=plain][F=ab][C2=]");
}

/* the member of crun's configuration, with these files where cgroups are mounted */
static json_t *resources_in(const char *const *files, const struct unit_options *o)
{
	char root[] = "/tmp/test-cgroup-XXXXXX";
	auto_buf struct buf b = { 0 };
	json_error_t je;
	json_t *all;
	struct err e;

	assert_non_null(mkdtemp(root));
	for (; *files; files++) {
		char *path = arena_printf(&a, "%s/%s", root, *files), *slash = strrchr(path, '/');

		*slash = '\0';
		assert_true(dir_make(path, 0700, &e));
		*slash = '/';
		assert_true(file_replace(path, "", 0, 0600, &e));
	}
	buf_init(&b, 4096);
	buf_puts(&b, "{\"x\":0");
	sandbox_resources(&b, o, root);
	buf_putc(&b, '}');
	assert_false(b.failed);
	assert_true(tree_remove(root, &e));
	all = json_loads(b.data, 0, &je);
	assert_non_null(all);
	return all;
}

static void resources_are_as_the_hierarchy_counts_them(void **state)
{
	static const char *const v1[] = { "memory/memory.limit_in_bytes", "cpu/cpu.shares", NULL };
	static const char *const v1_swap[] = { "memory/memory.memsw.limit_in_bytes", NULL };
	static const char *const hybrid[] = { "memory/memory.limit_in_bytes",
		"unified/cgroup.controllers", NULL };
	static const char *const v2[] = { "cgroup.controllers", NULL };
	static const struct {
		const char *const *files;
		bool unified, swap;
	} cases[] = { { v1, false, false }, { v1_swap, false, true }, { hybrid, false, false },
		{ v2, true, true } };
	struct unit_options o = READ("Service|CPUWeight|1", "Service|CPUQuota|50%",
		"Service|MemoryMax|64M", "Service|TasksMax|32");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_auto_t *all = resources_in(cases[i].files, &o);
		json_t *r = json_object_get(all, "resources"), *cpu = json_object_get(r, "cpu");
		json_t *memory = json_object_get(r, "memory");
		const char *weight = json_string_value(
			json_object_get(json_object_get(r, "unified"), "cpu.weight"));

		if (cases[i].unified) {
			assert_non_null(weight);
			assert_string_equal(weight, "1");
			assert_null(json_object_get(cpu, "shares"));
		} else {
			assert_null(weight);
			assert_int_equal(json_integer_value(json_object_get(cpu, "shares")), 10);
		}
		assert_int_equal(json_integer_value(json_object_get(cpu, "quota")), 50000);
		assert_int_equal(json_integer_value(json_object_get(memory, "limit")), 64 << 20);
		assert_int_equal(!!json_object_get(memory, "swap"), cases[i].swap);
		assert_int_equal(
			json_integer_value(json_object_get(json_object_get(r, "pids"), "limit")),
			33);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(resources_are_as_the_hierarchy_counts_them, clear),
		cmocka_unit_test_teardown(words_are_cut_at_blanks_and_quotes_taken_off, clear),
		cmocka_unit_test_teardown(escapes_are_c_escapes_and_unknown_ones_stay, clear),
		cmocka_unit_test_teardown(specifiers_stand_for_the_unit_and_its_folders, clear),
		cmocka_unit_test_teardown(variables_become_one_word_or_many, clear),
		cmocka_unit_test(times_and_sizes_are_whole_or_nothing),
		cmocka_unit_test_teardown(a_command_has_prefixes_a_path_and_words, clear),
		cmocka_unit_test_teardown(
			an_empty_value_empties_a_list_and_a_backslash_joins_lines, clear),
		cmocka_unit_test_teardown(a_wrong_command_makes_the_unit_bad, clear),
		cmocka_unit_test_teardown(other_faults_are_warnings_and_keep_the_default, clear),
		cmocka_unit_test_teardown(limits_and_walls_are_read, clear),
		cmocka_unit_test_teardown(paths_are_absolute_and_do_not_climb, clear),
		cmocka_unit_test_teardown(an_environment_file_is_read_line_by_line, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
