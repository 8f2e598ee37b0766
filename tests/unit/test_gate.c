/* Which addresses a deploy URL may lead to. */
#include "job/gate.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static bool is_public(const char *text)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr sa;

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
		memcpy(&sa, &in, sizeof sa);
		return gate_address_is_public(&sa);
	}
	assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	return gate_address_is_public((const struct sockaddr *)&in6);
}

static void addresses_of_the_open_internet_pass(void **state)
{
	static const char *const open[] = { "1.1.1.1", "8.8.8.8", "140.82.121.4", "172.15.255.255",
		"172.32.0.1", "100.63.255.255", "100.128.0.1", "169.253.1.1", "223.255.255.255",
		"2606:4700::1111", "2a00:1450:4001::200e", "::ffff:1.1.1.1", "64:ff9b::808:808",
		"2002:101:101::1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(open); i++)
		if (!is_public(open[i]))
			fail_msg("%s was refused", open[i]);
}

static void all_others_do_not(void **state)
{
	static const char *const closed[] = { "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1",
		"127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.168.1.1",
		"192.0.0.1", "192.0.2.1", "198.18.0.1", "198.19.255.255", "198.51.100.1",
		"203.0.113.9", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.1.2.3",
		"::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::", "2002:a00:1::1",
		"fe80::1", "fec0::1", "fc00::1", "fd12:3456::1", "ff02::1", "2001::1",
		"2001:db8::1", "100::1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(closed); i++)
		if (is_public(closed[i]))
			fail_msg("%s passed", closed[i]);
}

static void a_url_is_cut_where_git_cuts_it(void **state)
{
	static const struct {
		const char *url, *host, *port;
		bool ssh;
	} rows[] = {
		{ "http://127.0.0.1/a.git", "127.0.0.1", "80", false },
		{ "https://127.0.0.1:8443/a.git", "127.0.0.1", "8443", false },
		{ "http://[::1]:81/a", "::1", "81", false },
		{ "http://1.1.1.1@127.0.0.1/a", "127.0.0.1", "80", false },
		{ "ssh://git@127.0.0.1/a.git", "127.0.0.1", "22", true },
		{ "ssh://git@127.0.0.1:2222/a.git", "127.0.0.1", "2222", true },
		{ "git@127.0.0.1:o/a.git", "127.0.0.1", "22", true },
		{ "git@[::1]:o/a.git", "::1", "22", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_arena struct arena a = { 0 };
		struct gate g;
		struct err e = { 0 };

		assert_true(gate_open(rows[i].url, true, &a, &g, &e));
		assert_string_equal(g.host, rows[i].host);
		assert_string_equal(g.address, rows[i].host);
		assert_string_equal(g.port, rows[i].port);
		assert_int_equal(g.ssh, rows[i].ssh);
		assert_false(gate_open(rows[i].url, false, &a, &g, &e));
		assert_string_equal(e.code, "address_not_allowed");
	}
}

static void a_file_has_no_host(void **state)
{
	auto_arena struct arena a = { 0 };
	struct gate g;
	struct err e = { 0 };

	(void)state;
	assert_true(gate_open("file:///srv/a.git", false, &a, &g, &e));
	assert_string_equal(g.host, "");
	assert_string_equal(g.address, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_of_the_open_internet_pass),
		cmocka_unit_test(all_others_do_not),
		cmocka_unit_test(a_url_is_cut_where_git_cuts_it),
		cmocka_unit_test(a_file_has_no_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
