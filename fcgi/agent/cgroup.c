#include "agent/cgroup.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

/* The folders of /sys/fs/cgroup where a hierarchy is mounted; "" is a pure v2. Read once: mounts do not come and go. */
static const char *const HIERARCHIES[] = { "", "unified", "memory", "cpu", "cpuacct", "cpu,cpuacct",
	"pids", "cpuset", "freezer", "devices", "blkio", "net_cls", "perf_event", "hugetlb",
	"systemd" };

static char *path_in(const char *hierarchy, int block, const char *unit, const char *file)
{
	return xasprintf("/sys/fs/cgroup%s%s/nap-%d/%s%s%s", *hierarchy ? "/" : "", hierarchy,
		block, unit, *file ? "/" : "", file);
}

static bool kill_procs(const char *dir)
{
	auto_free char *path = xasprintf("%s/cgroup.procs", dir);
	auto_file FILE *f = fopen(path, "re");
	bool none = true;
	int pid;

	while (f && fscanf(f, "%d", &pid) == 1) {
		/* 0: a process that this pid namespace does not see */
		if (pid > 0)
			(void)kill(pid, SIGKILL);
		none = false;
	}
	return none;
}

/* the folder and those below: a program may make cgroups of its own where it can */
static bool kill_below(const char *dir, int depth)
{
	auto_dir DIR *d = opendir(dir);
	struct dirent *de;
	bool none = true;

	if (!d)
		return true;
	none = kill_procs(dir);
	while (depth && (de = readdir(d))) {
		auto_free char *sub = NULL;

		if (de->d_type != DT_DIR || de->d_name[0] == '.')
			continue;
		sub = xasprintf("%s/%s", dir, de->d_name);
		none = kill_below(sub, depth - 1) && none;
	}
	return none;
}

bool cgroup_kill(int block, const char *unit)
{
	bool none = true;

	for (size_t i = 0; i < ARRAY_SIZE(HIERARCHIES); i++) {
		auto_free char *dir = path_in(HIERARCHIES[i], block, unit, "");

		none = kill_below(dir, 4) && none;
	}
	return none;
}

static void remove_below(const char *dir, int depth)
{
	auto_dir DIR *d = opendir(dir);
	struct dirent *de;

	while (d && depth && (de = readdir(d))) {
		auto_free char *sub = NULL;

		if (de->d_type != DT_DIR || de->d_name[0] == '.')
			continue;
		sub = xasprintf("%s/%s", dir, de->d_name);
		remove_below(sub, depth - 1);
	}
	(void)rmdir(dir);
}

void cgroup_remove(int block, const char *unit)
{
	for (size_t i = 0; i < ARRAY_SIZE(HIERARCHIES); i++) {
		auto_free char *dir = path_in(HIERARCHIES[i], block, unit, "");

		remove_below(dir, 4);
	}
}

/* where a number stands; the first place that is there counts. v2's cpu.stat begins with "usage_usec N". */
struct place {
	const char *hierarchy, *file;
	int64_t divide;
};

static const struct place MEMORY[] = { { "memory", "memory.usage_in_bytes", 1 },
	{ "", "memory.current", 1 }, { "unified", "memory.current", 1 }, { 0 } };
static const struct place CPU[] = { { "cpuacct", "cpuacct.usage", 1000 },
	{ "cpu,cpuacct", "cpuacct.usage", 1000 }, { "", "cpu.stat", 1 },
	{ "unified", "cpu.stat", 1 }, { 0 } };
static const struct place PIDS[] = { { "pids", "pids.current", 1 }, { "", "pids.current", 1 },
	{ "unified", "pids.current", 1 }, { 0 } };

static void number_open(struct cgroup_number *n, const struct place *p, int block, const char *unit)
{
	for (; n->fd < 0 && p->hierarchy; p++) {
		auto_free char *path = path_in(p->hierarchy, block, unit, p->file);

		n->fd = open(path, O_RDONLY | O_CLOEXEC);
		n->divide = p->divide;
	}
}

static int64_t number_read(const struct cgroup_number *n)
{
	char text[64];
	ssize_t got = n->fd >= 0 ? pread(n->fd, text, sizeof text - 1, 0) : -1;
	const char *at = text;
	int64_t value;

	if (got <= 0)
		return -1;
	text[got] = '\0';
	if (starts_with(at, "usage_usec "))
		at += strlen("usage_usec ");
	text[at - text + (ptrdiff_t)strcspn(at, "\n")] = '\0';
	return parse_i64(at, 0, INT64_MAX, &value) ? value / n->divide : -1;
}

void cgroup_files_open(struct cgroup_files *f, int block, const char *unit)
{
	number_open(&f->memory, MEMORY, block, unit);
	if (f->memory.fd < 0)
		return;
	number_open(&f->cpu, CPU, block, unit);
	number_open(&f->pids, PIDS, block, unit);
}

void cgroup_files_close(struct cgroup_files *f)
{
	struct cgroup_number *const all[] = { &f->memory, &f->cpu, &f->pids };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (all[i]->fd >= 0)
			(void)close(all[i]->fd);
		all[i]->fd = -1;
	}
}

void cgroup_files_read(const struct cgroup_files *f, struct cgroup_usage *ret)
{
	ret->memory_bytes = number_read(&f->memory);
	ret->cpu_usec = number_read(&f->cpu);
}

int64_t cgroup_files_pids(const struct cgroup_files *f)
{
	return number_read(&f->pids);
}
