/* fcgi/model/source.c and address.c: where a source comes from and where an app is found */
#include "base/limits.h"
#include "model/address.h"
#include "model/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void addresses_are_taken_and_cleaned(void **state)
{
	static const struct {
		const char *text, *url, *secret, *ref;
	} rows[] = {
		{ "https://github.com/o/r", "https://github.com/o/r", NULL, NULL },
		{ "HTTPS://github.com/o/r.git#readme", "https://github.com/o/r.git", NULL, NULL },
		{ "https://github.com/o/r/tree/main", "https://github.com/o/r", NULL, "main" },
		{ "https://github.com/o/r/tree/feature/a%2Bb/?tab=x", "https://github.com/o/r",
			NULL, "feature/a+b" },
		{ "https://github.com/o/r/commit/0123abcd", "https://github.com/o/r", NULL,
			"0123abcd" },
		{ "https://gitlab.com/g/s/r/-/tree/dev", "https://gitlab.com/g/s/r", NULL, "dev" },
		{ "https://codeberg.org/o/r/src/branch/main", "https://codeberg.org/o/r", NULL,
			"main" },
		{ "https://h/o/tree", "https://h/o/tree", NULL, NULL },
		{ "https://h/tree/x", "https://h/tree/x", NULL, NULL },
		{ "https://u:p%40q@h:8443/r?x=1", "https://h:8443/r?x=1", "u:p%40q", NULL },
		{ "https://u:p@q@h/r", "https://h/r", "u:p%40q", NULL },
		{ "https://token@h/r", "https://h/r", "token:", NULL },
		{ "http://[::1]:3000/r", "http://[::1]:3000/r", NULL, NULL },
		{ "ssh://git@h:22/r", "ssh://git@h:22/r", NULL, NULL },
		{ "git@github.com:o/r.git", "git@github.com:o/r.git", NULL, NULL },
		{ "file:///srv/r", "file:///srv/r", NULL, NULL },
	};
	auto_arena struct arena a = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct source s;
		const char *wrong = source_parse(&a, rows[i].text, "https ssh http file", &s);

		if (wrong)
			fail_msg("%s: %s", rows[i].text, wrong);
		assert_string_equal(s.url, rows[i].url);
		assert_true(!s.secret == !rows[i].secret);
		assert_true(!s.ref == !rows[i].ref);
		if (s.secret)
			assert_string_equal(s.secret, rows[i].secret);
		if (s.ref)
			assert_string_equal(s.ref, rows[i].ref);
	}
}

static void what_git_would_run_or_misread_is_refused(void **state)
{
	static const char *const bad[] = { "", " ", "r", "/srv/r", "../r", "https://", "https:///r",
		"https://h", "https://h/", "https://h:0/r", "https://h:99999/r", "https://-h/r",
		"https://h h/r", "https://h/r\n", "https://h/\x01", "https://h/\xc3\xa9",
		"--upload-pack=touch /tmp/x", "-u", "https://h/$(id)", "https://h/`id`",
		"ssh://-oProxyCommand=x/r", "ssh://u:p@h/r", "ssh://-x@h/r", "git@-h:r", "git@h:-r",
		"git@h:", "-git@h:r", "git@h::r", "file://h/r", "file:///a/../b",
		"https://h/o/r/tree/-x", "https://h/o/r/tree/a..b" };
	auto_arena struct arena a = { 0 };
	struct source s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (!source_parse(&a, bad[i], "https ssh http file", &s))
			fail_msg("\"%s\" was taken as %s", bad[i], s.url);
		assert_string_equal(s.code, "url_invalid");
		assert_null(s.url);
	}
}

static void protocols_are_those_of_the_setting(void **state)
{
	static const char *const bad[] = { "http://h/r", "file:///r", "git://h/r", "ftp://h/r",
		"ext::sh -c x", "ext::x", "fd::3", "git+ssh://h/r", "https+x://h/r" };
	auto_arena struct arena a = { 0 };
	struct source s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_non_null(source_parse(&a, bad[i], "https ssh", &s));
		if (!strchr(bad[i], ' '))
			assert_string_equal(s.code, "protocol_not_allowed");
	}
	assert_non_null(source_parse(&a, "git@h:r", "https", &s));
	assert_string_equal(s.code, "protocol_not_allowed");
	/* a setting does not make git's other transports known */
	assert_non_null(source_parse(&a, "git://h/r", "https git", &s));
}

static void a_url_over_the_limit_is_refused(void **state)
{
	auto_arena struct arena a = { 0 };
	char url[MAX_URL_BYTES + 2] = "https://h/";
	struct source s;

	(void)state;
	memset(url + 10, 'a', sizeof url - 11);
	assert_non_null(source_parse(&a, url, "https", &s));
	url[MAX_URL_BYTES] = '\0';
	assert_null(source_parse(&a, url, "https", &s));
}

static void refs_are_those_that_git_takes(void **state)
{
	static const char *const good[] = { "main", "v1.0", "feature/a", "refs/heads/x", "HEAD",
		"0123456789abcdef0123456789abcdef01234567", "\xc3\xa9", "a@b" };
	static const char *const bad[] = { "", "-x", "/x", "x/", ".x", "x.", "a..b", "a b", "a~1",
		"a^", "a:b", "a?", "a*", "a[", "a\\b", "x.lock", "@", "a@{1}", "a//b", "a/.b",
		"a\n", "\xff", "refs/nap/releases/1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_null(ref_wrong(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (!ref_wrong(bad[i]))
			fail_msg("\"%s\" was taken", bad[i]);
}

static void an_app_is_at_its_label_or_at_its_port(void **state)
{
	struct config cfg = { .url = "http://127.0.0.1:8080", .domain = "localhost" };
	auto_buf struct buf b;

	(void)state;
	buf_init(&b, 1000);
	assert_true(address_of_app(&b, &cfg, "iwanna", "web_1", 0));
	assert_string_equal(b.data, "http://web-1-iwanna.localhost:8080/");
	buf_clear(&b);
	cfg.url = "https://nap.example.org";
	cfg.domain = "apps.example.org";
	assert_true(address_of_app(&b, &cfg, "iwanna", "web", 0));
	assert_string_equal(b.data, "https://web-iwanna.apps.example.org/");
	buf_clear(&b);
	cfg.url = "http://[fd00::1]:8080";
	cfg.domain = "";
	assert_false(address_of_app(&b, &cfg, "iwanna", "web", 0));
	assert_true(address_of_app(&b, &cfg, "iwanna", "web", 30017));
	assert_string_equal(b.data, "http://[fd00::1]:30017/");
	buf_clear(&b);
	address_of_git(&b, &cfg, "iwanna", "web");
	assert_string_equal(b.data, "http://[fd00::1]:8080/git/iwanna/web.git");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_taken_and_cleaned),
		cmocka_unit_test(what_git_would_run_or_misread_is_refused),
		cmocka_unit_test(protocols_are_those_of_the_setting),
		cmocka_unit_test(a_url_over_the_limit_is_refused),
		cmocka_unit_test(refs_are_those_that_git_takes),
		cmocka_unit_test(an_app_is_at_its_label_or_at_its_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
