#include "agent/disk.h"

#include "agent/kept.h"
#include "agent/super.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define MEASURE_MS    60000 /* in any case */
#define FIRST_MS      2000  /* after a start, so that there is something to compare with */
#define WRITTEN_BYTES (INT64_C(32) << 20)
#define WRITTEN_FILES 8192
#define FLOOD_BYTES   (INT64_C(1) << 20) /* since the look before: look again soon */
#define FLOOD_TICK_MS 50
#define ROOM_MIN      (INT64_C(8) << 20) /* less room than this is waited for */
#define GROWN_BYTES   (INT64_C(4) << 20) /* less is no growth that fills a disk */
#define REST_FACTOR   10
#define HURRY_FACTOR  4
#define REST_MAX_MS   60000
#define ANSWER_MAX    (16 * 1024 * 1024)

static bool free_space(const struct agent *ag, struct agent_disk *ret)
{
	auto_free char *home = agent_path(ag, "lib/nap", NULL);
	struct statvfs s;

	if (statvfs(home, &s) < 0)
		return false;
	ret->free_bytes = (int64_t)s.f_bavail * (int64_t)s.f_frsize;
	ret->free_files = s.f_files ? (int64_t)s.f_favail : INT64_MAX;
	/* a twentieth of the inodes is the floor of these */
	ret->few_files = s.f_files && s.f_favail < s.f_files / 20;
	return true;
}

static bool is_watched(const struct agent_unit *u)
{
	return u->loaded && u->control >= 0 && !u->stopping && streq(u->phase.phase, "running");
}

static size_t watched(const struct agent *ag)
{
	size_t n = 0;

	for (size_t i = 0; i < ag->n; i++)
		n += is_watched(ag->unit[i]);
	return n;
}

static void measure(struct agent *ag, const struct agent_disk *now)
{
	auto_free char *root = agent_path(ag, "root", NULL);
	const char *const words[] = { "watch", root, NULL };
	struct agent_disk *d = &ag->disk;

	d->answer = memfd_create("nap-watch", MFD_CLOEXEC);
	d->started_ms = clock_mono_ms();
	d->free_bytes = now->free_bytes;
	d->free_files = now->free_files;
	d->pid = d->answer >= 0 ? kept_helper(ag, words, d->answer) : 0;
	if (d->pid > 0)
		return;
	if (d->answer >= 0)
		(void)close(d->answer);
	d->answer = -1;
	d->rest_until = d->hurry_until = d->started_ms + REST_MAX_MS;
}

static char *over_path(const struct agent *ag, const struct agent_unit *u)
{
	auto_free char *more = xasprintf("%s/over", u->folder);

	return agent_path(ag, "unit", more);
}

static void kill_unit(struct agent *ag, struct agent_unit *u)
{
	bool gone;

	super_sweep(ag, &u, 1, &gone);
	/* no cgroup and no user of its own: with its first process the sandbox ends */
	if (u->phase.pid > 1)
		(void)kill(u->phase.pid, SIGKILL);
}

/* "over" first: nap-unit's finish looks for it, and does not start the unit again */
static void end_unit(struct agent *ag, struct agent_unit *u, const char *reason)
{
	auto_free char *path = over_path(ag, u);
	struct err e = { 0 };

	LOG(WARNING, "agent.disk", KV("unit", u->name), KV("why", reason));
	if (!file_replace(path, reason, strlen(reason), 0600, &e))
		LOG(WARNING, "agent.disk", KV("unit", u->name), KV("why", e.msg));
	kill_unit(ag, u);
}

/* What an agent before had decided to end, and did not live to: the word is given, and must not be told of a later end. */
static void resume(struct agent *ag)
{
	for (size_t i = 0; i < ag->n; i++) {
		auto_free char *path = over_path(ag, ag->unit[i]);

		if (!is_watched(ag->unit[i]) || access(path, F_OK) < 0)
			continue;
		LOG(WARNING, "agent.disk", KV("unit", ag->unit[i]->name),
			KV("why", "an agent before had begun to end it"));
		kill_unit(ag, ag->unit[i]);
	}
	ag->disk.resumed = true;
}

/* somebody may have more than it may by now: so much was written, whoever wrote it */
static bool hurries(const struct agent *ag, int64_t written)
{
	const struct agent_disk *d = &ag->disk;
	int64_t room = d->units == watched(ag) ? MAX(d->room, ROOM_MIN) : WRITTEN_BYTES;

	return written >= room;
}

static bool is_due(const struct agent *ag, const struct agent_disk *now, int64_t at)
{
	const struct agent_disk *d = &ag->disk;

	return now->free_bytes <= d->free_bytes - WRITTEN_BYTES ||
	       now->free_files <= d->free_files - WRITTEN_FILES || now->few_files ||
	       (d->floor && now->free_bytes < d->floor) || at >= d->started_ms + MEASURE_MS ||
	       (d->units != watched(ag) && at >= d->started_ms + FIRST_MS);
}

int disk_tick(struct agent *ag)
{
	struct agent_disk *d = &ag->disk, now = { 0 };
	int64_t at = clock_mono_ms();
	bool flood, hurry;

	if (!d->resumed)
		resume(ag);
	if (d->pid > 0 || !watched(ag))
		return -1;
	if (at < d->next_ms)
		return (int)(d->next_ms - at);
	if (!free_space(ag, &now))
		return -1;
	flood = d->seen_bytes - now.free_bytes >= FLOOD_BYTES;
	d->seen_bytes = now.free_bytes;
	d->next_ms = at + (flood ? FLOOD_TICK_MS : DISK_TICK_MS);
	if (d->free_bytes < now.free_bytes)
		d->free_bytes = now.free_bytes;
	if (d->free_files < now.free_files)
		d->free_files = now.free_files;
	hurry = hurries(ag, d->free_bytes - now.free_bytes);
	if (at >= (hurry ? d->hurry_until : d->rest_until) && (hurry || is_due(ag, &now, at)))
		measure(ag, &now);
	return (int)(d->next_ms - at);
}

struct measured {
	struct agent_unit *unit;
	int64_t bytes, limit, floor, grown;
};

/* of the very run that goes on now */
static bool is_this_run(const struct agent *ag, const struct agent_unit *u, const char *id)
{
	auto_arena struct arena a = { 0 };
	auto_free char *more = xasprintf("%s/invocation", u->folder),
		       *path = agent_path(ag, "unit", more);
	struct err ignored;
	char *text;

	return file_read(path, 128, &a, &text, NULL, &ignored) &&
	       strncmp(text, id, strlen(id)) == 0;
}

static bool read_line(struct agent *ag, struct slice line, struct measured *ret)
{
	auto_free char *text = xstrndup(line.p, line.n);
	char name[512], id[65];
	long long bytes, limit, floor;
	struct agent_unit *u;

	if (sscanf(text, "%511s %64s %lld %lld %lld", name, id, &bytes, &limit, &floor) != 5)
		return false;
	u = agent_find(ag, name);
	if (!u || !is_watched(u) || !is_this_run(ag, u, id))
		return false;
	*ret = (struct measured){ u, bytes, limit, floor, bytes - u->disk_bytes };
	u->disk_bytes = bytes;
	return true;
}

static void end_grower(struct agent *ag, const struct measured *most, const struct agent_disk *now)
{
	char left[BYTES_TEXT_SIZE], used[BYTES_TEXT_SIZE];
	auto_free char *reason = NULL;

	reason = now->free_bytes < most->floor
			 ? xasprintf("disk: the machine has %s left, and it used %s",
				   bytes_text(left, now->free_bytes), bytes_text(used, most->bytes))
			 : xasprintf("disk: the machine has %lld files left, and it used %s",
				   (long long)now->free_files, bytes_text(used, most->bytes));
	end_unit(ag, most->unit, reason);
}

static void judge(struct agent *ag, struct slice rest)
{
	struct measured m, most = { .grown = GROWN_BYTES };
	struct agent_disk now = { 0 };
	struct slice line;
	int64_t floor = 0, room = INT64_MAX;
	bool ended = false;

	while (slice_line(&rest, &line)) {
		char used[BYTES_TEXT_SIZE], limit[BYTES_TEXT_SIZE];

		if (!read_line(ag, line, &m))
			continue;
		floor = MAX(floor, m.floor);
		room = MIN(room, m.limit - m.bytes);
		if (m.bytes > m.limit) {
			auto_free char *reason = xasprintf("disk: %s of %s used",
				bytes_text(used, m.bytes), bytes_text(limit, m.limit));

			end_unit(ag, m.unit, reason);
			ended = true;
		} else if (m.grown > most.grown) {
			most = m;
		}
	}
	ag->disk.floor = floor;
	ag->disk.room = room;
	/* who was over it has given room already */
	if (!ended && most.unit && free_space(ag, &now) &&
		(now.few_files || now.free_bytes < floor))
		end_grower(ag, &most, &now);
}

void disk_reaped(struct agent *ag, pid_t pid, int status)
{
	struct agent_disk *d = &ag->disk;
	int64_t took = clock_mono_ms() - d->started_ms;
	auto_free char *text = NULL;
	struct stat st;
	ssize_t n;

	if (pid != d->pid)
		return;
	d->pid = 0;
	d->rest_until = clock_mono_ms() + MIN(took * REST_FACTOR, (int64_t)REST_MAX_MS);
	d->hurry_until = clock_mono_ms() + MIN(took * HURRY_FACTOR, (int64_t)REST_MAX_MS);
	d->units = watched(ag);
	if (status == 0 && fstat(d->answer, &st) == 0 && st.st_size <= ANSWER_MAX) {
		text = xcalloc((size_t)st.st_size + 1, 1);
		n = pread(d->answer, text, (size_t)st.st_size, 0);
		judge(ag, (struct slice){ text, n > 0 ? (size_t)n : 0 });
	}
	(void)close(d->answer);
	d->answer = -1;
}
