#include "agent/usage.h"

#include "agent/history.h"
#include "agent/plan.h"
#include "agent/sample.h"
#include "base/clock.h"

#include <fcntl.h>
#include <sys/stat.h>

#define ANSWER_MAX (64 * 1024 * 1024)

static struct cgroup_usage used(const struct agent_unit *u)
{
	static const struct cgroup_usage unknown = { -1, -1, -1 };

	return u->usage ? u->usage->now : unknown;
}

static void add_number(struct buf *b, const char *key, int64_t value)
{
	if (value >= 0)
		buf_printf(b, ",\"%s\":%lld", key, (long long)value);
}

static void unit_json(struct buf *b, const struct agent_unit *u)
{
	struct cgroup_usage s = used(u);

	buf_puts(b, b->data[b->len - 1] == '[' ? "{\"name\":" : ",{\"name\":");
	put_json(b, u->name);
	add_number(b, "memory_bytes", s.memory_bytes);
	add_number(b, "cpu_usec", s.cpu_usec);
	add_number(b, "pids", s.pids);
	add_number(b, "restarts", u->phase.restarts);
	buf_putc(b, '}');
}

/* as nap-node measured it last */
static void put_disk(const struct agent *ag, struct buf *b)
{
	auto_free char *path = agent_path(ag, "lib/nap/disk", NULL), *text = NULL;
	json_auto_t *apps = json_load_file(path, 0, NULL);

	text = json_is_array(apps) ? json_dumps(apps, JSON_COMPACT) : NULL;
	buf_puts(b, text ? text : "[]");
}

void usage_json(struct agent *ag, struct http_in *in)
{
	auto_buf struct buf b = { 0 };

	buf_init(&b, ANSWER_MAX);
	buf_puts(&b, "{\"units\":[");
	sample_fresh(ag);
	for (size_t i = 0; i < ag->n; i++) {
		if (ag->unit[i]->loaded)
			unit_json(&b, ag->unit[i]);
	}
	buf_puts(&b, "],\"disk\":");
	put_disk(ag, &b);
	buf_puts(&b, "}\n");
	http_reply(in, 200, "application/json", b.data, b.len);
}

void usage_history(struct agent *ag, struct http_in *in)
{
	const char *name = http_query(in, "unit", 0);
	const struct agent_unit *u = name ? agent_find(ag, name) : NULL;
	auto_buf struct buf b = { 0 };

	if (!u || !u->usage) {
		http_reply_error(in, 404,
			u ? "the unit has not run under this agent" : "unit does not exist");
		return;
	}
	buf_init(&b, ANSWER_MAX);
	history_json(&u->usage->history, clock_mono_ms() / 1000, clock_now(), &b);
	buf_putc(&b, '\n');
	http_reply(in, 200, "application/json", b.data, b.len);
}

/* Prometheus wants the samples of a metric together */

static int64_t memory_of(const struct agent_unit *u)
{
	return used(u).memory_bytes;
}

static int64_t cpu_of(const struct agent_unit *u)
{
	return used(u).cpu_usec;
}

static int64_t pids_of(const struct agent_unit *u)
{
	return used(u).pids;
}

static int64_t restarts_of(const struct agent_unit *u)
{
	return u->phase.restarts;
}

static int64_t active_of(const struct agent_unit *u)
{
	return streq(plan_words(u).active, "active");
}

static void metric_line(struct buf *b, const char *name, const struct agent_unit *u, int64_t value)
{
	if (value < 0)
		return;
	/* a unit's name holds no quote and no newline; a backslash it may hold */
	buf_printf(b, "%s{unit=\"", name);
	for (const char *p = u->name; *p; p++)
		buf_printf(b, *p == '\\' ? "\\%c" : "%c", *p);
	buf_printf(b, "\"} %lld\n", (long long)value);
}

void usage_metrics(struct agent *ag, struct http_in *in)
{
	static const struct {
		const char *name, *kind, *help;
		int64_t (*value)(const struct agent_unit *u);
	} metrics[] = {
		{ "nap_unit_active", "gauge", "1 where the unit is active", active_of },
		{ "nap_unit_memory_bytes", "gauge", "memory in use", memory_of },
		{ "nap_unit_cpu_microseconds_total", "counter", "CPU time used", cpu_of },
		{ "nap_unit_pids", "gauge", "processes and threads", pids_of },
		{ "nap_unit_restarts_total", "counter", "restarts since the unit was started",
			restarts_of },
	};
	auto_buf struct buf b = { 0 };

	sample_fresh(ag);
	buf_init(&b, ANSWER_MAX);
	buf_printf(&b,
		"# HELP nap_agent_units units known\n# TYPE nap_agent_units gauge\nnap_agent_units %zu\n",
		ag->n);
	for (size_t i = 0; i < ARRAY_SIZE(metrics); i++) {
		buf_printf(&b, "# HELP %s %s\n# TYPE %s %s\n", metrics[i].name, metrics[i].help,
			metrics[i].name, metrics[i].kind);
		for (size_t k = 0; k < ag->n; k++) {
			if (ag->unit[k]->loaded)
				metric_line(&b, metrics[i].name, ag->unit[k],
					metrics[i].value(ag->unit[k]));
		}
	}
	http_reply(in, 200, "text/plain; version=0.0.4", b.data, b.len);
}

int64_t usage_log_bytes(const struct agent *ag)
{
	auto_free char *logs = agent_path(ag, "log", NULL);
	auto_dir DIR *d = opendir(logs);
	struct dirent *de, *fe;
	int64_t sum = 0;

	while (d && (de = readdir(d))) {
		auto_free char *path = xasprintf("%s/%s", logs, de->d_name);
		auto_dir DIR *f =
			de->d_name[0] == '.' && strlen(de->d_name) < 3 ? NULL : opendir(path);
		struct stat st;

		while (f && (fe = readdir(f))) {
			if (fstatat(dirfd(f), fe->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
				S_ISREG(st.st_mode))
				sum += st.st_size;
		}
	}
	return sum;
}
