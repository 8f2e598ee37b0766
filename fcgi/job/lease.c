#include "job/lease.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

#include <errno.h>
#include <signal.h>

/* the start time of a process in ticks since the boot: field 22 of /proc/PID/stat, behind the name in brackets */
static bool start_of(int64_t pid, int64_t *ret)
{
	auto_free char *path = xasprintf("/proc/%lld/stat", (long long)pid);
	auto_arena struct arena a = { 0 };
	struct err e;
	char *text, *at;

	if (!file_read(path, 8192, &a, &text, NULL, &e) || !(at = strrchr(text, ')')))
		return false;
	for (int field = 2; field < 22; field++) {
		at = strchr(at + 1, ' ');
		if (!at)
			return false;
	}
	return parse_slice_i64((struct slice){ at + 1, strcspn(at + 1, " ") }, 0, INT64_MAX, ret);
}

/* "BOOT.NAMESPACE." of this process */
static void here(char *ret, size_t size)
{
	auto_arena struct arena a = { 0 };
	char space[64] = "", *boot;
	struct err e;

	if (!file_read("/proc/sys/kernel/random/boot_id", 64, &a, &boot, NULL, &e))
		boot = arena_strdup(&a, "-");
	boot[strcspn(boot, "-\n")] = '\0';
	if (readlink("/proc/self/ns/pid", space, sizeof space - 1) < 0)
		space[0] = '\0';
	(void)snprintf(ret, size, "%s.%s.", boot, space);
}

void worker_name(char ret[WORKER_NAME_SIZE])
{
	int64_t start = 0;
	char place[80];

	here(place, sizeof place);
	(void)start_of(getpid(), &start);
	(void)snprintf(ret, WORKER_NAME_SIZE, "%s%d.%lld", place, (int)getpid(), (long long)start);
}

bool worker_is_dead(const char *name)
{
	struct slice pid;
	int64_t number, start, now;
	const char *dot;
	char place[80];

	here(place, sizeof place);
	if (!starts_with(name, place))
		return false;
	pid.p = name + strlen(place);
	dot = strchr(pid.p, '.');
	if (!dot)
		return false;
	pid.n = (size_t)(dot - pid.p);
	if (!parse_slice_i64(pid, 1, INT32_MAX, &number) ||
		!parse_i64(dot + 1, 1, INT64_MAX, &start))
		return false;
	if (start_of(number, &now))
		return now != start;
	return kill((pid_t)number, 0) < 0 && errno == ESRCH;
}

/* what this process has seen of running operations: a lease is over when its beat has stood still for 60 s here */
struct beats {
	struct seen {
		int64_t id, attempt, beat, since_ms;
	} seen[256];
	size_t n;
};

#define LEASE_MS 60000

SQL(RUNNING,
	"SELECT id, attempt, beat, coalesce(worker, '') AS worker FROM operation WHERE state = 'running' ORDER BY id LIMIT 256");
SQL(TAKE_BACK,
	"UPDATE operation SET state = 'queued', worker = NULL WHERE id = $1 AND attempt = $2::integer "
	"AND beat = $3 AND state = 'running'");

struct beats *beats_new(void)
{
	return xcalloc(1, sizeof(struct beats));
}

void beats_free(struct beats *b)
{
	free(b);
}

static const struct seen *find_seen(const struct beats *b, int64_t id)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->seen[i].id == id)
			return &b->seen[i];
	return NULL;
}

bool beats_watch(struct beats *b, struct db *db, struct err *e)
{
	auto_result PGresult *r = NULL;
	int64_t now = clock_mono_ms();
	struct beats next = { .n = 0 };

	if (!db_query(db, &r, e, RUNNING))
		return false;
	for (int i = 0; i < db_rows(r); i++) {
		struct seen s = { db_i64(r, i, "id"), db_i64(r, i, "attempt"), db_i64(r, i, "beat"),
			now };
		const struct seen *old = find_seen(b, s.id);

		if (old && old->attempt == s.attempt && old->beat == s.beat)
			s.since_ms = old->since_ms;
		if (now - s.since_ms >= LEASE_MS || worker_is_dead(db_text(r, i, "worker"))) {
			LOG(WARNING, "operation.taken_back", KV("operation", s.id),
				KV("attempt", s.attempt));
			if (!db_exec(
				    db, NULL, e, TAKE_BACK, I64(s.id), I64(s.attempt), I64(s.beat)))
				return false;
		}
		next.seen[next.n++] = s;
	}
	*b = next;
	return true;
}
