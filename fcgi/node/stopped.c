#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "node/files.h"
#include "node/node.h"
#include "node/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

/* what nap-run recorded: its user could have written anything, so each value is checked for its form */
struct record {
	bool ours; /* of this very run */
	char run_id[65], result[16], sha[65];
	int64_t started_us, ended_us, code, sig, bytes; /* -1: none */
	bool listened;
	char reason[200];
	json_t *values; /* what it told of itself; NULL: nothing */
};

static void take_line(struct record *r, const char *key, const char *value)
{
	const struct {
		const char *key;
		int64_t *to;
		int64_t max;
	} numbers[] = { { "started_us", &r->started_us, INT64_MAX },
		{ "ended_us", &r->ended_us, INT64_MAX }, { "exit_code", &r->code, 255 },
		{ "exit_signal", &r->sig, 64 }, { "stdout_bytes", &r->bytes, INT64_MAX } };
	unsigned char hash[32];

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (streq(numbers[i].key, key) &&
			!parse_i64(value, 0, numbers[i].max, numbers[i].to))
			*numbers[i].to = -1;
	if (starts_with(key, "value.") && key[6] && strlen(key) < 80) {
		if (!r->values)
			r->values = json_object();
		if (utf8_valid(value, strlen(value)) && json_object_size(r->values) < 64)
			(void)json_object_set_new(r->values, key + 6, json_string(value));
	} else if (streq(key, "run_id"))
		(void)snprintf(r->run_id, sizeof r->run_id, "%s", value);
	else if (streq(key, "result"))
		(void)snprintf(r->result, sizeof r->result, "%s", value);
	else if (streq(key, "stdout_sha256") && hex_decode(hash, sizeof hash, value))
		(void)snprintf(r->sha, sizeof r->sha, "%s", value);
	else if (streq(key, "listened"))
		r->listened = streq(value, "1");
}

static bool result_known(const char *word)
{
	static const char *const words[] = { "running", "finished", "exit-code", "signal",
		"gave-up", "stopped" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (streq(words[i], word))
			return true;
	return false;
}

static struct record read_record(struct node *n)
{
	struct record r = { .started_us = -1, .ended_us = -1, .code = -1, .sig = -1, .bytes = -1 };
	const char *folder = arena_printf(n->a, "%s/exit", n->dir);
	size_t len = 0;
	char *text = files_read_untrusted(n->a, folder, "record", 65536, &len);
	struct slice rest = { text, len }, line;

	while (text && slice_line(&rest, &line)) {
		char *copy = arena_strndup(n->a, line.p, line.n), *equal = strchr(copy, '=');

		if (!equal)
			continue;
		*equal = '\0';
		take_line(&r, copy, equal + 1);
	}
	r.ours = *n->invocation && streq(r.run_id, n->invocation) && result_known(r.result) &&
		 r.started_us > 0;
	return r;
}

static const char *env(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "";
}

/* SERVICE_RESULT, EXIT_CODE and EXIT_STATUS (systemd.exec(5)) know what nap-run did not live to see */
static void add_what_the_unit_saw(struct record *r)
{
	const char *service = env("SERVICE_RESULT");
	int64_t status;

	if (streq(service, "disk")) {
		(void)fprintf(stderr, "nap: ended: %s\n", env("NAP_REASON"));
		(void)snprintf(r->result, sizeof r->result, "disk");
		(void)snprintf(r->reason, sizeof r->reason, "%s", env("NAP_REASON"));
	} else if (streq(service, "oom-kill")) {
		(void)fprintf(stderr, "nap: killed: it used more memory than it is allowed\n");
		if (!streq(r->result, "gave-up"))
			(void)snprintf(r->result, sizeof r->result, "oom-kill");
	} else if (streq(service, "timeout")) {
		(void)snprintf(r->result, sizeof r->result, "timeout");
	}
	if (r->ours && !streq(r->result, "running") && r->ended_us > 0)
		return;
	r->ended_us = clock_now_us();
	if (r->started_us < 0)
		r->started_us = r->ended_us;
	if (r->code < 0 && r->sig < 0) {
		if (streq(env("EXIT_CODE"), "exited") &&
			parse_i64(env("EXIT_STATUS"), 0, 255, &status))
			r->code = status;
		else if (*env("EXIT_CODE"))
			for (int i = 1; i < 32; i++)
				if (sigabbrev_np(i) && streq(sigabbrev_np(i), env("EXIT_STATUS")))
					r->sig = i;
	}
	if (streq(r->result, "oom-kill") || streq(r->result, "timeout") || streq(r->result, "disk"))
		return;
	(void)snprintf(r->result, sizeof r->result, "%s",
		streq(service, "success") ? "stopped"
		: r->sig > 0		  ? "signal"
					  : "exit-code");
}

/*
 * nap-run counts the ends it sees; one that it did not survive is added here, beside its user's own file and renamed
 * over it, so that nothing of that user's is ever opened for writing.
 */
static void count_end(struct node *n, int64_t ended_us)
{
	const char *folder = arena_printf(n->a, "%s/exit", n->dir);
	auto_fd int at = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_fd int fd = -1;
	size_t len = 0;
	char *before = files_read_untrusted(n->a, folder, "ends", POLICY_MAX_ENDS * 24, &len);
	const char *text = arena_printf(
		n->a, "%.*s%lld\n", (int)len, before ? before : "", (long long)ended_us);

	if (at < 0)
		return;
	(void)unlinkat(at, "ends.node", 0);
	fd = openat(at, "ends.node", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
		(n->has_uid && fchown(fd, n->uid, n->uid) < 0) ||
		(!n->has_uid && fchmod(fd, 0666) < 0) || renameat(at, "ends.node", at, "ends") < 0)
		(void)unlinkat(at, "ends.node", 0);
}

static void put_number(struct buf *b, const char *key, int64_t value)
{
	buf_printf(b, ",\"%s\":", key);
	if (value < 0)
		buf_puts(b, "null");
	else
		buf_i64(b, value);
}

static void report(struct node *n, const struct record *r)
{
	auto_buf struct buf b;

	buf_init(&b, 65536);
	buf_puts(&b, "{\"run_id\":");
	buf_json(&b, n->invocation, strlen(n->invocation));
	put_number(&b, "started_us", r->started_us);
	put_number(&b, "ended_us", r->ended_us);
	put_number(&b, "exit_code", r->code);
	put_number(&b, "exit_signal", r->sig > 0 ? r->sig : -1);
	buf_puts(&b, ",\"result\":");
	buf_json(&b, r->result, strlen(r->result));
	put_number(&b, "stdout_bytes", r->bytes);
	buf_puts(&b, ",\"stdout_sha256\":");
	if (*r->sha)
		buf_json(&b, r->sha, strlen(r->sha));
	else
		buf_puts(&b, "null");
	buf_printf(&b, ",\"listened\":%s", r->listened ? "true" : "false");
	if (*r->reason) {
		buf_puts(&b, ",\"reason\":");
		buf_json(&b, r->reason, strlen(r->reason));
	}
	if (r->values) {
		char *text = json_dumps(r->values, JSON_COMPACT);

		buf_printf(&b, ",\"values\":%s", text ? text : "{}");
		free(text);
	}
	buf_putc(&b, '}');
	node_report(n, b.data);
}

static json_t *kept_unit(struct node *n)
{
	const char *path = arena_printf(n->a, "%s/unit.json", n->dir);

	return json_load_file(path, 0, NULL);
}

/* A build that went well leaves its folder as a tree; one whose result cannot be kept did not go well. */
static void keep_result(struct node *n, struct record *r)
{
	json_t *unit = kept_unit(n);
	const char *kind = json_string_value(json_object_get(unit, "kind"));
	const char *tree = json_string_value(json_object_get(unit, "tree"));
	const char *result = json_string_value(json_object_get(unit, "result_tree"));
	struct err e = { 0 };

	if (kind && result && streq(kind, "build") && streq(r->result, "finished") &&
		r->code == 0 &&
		(!node_view_again(n, tree && *tree ? tree : NULL, &e) ||
			!node_publish(n, result, &e))) {
		(void)fprintf(stderr, "nap: could not keep the build's result: %s\n", e.msg);
		(void)snprintf(r->result, sizeof r->result, "exit-code");
		r->code = 1;
	}
	json_decref(unit);
}

int node_stopped(struct node *n)
{
	const char *alive = arena_printf(n->a, "%s/alive", n->dir);
	struct record r = read_record(n);
	bool prepared = access(alive, F_OK) == 0, lived;
	struct err e = { 0 };

	/* its sidekick looks at this file */
	(void)unlink(alive);
	if (!prepared) {
		json_decref(r.values);
		node_flush(n);
		return 0; /* it never came to run: the start failed, and said so */
	}
	lived = r.ours && !streq(r.result, "running");
	if (!r.ours) {
		json_decref(r.values);
		r = (struct record){
			.started_us = -1, .ended_us = -1, .code = -1, .sig = -1, .bytes = -1
		};
	}
	add_what_the_unit_saw(&r);
	if (!lived && !streq(r.result, "stopped"))
		count_end(n, r.ended_us);
	keep_result(n, &r);
	node_view_drop(n);
	/* it holds the environment, secrets among it */
	if (!files_remove(n->self, &e))
		(void)die(&e);
	report(n, &r);
	json_decref(r.values);
	return 0;
}
