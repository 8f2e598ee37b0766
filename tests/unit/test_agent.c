/* nap-agent's parts that need no process: names, page tokens, contents and the journal's places. */
#include "agent/content.h"
#include "agent/fleet_name.h"
#include "agent/history.h"
#include "agent/journal.h"
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <sys/stat.h>

static const char *refusal(const char *name)
{
	static struct err e;

	e = (struct err){ 0 };
	return fleet_name_check(name, &e) ? NULL : e.msg;
}

static void names_are_taken_and_refused_as_fleet_does(void **state)
{
	char longest[300];

	(void)state;
	assert_null(refusal("a.service"));
	assert_null(refusal(".service"));
	assert_null(refusal("a@@1.service"));
	assert_null(refusal("x:y-z_._\\@9.socket"));
	assert_string_equal(refusal(""), "unit name cannot be empty");
	assert_string_equal(refusal("foo"), "unit name must contain \".\"");
	assert_string_equal(refusal("foo."), "unit name cannot end in \".\"");
	assert_string_equal(refusal("foo.bar"), "invalid unit type: \"bar\"");
	assert_string_equal(refusal("foo.Service"), "invalid unit type: \"Service\"");
	assert_string_equal(refusal("a@1.mount"), "invalid unit type: \"mount\"");
	assert_string_equal(refusal("a+b.service"), "invalid character '+' in unit name");
	assert_string_equal(
		refusal("a\xc3\xa9.service"), "invalid character '\xc3\xa9' in unit name");
	assert_string_equal(refusal("a\nb.service"), "invalid character '\\x0a' in unit name");
	assert_string_equal(refusal("@a.service"), "unit name cannot start in \"@\"");
	memset(longest, 'a', sizeof longest);
	memcpy(longest + 248, ".service", 9);
	assert_null(refusal(longest));
	memcpy(longest + 248, "a.service", 10);
	assert_string_equal(refusal(longest), "unit name exceeds maximum length (256)");
}

static void a_template_is_known_by_its_name(void **state)
{
	(void)state;
	assert_true(fleet_name_is_template("a@.service"));
	assert_false(fleet_name_is_template("a@1.service"));
	assert_false(fleet_name_is_template("a.service"));
}

static void specifiers_are_the_names_parts(void **state)
{
	struct slice s;

	(void)state;
	assert_true(fleet_specifier("a.b@c.d.service", 'p', &s) && slice_eq(s, "a.b"));
	assert_true(fleet_specifier("a.b@c.d.service", 'i', &s) && slice_eq(s, "c.d"));
	assert_true(fleet_specifier("a.b@c.d.service", 'n', &s) && slice_eq(s, "a.b@c.d.service"));
	assert_true(fleet_specifier("a.b@c.d.service", 'N', &s) && slice_eq(s, "a.b@c.d"));
	assert_true(fleet_specifier("plain.service", 'i', &s) && s.n == 0);
	assert_false(fleet_specifier("plain.service", 'x', &s));
}

static const char *token_refusal(const char *token)
{
	static struct err e;
	unsigned int page;

	return fleet_token_parse(token, &page, &e) ? NULL : e.msg;
}

static void page_tokens_are_fleets(void **state)
{
	char token[FLEET_TOKEN_SIZE];
	unsigned int page = 0;
	struct err e;

	(void)state;
	fleet_token_print(token, 2);
	assert_string_equal(token, "ZAACAA==");
	for (unsigned int i = 1; i < 65536; i += 999) {
		fleet_token_print(token, i);
		assert_true(fleet_token_parse(token, &page, &e) && page == i);
	}
	assert_string_equal(token_refusal("zzz"), "illegal base64 data at input byte 0");
	assert_string_equal(token_refusal("MgACAA=="), "token limit must be 100");
	assert_string_equal(token_refusal("ZAAAAA=="), "token page must be greater than zero");
	assert_string_equal(token_refusal(""), "EOF");
}

static struct content *make(const char *json, struct err *e)
{
	json_auto_t *o = json_loads(json, 0, NULL);
	struct content *c = NULL;

	assert_non_null(o);
	return content_make(o, &c, e) ? c : NULL;
}

static void a_contents_hash_is_fleets(void **state)
{
	static const char text[] =
		"[{\"section\":\"Unit\",\"name\":\"Description\",\"value\":\"My app %i\"},"
		"{\"section\":\"Service\",\"name\":\"ExecStart\",\"value\":\"/bin/sleep 1000\"},"
		"{\"section\":\"X-Fleet\",\"name\":\"Conflicts\",\"value\":\"myapp@*.service\"}]";
	struct err e = { 0 };
	struct content *a = make(text, &e), *b = make(text, &e);

	(void)state;
	assert_string_equal(a->hash, "7433b24c415061f58255bcfc6dd624e6eddbeb28");
	assert_ptr_equal(a, b);
	content_unref(a);
	content_unref(b);
}

static void long_and_short_texts_have_the_hashes_of_RFC_3174(void **state)
{
	char hash[SHA1_HEX_SIZE], million[1000];

	(void)state;
	sha1_hex(hash, "abc", 3);
	assert_string_equal(hash, "a9993e364706816aba3e25717850c26c9cd0d89d");
	sha1_hex(hash, "", 0);
	assert_string_equal(hash, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
	memset(million, 'a', sizeof million);
	for (size_t n = 54; n < 66; n++)
		sha1_hex(hash, million, n);
	sha1_hex(hash, million, 64);
	assert_string_equal(hash, "0098ba824b5c16427bd7a1122a5a442a25ec644d");
}

static void contradictions_are_refused_with_fleets_words(void **state)
{
	struct err e = { 0 };
	struct content *c = make(
		"[{\"section\":\"X-Fleet\",\"name\":\"Conflicts\",\"value\":\"my*\"},"
		"{\"section\":\"X-Fleet\",\"name\":\"X-ConditionMachineOf\",\"value\":\"myapp@1.service\"}]",
		&e);

	(void)state;
	assert_false(content_check_fleet(c, &e));
	assert_string_equal(e.msg,
		"unresolvable requirements: peer \"myapp@1.service\" matches conflict \"my*\"");
	content_unref(c);
	c = make("[{\"section\":\"X-Fleet\",\"name\":\"Global\",\"value\":\"true\"},"
		 "{\"section\":\"X-Fleet\",\"name\":\"MachineID\",\"value\":\"x\"}]",
		&e);
	assert_false(content_check_fleet(c, &e));
	assert_string_equal(e.msg, "MachineID cannot be used with Global");
	content_unref(c);
}

/* The journal, over files as svlogd writes them */

struct folder {
	char dir[64];
	struct journal *j;
};

static void put(const struct folder *f, const char *name, const char *file, const char *text)
{
	auto_free char *dir = xasprintf("%s/log/%s", f->dir, name);
	auto_free char *path = xasprintf("%s/%s", dir, file);
	struct err e;

	assert_true(dir_make(dir, 0700, &e));
	assert_true(file_replace(path, text, strlen(text), 0600, &e));
}

static int open_folder(void **state)
{
	struct folder *f = xcalloc(1, sizeof *f);

	(void)snprintf(f->dir, sizeof f->dir, "/tmp/nap-test-journal-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->j = journal_new(f->dir);
	*state = f;
	return 0;
}

static int close_folder(void **state)
{
	struct folder *f = *state;
	struct err e;

	journal_free(f->j);
	assert_true(tree_remove(f->dir, &e));
	free(f);
	return 0;
}

/* second n since 1970, as svlogd -t writes it */
#define AT(n) "@40000000000000" n "00000000 "

static void texts(struct journal_reader *r, char *ret, size_t size)
{
	struct journal_entry e;

	*ret = '\0';
	while (journal_next(r, &e)) {
		size_t n = strlen(ret);

		(void)snprintf(ret + n, size - n, "%.*s ", (int)e.message.n, e.message.p);
	}
	journal_reader_free(r);
}

static struct journal_reader *all(const struct folder *f)
{
	return journal_read(f->j, &(struct journal_match){ .all = true }, false);
}

static void streams_are_merged_by_time_over_rotated_files(void **state)
{
	const struct folder *f = *state;
	struct journal_entry e;
	char got[200], cursor[JOURNAL_CURSOR_SIZE] = "";
	struct journal_reader *r;

	put(f, "a", "@4000000000000014000000000.s", AT("10") "a1\n" AT("12") "a2\n");
	put(f, "a", "current", AT("15") "a3\n" AT("17") "a4\n" AT("18") "half");
	put(f, "b", "current", AT("11") "b1\n" AT("16") "b2\n");
	put(f, "b", "events", "8500000 e1\n");
	journal_unit(f->j, "a.service", "a", 1);
	journal_unit(f->j, "b.service", "b", 2);
	r = all(f);
	texts(r, got, sizeof got);
	assert_string_equal(got, "a1 b1 a2 e1 a3 b2 a4 ");
	r = all(f);
	while (journal_next(r, &e)) {
		if (e.message.n == 2 && memcmp(e.message.p, "b1", 2) == 0)
			(void)snprintf(cursor, sizeof cursor, "%s", e.cursor);
	}
	journal_reader_free(r);
	r = all(f);
	assert_true(journal_seek_cursor(r, cursor));
	assert_true(journal_next(r, &e));
	assert_string_equal(e.cursor, cursor);
	texts(r, got, sizeof got);
	assert_string_equal(got, "a2 e1 a3 b2 a4 ");
	r = all(f);
	journal_seek_back(r, 2, true);
	texts(r, got, sizeof got);
	assert_string_equal(got, "b2 a4 ");
	r = all(f);
	assert_false(journal_seek_cursor(r, "nonsense"));
	journal_reader_free(r);
}

static void a_long_line_comes_in_pieces_and_a_cursor_may_stand_between(void **state)
{
	const struct folder *f = *state;
	auto_free char *text = xcalloc(1, 110000);
	char cursor[JOURNAL_CURSOR_SIZE];
	struct journal_entry e;
	struct journal_reader *r;

	memcpy(text, AT("10"), 26);
	memset(text + 26, 'x', 100000);
	memcpy(text + 100026, "\n" AT("11") "end\n", 32);
	put(f, "a", "current", text);
	journal_unit(f->j, "a.service", "a", 1);
	r = all(f);
	assert_true(journal_next(r, &e) && e.more && e.message.n == JOURNAL_PIECE);
	assert_true(journal_next(r, &e) && e.more && e.message.n == JOURNAL_PIECE);
	(void)snprintf(cursor, sizeof cursor, "%s", e.cursor);
	assert_true(journal_next(r, &e) && !e.more && e.message.n == 100000 - 2 * JOURNAL_PIECE);
	assert_true(journal_next(r, &e) && slice_eq(e.message, "end"));
	assert_false(journal_next(r, &e));
	journal_reader_free(r);
	r = all(f);
	assert_true(journal_seek_cursor(r, cursor));
	assert_true(journal_next(r, &e) && e.more && e.message.n == JOURNAL_PIECE);
	assert_string_equal(e.cursor, cursor);
	assert_true(journal_next(r, &e) && e.message.n == 100000 - 2 * JOURNAL_PIECE);
	journal_reader_free(r);
}

static const char *of_history(const struct history *h, int64_t second, struct buf *b)
{
	buf_clear(b);
	history_json(h, second, 1000000 + second, b);
	return b->data;
}

static void a_history_is_a_value_a_second_and_one_a_minute(void **state)
{
	struct history *h = xcalloc(1, sizeof *h);
	auto_buf struct buf b = { 0 };

	(void)state;
	/* 4 bytes a value, memory and CPU; beside them only what does not grow */
	assert_true(sizeof *h <= (600 + 1440) * 2 * 4 + 64);
	buf_init(&b, 1 << 20);
	history_init(h);
	assert_string_equal(of_history(h, 119, &b),
		"{\"seconds\":{\"step\":1,\"until\":999999,\"memory_bytes\":[],\"cpu_usec\":[]},"
		"\"minutes\":{\"step\":60,\"until\":999999,\"memory_bytes\":[],\"cpu_usec\":[]}}");
	assert_true(history_add(h, 118, 4096, -1)); /* what it used before is not known */
	assert_false(history_add(h, 118, 8192, 5)); /* a second has one value */
	assert_true(history_add(h, 119, 8192, 500));
	assert_true(history_add(h, 121, 4096, 4000)); /* nobody looked at 120: the same */
	assert_string_equal(of_history(h, 122, &b),
		"{\"seconds\":{\"step\":1,\"until\":1000121,\"memory_bytes\":[null,8192,4096,4096],"
		"\"cpu_usec\":[null,500,2000,2000]},"
		"\"minutes\":{\"step\":60,\"until\":1000119,\"memory_bytes\":[8192],\"cpu_usec\":[500]}}");
	assert_true(history_add(h, 122, -1, -1));	 /* it does not run */
	assert_true(history_add(h, 122 + 61, 1024, 61)); /* too long ago to say */
	assert_non_null(strstr(of_history(h, 183, &b), "[null,8192,4096,4096,null,null,"));
	/* two days later the rings are full, and hold the last 10 minutes and the last day */
	for (int64_t s = 184; s < 184 + 2 * 86400; s++)
		assert_true(history_add(h, s, s * 1024, s));
	assert_int_equal(h->second[(183 + 2 * 86400) % 600].memory, 183 + 2 * 86400);
	assert_int_equal(h->second[(184 + 2 * 86400) % 600].memory, 184 + 2 * 86400 - 600);
	assert_int_equal(h->minute[(2 * 86400 / 60) % 1440].memory, 2 * 86400 + 59);
	assert_int_equal(h->minute[(2 * 86400 / 60) % 1440].cpu, 2 * 86400 + 29);
	assert_null(strstr(of_history(h, 184 + 2 * 86400, &b), "null"));
	/* no clock and no size is more than 4 bytes hold */
	assert_true(history_add(h, 200 + 2 * 86400, INT64_MAX, INT64_MAX));
	assert_int_equal(h->second[(200 + 2 * 86400) % 600].memory, UINT32_MAX - 1);
	free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_taken_and_refused_as_fleet_does),
		cmocka_unit_test(a_template_is_known_by_its_name),
		cmocka_unit_test(specifiers_are_the_names_parts),
		cmocka_unit_test(page_tokens_are_fleets),
		cmocka_unit_test(a_contents_hash_is_fleets),
		cmocka_unit_test(long_and_short_texts_have_the_hashes_of_RFC_3174),
		cmocka_unit_test(contradictions_are_refused_with_fleets_words),
		cmocka_unit_test(a_history_is_a_value_a_second_and_one_a_minute),
		cmocka_unit_test_setup_teardown(
			streams_are_merged_by_time_over_rotated_files, open_folder, close_folder),
		cmocka_unit_test_setup_teardown(
			a_long_line_comes_in_pieces_and_a_cursor_may_stand_between, open_folder,
			close_folder),
	};

	return cmocka_run_group_tests_name("agent", tests, NULL, NULL);
}
