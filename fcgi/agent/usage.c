#include "agent/usage.h"

#include "agent/cgroup.h"
#include "agent/plan.h"

#include <fcntl.h>
#include <sys/stat.h>

#define ANSWER_MAX (64 * 1024 * 1024)

/* what /proc says of one uid's processes */
struct by_uid {
	uid_t uid;
	struct cgroup_usage sum;
};

static int compare_uids(const void *a, const void *b)
{
	uid_t x = ((const struct by_uid *)a)->uid, y = ((const struct by_uid *)b)->uid;

	return x < y ? -1 : x > y;
}

/* resident pages and time of one process */
static void add_process(const char *pid, struct cgroup_usage *sum)
{
	auto_free char *path = xasprintf("/proc/%s/stat", pid);
	auto_file FILE *f = fopen(path, "re");
	char text[1024];
	const char *p;
	unsigned long long utime, stime;
	long long rss;

	if (!f || !fgets(text, sizeof text, f) || !(p = strrchr(text, ')')))
		return;
	if (sscanf(p + 1,
		    " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d "
		    "%*d %*u %*u %lld",
		    &utime, &stime, &rss) != 3)
		return;
	sum->pids++;
	sum->memory_bytes += rss * sysconf(_SC_PAGESIZE);
	sum->cpu_usec +=
		(int64_t)((utime + stime) * 1000000 / (unsigned long long)sysconf(_SC_CLK_TCK));
}

static void read_proc(struct by_uid *list, size_t n)
{
	auto_dir DIR *d = opendir("/proc");
	struct dirent *de;

	while (d && (de = readdir(d))) {
		struct by_uid key, *found;
		struct stat st;

		if (de->d_name[0] < '1' || de->d_name[0] > '9' ||
			fstatat(dirfd(d), de->d_name, &st, 0) < 0)
			continue;
		key.uid = st.st_uid;
		found = bsearch(&key, list, n, sizeof *list, compare_uids);
		if (found)
			add_process(de->d_name, &found->sum);
	}
}

static void each_usage(struct agent *ag,
	void (*fn)(void *ctx, const struct agent_unit *u, const struct cgroup_usage *s), void *ctx)
{
	auto_free struct by_uid *list = xcalloc(ag->n + 1, sizeof *list);
	auto_free struct cgroup_usage *of = xcalloc(ag->n + 1, sizeof *of);
	size_t n = 0;

	for (size_t i = 0; i < ag->n; i++) {
		const struct agent_unit *u = ag->unit[i];

		of[i] = (struct cgroup_usage){ -1, -1, -1 };
		if (!u->loaded)
			continue;
		cgroup_usage(ag->cfg.block_port, u->folder, &of[i]);
		if (of[i].memory_bytes < 0 && u->control >= 0 && geteuid() == 0)
			list[n++].uid = u->uid;
	}
	qsort(list, n, sizeof *list, compare_uids);
	if (n)
		read_proc(list, n);
	for (size_t i = 0; i < ag->n; i++) {
		struct by_uid key = { .uid = ag->unit[i]->uid }, *found = NULL;

		if (!ag->unit[i]->loaded)
			continue;
		if (of[i].memory_bytes < 0 && n)
			found = bsearch(&key, list, n, sizeof *list, compare_uids);
		fn(ctx, ag->unit[i], found ? &found->sum : &of[i]);
	}
}

static void add_number(struct buf *b, const char *key, int64_t value)
{
	if (value >= 0)
		buf_printf(b, ",\"%s\":%lld", key, (long long)value);
}

static void unit_json(void *ctx, const struct agent_unit *u, const struct cgroup_usage *s)
{
	struct buf *b = ctx;

	buf_puts(b, b->data[b->len - 1] == '[' ? "{\"name\":" : ",{\"name\":");
	put_json(b, u->name);
	add_number(b, "memory_bytes", s->memory_bytes);
	add_number(b, "cpu_usec", s->cpu_usec);
	add_number(b, "pids", s->pids);
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
	each_usage(ag, unit_json, &b);
	buf_puts(&b, "],\"disk\":");
	put_disk(ag, &b);
	buf_puts(&b, "}\n");
	http_reply(in, 200, "application/json", b.data, b.len);
}

/* Prometheus wants the samples of a metric together */
struct metric {
	struct buf *b;
	const char *name;
	int64_t (*value)(const struct agent_unit *u, const struct cgroup_usage *s);
};

static int64_t memory_of(const struct agent_unit *u, const struct cgroup_usage *s)
{
	(void)u;
	return s->memory_bytes;
}

static int64_t cpu_of(const struct agent_unit *u, const struct cgroup_usage *s)
{
	(void)u;
	return s->cpu_usec;
}

static int64_t pids_of(const struct agent_unit *u, const struct cgroup_usage *s)
{
	(void)u;
	return s->pids;
}

static int64_t restarts_of(const struct agent_unit *u, const struct cgroup_usage *s)
{
	(void)s;
	return u->phase.restarts;
}

static int64_t active_of(const struct agent_unit *u, const struct cgroup_usage *s)
{
	(void)s;
	return streq(plan_words(u).active, "active");
}

static void sample(void *ctx, const struct agent_unit *u, const struct cgroup_usage *s)
{
	const struct metric *m = ctx;
	int64_t value = m->value(u, s);

	if (value < 0)
		return;
	/* a unit's name holds no quote and no newline; a backslash it may hold */
	buf_printf(m->b, "%s{unit=\"", m->name);
	for (const char *p = u->name; *p; p++)
		buf_printf(m->b, *p == '\\' ? "\\%c" : "%c", *p);
	buf_printf(m->b, "\"} %lld\n", (long long)value);
}

void usage_metrics(struct agent *ag, struct http_in *in)
{
	static const struct {
		const char *name, *kind, *help;
		int64_t (*value)(const struct agent_unit *u, const struct cgroup_usage *s);
	} metrics[] = {
		{ "nap_unit_active", "gauge", "1 where the unit is active", active_of },
		{ "nap_unit_memory_bytes", "gauge", "memory in use", memory_of },
		{ "nap_unit_cpu_microseconds_total", "counter", "CPU time used", cpu_of },
		{ "nap_unit_pids", "gauge", "processes and threads", pids_of },
		{ "nap_unit_restarts_total", "counter", "restarts since the unit was started",
			restarts_of },
	};
	auto_buf struct buf b = { 0 };

	buf_init(&b, ANSWER_MAX);
	buf_printf(&b,
		"# HELP nap_agent_units units known\n# TYPE nap_agent_units gauge\nnap_agent_units %zu\n",
		ag->n);
	for (size_t i = 0; i < ARRAY_SIZE(metrics); i++) {
		struct metric m = { &b, metrics[i].name, metrics[i].value };

		buf_printf(&b, "# HELP %s %s\n# TYPE %s %s\n", m.name, metrics[i].help, m.name,
			metrics[i].kind);
		each_usage(ag, sample, &m);
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
