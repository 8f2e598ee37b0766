#include "base/file.h"
#include "unit/sandbox.h"

#include <limits.h>
#include <sys/stat.h>

static bool there(const char *root, const char *file)
{
	char path[PATH_MAX];
	struct stat st;

	(void)snprintf(path, sizeof path, "%s/%s", root, file);
	return stat(path, &st) == 0;
}

/* one hierarchy with all controllers; where there are several (hybrid), v1 has those that count here */
static bool is_v2(const char *root)
{
	return there(root, "cgroup.controllers") && !there(root, "memory");
}

/* 1..10000 of systemd, 100 the default, as cpu.shares, 1024 the default */
static int64_t shares(int64_t weight)
{
	return weight ? MAX(weight * 1024 / 100, (int64_t)2) : 1024;
}

/* on v2 the file is in every folder but the root's; on v1 it is there when swap is counted */
static bool swap_is_counted(const char *root)
{
	struct stat st;

	if (is_v2(root))
		return stat("/proc/swaps", &st) == 0;
	return there(root, "memory/memory.memsw.limit_in_bytes");
}

void sandbox_resources(struct buf *b, const struct unit_options *o, const char *root)
{
	bool v2 = is_v2(root);

	buf_puts(b, ",\"resources\":{\"cpu\":{");
	if (!v2)
		buf_printf(b, "\"shares\":%lld", (long long)shares(o->cpu_weight));
	if (o->cpu_quota_us != UNIT_INFINITY)
		buf_printf(b, "%s\"quota\":%lld,\"period\":100000", v2 ? "" : ",",
			(long long)MAX(o->cpu_quota_us / 10, (int64_t)1000));
	buf_putc(b, '}');
	/* itself: of shares crun makes another number, 39 for 100, and 1 for all below 6 */
	if (v2)
		buf_printf(b, ",\"unified\":{\"cpu.weight\":\"%lld\"}",
			(long long)(o->cpu_weight ? o->cpu_weight : 100));
	if (o->memory_max != UNIT_INFINITY) {
		/* swap counts memory and swap together: the same number is no swap at all */
		buf_printf(b, ",\"memory\":{\"limit\":%lld", (long long)o->memory_max);
		if (swap_is_counted(root))
			buf_printf(b, ",\"swap\":%lld", (long long)o->memory_max);
		buf_putc(b, '}');
	}
	if (o->tasks_max != UNIT_INFINITY)
		/* nap-run -i is one more */
		buf_printf(b, ",\"pids\":{\"limit\":%lld}", (long long)o->tasks_max + 1);
	buf_putc(b, '}');
}
