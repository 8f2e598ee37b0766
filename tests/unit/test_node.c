/* fcgi/node: the restart policy; trees that somebody else wrote; the seccomp filter's JSON */
#include "node/files.h"
#include "node/health.h"
#include "node/policy.h"
#include "unit/seccomp.h"

#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <arpa/inet.h>
#include <cmocka.h>

#define SECOND INT64_C(1000000)

static struct policy policy(const char *text)
{
	struct policy p;

	policy_parse(slice_of(text), &p);
	return p;
}

struct row {
	int64_t ends[POLICY_MAX_ENDS];
	size_t n;
	int64_t now;
};

static struct policy_verdict end(
	struct row *r, const struct policy *p, int status, bool listened, int64_t after)
{
	struct policy_end e = { .number = status, .listened = listened, .started_us = r->now };

	r->now += after;
	e.ended_us = r->now;
	return policy_decide(p, &e, r->ends, &r->n);
}

static void what_never_listened_is_finished_with_0(void **state)
{
	struct policy p = policy("restart=auto\nport=20001\n");
	struct row r = { .now = 1000 * SECOND };
	struct policy_verdict v = end(&r, &p, 0, false, SECOND);

	(void)state;
	assert_string_equal(v.result, "finished");
	assert_true(v.final);
}

static void what_never_listened_gives_up_after_five_ends(void **state)
{
	static const int64_t waits[] = { 1, 2, 4, 8 };
	struct policy p = policy("restart=auto\n");
	struct row r = { .now = 1000 * SECOND };
	struct policy_verdict v;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
		v = end(&r, &p, 3, false, SECOND);
		assert_string_equal(v.result, "exit-code");
		assert_false(v.final);
		assert_int_equal(v.retry_us - r.now, waits[i] * SECOND);
	}
	v = end(&r, &p, 3, false, SECOND);
	assert_string_equal(v.result, "gave-up");
	assert_true(v.final);
	assert_int_equal(v.ends, 5);
	assert_int_equal(r.n, 0);
}

static void ends_outside_the_window_do_not_count(void **state)
{
	struct policy p = policy("restart=on-failure\n");
	struct row r = { .now = 1000 * SECOND };

	(void)state;
	for (int i = 0; i < 20; i++)
		assert_false(end(&r, &p, 1, false, 200 * SECOND).final);
	assert_true(end(&r, &p, 0, true, SECOND).final);
}

static void a_server_is_started_for_ever(void **state)
{
	struct policy p = policy("restart=auto\nlistened=1\n");
	struct row r = { .now = 1000 * SECOND };
	struct policy_verdict v = { 0 };

	(void)state;
	for (int i = 0; i < 200; i++) {
		v = end(&r, &p, i % 2, false, 2 * SECOND);
		assert_false(v.final);
	}
	assert_int_equal(v.retry_us - r.now, 60 * SECOND);
	/* it ran well for a while: the next start is soon again */
	v = end(&r, &p, 1, true, 30 * SECOND);
	assert_int_equal(v.retry_us - r.now, SECOND);
}

static void no_is_no_and_a_stop_never_counts(void **state)
{
	struct policy p = policy("restart=no\nattempts=zero\nnonsense\n=\n");
	struct policy_end stopped = { .stopped = true, .by_signal = true, .number = 15 };
	struct row r = { .now = 1000 * SECOND };
	struct policy_verdict v = end(&r, &p, 7, true, SECOND);

	(void)state;
	assert_true(v.final);
	assert_string_equal(v.result, "exit-code");
	assert_string_equal(policy_decide(&p, &stopped, r.ends, &r.n).result, "stopped");
	assert_int_equal(r.n, 0);
	assert_int_equal(p.attempts, 5);
}

/* ---- trees ---- */

static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof folder, "/tmp/test_node-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
	struct err e;

	(void)state;
	return files_remove(folder, &e) ? 0 : -1;
}

static char *in(struct arena *a, const char *name)
{
	return arena_printf(a, "%s/%s", folder, name);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
}

static void a_copy_has_files_links_and_holes_and_nothing_else(void **state)
{
	auto_arena struct arena a = { 0 };
	struct copy_rules rules = { .open = true };
	struct stat st;
	struct err e;
	char target[64];
	ssize_t n;

	(void)state;
	assert_int_equal(mkdir(in(&a, "from"), 0750), 0);
	assert_int_equal(mkdir(in(&a, "from/sub"), 0700), 0);
	write_file(in(&a, "from/sub/run"), "x", 04750);
	write_file(in(&a, "from/text"), "hello", 0600);
	assert_int_equal(symlink("/etc/shadow", in(&a, "from/link")), 0);
	assert_int_equal(mkfifo(in(&a, "from/pipe"), 0600), 0);
	write_file(in(&a, "from/holes"), "", 0600);
	assert_int_equal(truncate(in(&a, "from/holes"), INT64_C(1) << 40), 0);
	assert_true(files_copy(in(&a, "from"), in(&a, "to"), &rules, &e));
	assert_int_equal(stat(in(&a, "to/sub/run"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0777);
	assert_int_equal(stat(in(&a, "to/text"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0666);
	n = readlink(in(&a, "to/link"), target, sizeof target);
	assert_int_equal(n, strlen("/etc/shadow"));
	assert_int_equal(lstat(in(&a, "to/pipe"), &st), -1);
	assert_int_equal(stat(in(&a, "to/holes"), &st), 0);
	assert_int_equal(st.st_size, INT64_C(1) << 40);
	assert_true(st.st_blocks < 100);
}

static void a_copy_that_is_too_large_is_refused(void **state)
{
	auto_arena struct arena a = { 0 };
	struct copy_rules rules = { .max_entries = 2 };
	struct err e;

	(void)state;
	assert_int_equal(mkdir(in(&a, "from"), 0700), 0);
	for (int i = 0; i < 3; i++)
		write_file(in(&a, arena_printf(&a, "from/%d", i)), "x", 0600);
	assert_false(files_copy(in(&a, "from"), in(&a, "to"), &rules, &e));
	assert_int_equal(e.kind, ERR_TOO_LARGE);
}

static void folders_of_any_depth_and_without_rights_are_removed(void **state)
{
	auto_arena struct arena a = { 0 };
	auto_fd int at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	struct err e;

	(void)state;
	assert_int_equal(mkdirat(at, "deep", 0700), 0);
	for (int i = 0, fd = openat(at, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC); i < 3000;
		i++) {
		int next;

		assert_int_equal(mkdirat(fd, "d", 0700), 0);
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void)close(fd);
		fd = next;
		if (i == 2999)
			(void)close(fd);
	}
	assert_int_equal(chmod(in(&a, "deep"), 0), 0);
	assert_true(files_remove(in(&a, "deep"), &e));
	assert_int_equal(lstat(in(&a, "deep"), &st), -1);
	assert_true(files_remove(in(&a, "deep"), &e));
}

static void what_a_unit_wrote_is_read_without_following_it(void **state)
{
	auto_arena struct arena a = { 0 };
	size_t n;

	(void)state;
	write_file(in(&a, "record"), "x=1", 0600);
	assert_string_equal(files_read_untrusted(&a, folder, "record", 100, &n), "x=1");
	assert_null(files_read_untrusted(&a, folder, "record", 2, &n));
	assert_int_equal(symlink("/etc/passwd", in(&a, "link")), 0);
	assert_null(files_read_untrusted(&a, folder, "link", 100000, &n));
	assert_int_equal(mkfifo(in(&a, "pipe"), 0600), 0);
	assert_null(files_read_untrusted(&a, folder, "pipe", 100, &n));
	assert_null(files_read_untrusted(&a, folder, "../etc/passwd", 100000, &n));
}

/* ---- health, seccomp ---- */

static void the_listener_of_a_port_is_known(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof sin;
	uid_t uid;
	int port;

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof sin), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	port = ntohs(sin.sin_port);
	assert_false(health_listener(port, &uid));
	assert_false(health_check(port, NULL, false, 0));
	assert_int_equal(listen(fd, 5), 0);
	assert_true(health_listener(port, &uid));
	assert_int_equal(uid, getuid());
	assert_true(health_check(port, NULL, true, getuid()));
	assert_false(health_check(port, NULL, true, getuid() + 1));
	assert_true(health_path_fine("/healthz?x=1") && !health_path_fine("x") &&
		    !health_path_fine("/a b") && !health_path_fine("/\r\nHost: x"));
}

static void the_filter_is_json_that_refuses_by_default(void **state)
{
	auto_buf struct buf b;
	json_auto_t *filter = NULL;

	(void)state;
	buf_init(&b, 1 << 20);
	seccomp_json(&b);
	filter = json_loadb(b.data, b.len, 0, NULL);
	assert_non_null(filter);
	assert_string_equal(
		json_string_value(json_object_get(filter, "defaultAction")), "SCMP_ACT_ERRNO");
	assert_null(strstr(b.data, "\"clone3\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_never_listened_is_finished_with_0),
		cmocka_unit_test(what_never_listened_gives_up_after_five_ends),
		cmocka_unit_test(ends_outside_the_window_do_not_count),
		cmocka_unit_test(a_server_is_started_for_ever),
		cmocka_unit_test(no_is_no_and_a_stop_never_counts),
		cmocka_unit_test_setup_teardown(a_copy_has_files_links_and_holes_and_nothing_else,
			make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(
			a_copy_that_is_too_large_is_refused, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(folders_of_any_depth_and_without_rights_are_removed,
			make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(
			what_a_unit_wrote_is_read_without_following_it, make_folder, drop_folder),
		cmocka_unit_test(the_listener_of_a_port_is_known),
		cmocka_unit_test(the_filter_is_json_that_refuses_by_default),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
