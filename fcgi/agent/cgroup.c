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

static int64_t number_in(const char *hierarchy, int block, const char *unit, const char *file)
{
	auto_free char *path = path_in(hierarchy, block, unit, file);
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[64];
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
	int64_t value;

	if (n <= 0)
		return -1;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return parse_i64(text, 0, INT64_MAX, &value) ? value : -1;
}

static int64_t first_of(const char *const *places, int block, const char *unit)
{
	for (; *places; places += 2) {
		int64_t v = number_in(places[0], block, unit, places[1]);

		if (v >= 0)
			return v;
	}
	return -1;
}

/* v2's cpu.stat begins with "usage_usec N" */
static int64_t cpu_v2(const char *hierarchy, int block, const char *unit)
{
	auto_free char *path = path_in(hierarchy, block, unit, "cpu.stat");
	auto_file FILE *f = fopen(path, "re");
	long long usec;

	return f && fscanf(f, "usage_usec %lld", &usec) == 1 ? usec : -1;
}

void cgroup_usage(int block, const char *unit, struct cgroup_usage *ret)
{
	static const char *const memory[] = { "memory", "memory.usage_in_bytes", "",
		"memory.current", "unified", "memory.current", NULL };
	static const char *const cpu[] = { "cpuacct", "cpuacct.usage", "cpu,cpuacct",
		"cpuacct.usage", NULL };
	static const char *const pids[] = { "pids", "pids.current", "", "pids.current", "unified",
		"pids.current", NULL };
	int64_t ns = first_of(cpu, block, unit);

	ret->memory_bytes = first_of(memory, block, unit);
	ret->pids = first_of(pids, block, unit);
	ret->cpu_usec = ns >= 0 ? ns / 1000 : cpu_v2("", block, unit);
	if (ret->cpu_usec < 0)
		ret->cpu_usec = cpu_v2("unified", block, unit);
}
