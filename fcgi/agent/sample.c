#include "agent/sample.h"

#include "base/clock.h"
#include "base/text.h"

#include <fcntl.h>
#include <sys/resource.h>

#define EVERY_MS     1000
#define REST_FACTOR  200
#define FRESH_MS     200
#define CGROUP_TRIES 5 /* a container is made a moment after its program was started */

static void close_files(struct agent_usage *s)
{
	cgroup_files_close(&s->files);
	if (s->stat >= 0)
		(void)close(s->stat);
	s->stat = -1;
}

void sample_drop(struct agent_unit *u)
{
	if (!u->usage)
		return;
	close_files(u->usage);
	free(u->usage);
	u->usage = NULL;
}

/* One process, of /proc/PID/stat: its threads, its memory, its time and that of its children that have ended */
struct process {
	pid_t pid, parent;
	bool helper; /* a nap-unit */
	int64_t threads, memory_bytes, cpu_usec;
};

static bool process_read(int fd, struct process *ret)
{
	char text[1024];
	ssize_t n = fd >= 0 ? pread(fd, text, sizeof text - 1, 0) : -1;
	unsigned long long utime, stime;
	long long cutime, cstime, threads, rss;
	char *end;
	int pid, parent;

	if (n <= 0)
		return false;
	text[n] = '\0';
	end = strrchr(text, ')');
	if (!end ||
		sscanf(end + 1,
			" %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %lld %lld %*d %*d %lld "
			"%*d %*u %*u %lld",
			&parent, &utime, &stime, &cutime, &cstime, &threads, &rss) != 7 ||
		sscanf(text, "%d", &pid) != 1)
		return false;
	*end = '\0';
	*ret = (struct process){ pid, parent, strstr(text, "(nap-unit") != NULL, threads,
		rss * sysconf(_SC_PAGESIZE),
		(int64_t)(utime + stime + (unsigned long long)(cutime + cstime)) * 1000000 /
			sysconf(_SC_CLK_TCK) };
	return true;
}

static int process_open(pid_t pid)
{
	char path[64];

	(void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* ---- those without a cgroup: the trees below their helpers ---- */

struct processes {
	struct process *v;
	size_t n, size;
};

static int compare_processes(const void *a, const void *b)
{
	pid_t x = ((const struct process *)a)->pid, y = ((const struct process *)b)->pid;

	return x < y ? -1 : x > y;
}

static void processes_read(struct processes *p)
{
	auto_dir DIR *d = opendir("/proc");
	struct dirent *de;

	while (d && (de = readdir(d))) {
		auto_fd int fd = -1;
		int64_t pid;

		if (!parse_i64(de->d_name, 1, INT32_MAX, &pid))
			continue;
		if (p->n == p->size) {
			p->size = MAX(p->size * 2, (size_t)256);
			p->v = xrealloc_array(p->v, p->size, sizeof *p->v);
		}
		fd = process_open((pid_t)pid);
		if (process_read(fd, &p->v[p->n]))
			p->n++;
	}
	qsort(p->v, p->n, sizeof *p->v, compare_processes);
}

static const struct process *process_of(const struct processes *p, pid_t pid)
{
	struct process key = { .pid = pid };

	return p->n ? bsearch(&key, p->v, p->n, sizeof *p->v, compare_processes) : NULL;
}

/* the top of a unit's tree, by pid */
struct top {
	pid_t pid;
	bool helper; /* not the unit's own: only what is below it counts */
	struct agent_unit *unit;
};

static int compare_tops(const void *a, const void *b)
{
	pid_t x = ((const struct top *)a)->pid, y = ((const struct top *)b)->pid;

	return x < y ? -1 : x > y;
}

static void add_up(struct agent_unit *u, const struct process *p)
{
	struct cgroup_usage *s = &u->usage->now;

	s->memory_bytes = MAX(s->memory_bytes, (int64_t)0) + p->memory_bytes;
	s->cpu_usec = MAX(s->cpu_usec, (int64_t)0) + p->cpu_usec;
	s->pids = MAX(s->pids, (int64_t)0) + p->threads;
}

static void belongs_to(
	const struct processes *all, const struct process *p, const struct top *tops, size_t n)
{
	const struct process *at = p;

	/* a list that was read while processes came and went may hold a circle */
	for (int depth = 0; at && depth < 64; depth++) {
		struct top key = { .pid = at->pid };
		const struct top *t = bsearch(&key, tops, n, sizeof *tops, compare_tops);

		if (t) {
			if (!t->helper || at != p)
				add_up(t->unit, p);
			return;
		}
		at = process_of(all, at->parent);
	}
}

static void read_trees(struct agent_unit *const *units, size_t n)
{
	auto_free struct top *tops = xcalloc(n + 1, sizeof *tops);
	struct processes all = { 0 };

	processes_read(&all);
	for (size_t i = 0; i < n; i++) {
		pid_t pid = units[i]->phase.pid;
		const struct process *p = process_of(&all, pid),
				     *parent = p ? process_of(&all, p->parent) : NULL;
		bool helper = parent && parent->helper;

		tops[i] = (struct top){ helper ? parent->pid : pid, helper, units[i] };
	}
	qsort(tops, n, sizeof *tops, compare_tops);
	for (size_t i = 0; i < all.n; i++)
		belongs_to(&all, &all.v[i], tops, n);
	free(all.v);
}

/* ---- all of them ---- */

static bool runs(const struct agent_unit *u)
{
	return u->loaded && u->control >= 0 && u->phase.pid > 0;
}

static struct agent_usage *usage_new(void)
{
	struct agent_usage *s = xcalloc(1, sizeof *s);

	s->files = (struct cgroup_files)CGROUP_FILES_NONE;
	s->stat = -1;
	s->cpu_seen = -1;
	history_init(&s->history);
	return s;
}

static bool read_cgroup(struct agent *ag, struct agent_unit *u)
{
	struct agent_usage *s = u->usage;

	if (s->files.memory.fd < 0 && (s->in_cgroup || s->tries < CGROUP_TRIES)) {
		s->tries++;
		cgroup_files_open(&s->files, ag->cfg.block_port, u->folder);
	}
	if (s->files.memory.fd < 0)
		return false;
	s->in_cgroup = true;
	cgroup_files_read(&s->files, &s->now);
	if (s->now.memory_bytes < 0)
		cgroup_files_close(
			&s->files); /* it is gone, and another one comes with another process */
	return true;
}

/* a sidekick: nap-unit became its program */
static void read_alone(struct agent_usage *s)
{
	struct process p;

	if (s->tries < CGROUP_TRIES)
		return;
	if (s->stat < 0)
		s->stat = process_open(s->pid);
	if (process_read(s->stat, &p))
		s->now = (struct cgroup_usage){ p.memory_bytes, p.cpu_usec, p.threads };
}

/* false: its processes must be looked for */
static bool read_unit(struct agent *ag, struct agent_unit *u)
{
	struct agent_usage *s = u->usage;

	s->now = (struct cgroup_usage){ -1, -1, -1 };
	if (s->pid != u->phase.pid) {
		close_files(s);
		s->tries = 0;
		s->in_cgroup = false;
		s->pid = u->phase.pid;
		s->cpu_seen = s->cpu_seen < 0 ? -1 : 0; /* another run counts from nothing */
	}
	if (!runs(u))
		return true;
	if (!streq(ag->cfg.isolation, "crun"))
		return false;
	if (!read_cgroup(ag, u))
		read_alone(s);
	return true;
}

/* as many as half of what may be open */
static size_t most_kept(void)
{
	struct rlimit files;

	return getrlimit(RLIMIT_NOFILE, &files) < 0
		       ? 256
		       : (size_t)MIN(files.rlim_cur, (rlim_t)1 << 20) / 2;
}

static void read_all(struct agent *ag)
{
	auto_free struct agent_unit **search = xcalloc(ag->n + 1, sizeof *search);
	size_t n = 0, kept = 0, most = most_kept();

	for (size_t i = 0; i < ag->n; i++) {
		struct agent_unit *u = ag->unit[i];

		if (!u->usage && runs(u))
			u->usage = usage_new();
		if (!u->usage)
			continue;
		if (!read_unit(ag, u))
			search[n++] = u;
		kept += u->usage->files.memory.fd >= 0 ? 4 : u->usage->stat >= 0 ? 2 : 0;
		if (kept > most)
			close_files(u->usage);
	}
	if (n)
		read_trees(search, n);
	ag->sampled_at = clock_mono_ms();
}

static void remember(struct agent_unit *u, int64_t second)
{
	struct agent_usage *s = u->usage;
	int64_t cpu = -1;

	if (s->now.cpu_usec >= 0 && s->cpu_seen >= 0)
		cpu = MAX(s->now.cpu_usec - s->cpu_seen, (int64_t)0);
	if (history_add(&s->history, second, s->now.memory_bytes, cpu) && s->now.cpu_usec >= 0)
		s->cpu_seen = s->now.cpu_usec;
}

int sample_tick(struct agent *ag)
{
	int64_t now = clock_mono_ms(), took;
	bool any = false;

	if (now < ag->sample_due)
		return (int)(ag->sample_due - now);
	read_all(ag);
	for (size_t i = 0; i < ag->n; i++) {
		if (!ag->unit[i]->usage)
			continue;
		remember(ag->unit[i], now / 1000);
		any = any || runs(ag->unit[i]);
	}
	took = clock_mono_ms() - now;
	/* at the beginning of a second */
	ag->sample_due = (now + MAX(took * REST_FACTOR, (int64_t)EVERY_MS)) / 1000 * 1000 + 10;
	return any ? (int)(ag->sample_due - now) : -1;
}

void sample_fresh(struct agent *ag)
{
	if (clock_mono_ms() - ag->sampled_at >= FRESH_MS)
		read_all(ag);
	for (size_t i = 0; i < ag->n; i++) {
		struct agent_usage *s = ag->unit[i]->usage;

		if (s && s->files.pids.fd >= 0)
			s->now.pids = cgroup_files_pids(&s->files);
	}
}
