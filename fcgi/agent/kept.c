#include "agent/kept.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/spawn.h"
#include "node/out.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define SWEEP_MS    (10 * 60 * 1000)
/* nap forgets an app some time after the last of its units has gone: so it is asked more than once */
#define SOON_MS	    4000
#define SOON_SWEEPS 3

static const char *const PLACES[] = { "lib/nap", "run/nap", "root" };

void kept_note(struct agent *ag, const struct agent_unit *u)
{
	for (size_t i = 0; i < ARRAY_SIZE(PLACES); i++) {
		auto_free char *place = agent_path(ag, PLACES[i], u->name);

		(void)utimensat(AT_FDCWD, place, NULL, AT_SYMLINK_NOFOLLOW);
	}
	if (!ag->sweep_due)
		ag->sweep_due = clock_mono_ms() + SOON_MS;
	ag->sweeps = SOON_SWEEPS;
}

static bool is_known(const struct agent *ag, const char *name)
{
	for (size_t i = 0; i < ag->n; i++)
		if (streq(ag->unit[i]->name, name) || streq(ag->unit[i]->folder, name))
			return true;
	return false;
}

/* Those units in a place whose $NAP_OUT is kept for a week, by folder; read when the first old one asks. */
struct outs {
	struct arena arena;
	struct out_unit *unit;
	size_t n;
	bool read;
};

static int compare_folders(const void *x, const void *y)
{
	return strcmp(((const struct out_unit *)x)->folder, ((const struct out_unit *)y)->folder);
}

static int64_t keep_s(struct outs *o, const char *place, const char *name)
{
	const struct out_unit key = { .folder = name };

	if (!o->read) {
		o->read = true;
		out_find(&o->arena, place, &o->unit, &o->n);
		qsort(o->unit, o->n, sizeof *o->unit, compare_folders);
	}
	return bsearch(&key, o->unit, o->n, sizeof key, compare_folders) ? KEPT_OUT_S : KEPT_S;
}

/* true: there is something for nap-node to remove */
static bool put_aside(const struct agent *ag, const char *part)
{
	auto_free char *place = agent_path(ag, part, NULL);
	auto_dir DIR *d = opendir(place);
	const struct dirent *de;
	struct outs outs = { 0 };
	bool some = false;

	while (d && (de = readdir(d))) {
		auto_free char *aside = xasprintf(".old-%s", de->d_name);
		struct stat st;

		if (starts_with(de->d_name, ".old-")) {
			some = true;
			continue;
		}
		if (!ends_with(de->d_name, ".service") || is_known(ag, de->d_name) ||
			fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			!S_ISDIR(st.st_mode) || clock_now() - st.st_mtime < KEPT_S ||
			clock_now() - st.st_mtime < keep_s(&outs, place, de->d_name))
			continue;
		if (renameat(dirfd(d), de->d_name, dirfd(d), aside) == 0) {
			LOG(INFO, "agent.kept_removed", KV("unit", de->d_name), KV("at", part));
			some = true;
		}
	}
	arena_clear(&outs.arena);
	return some;
}

pid_t kept_helper(const struct agent *ag, const char *const words[], int out)
{
	auto_free char *program = agent_path(ag, "lib/nap/bin/nap-node", NULL);
	const char *const argv[] = { program, words[0], words[1], NULL };
	const char *const env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", NULL };
	const struct spawn s = { .path = program, .argv = argv, .env = env, .out = MAX(out, 0) };
	struct err e;
	pid_t pid;

	if (spawn_start(&s, &pid, &e))
		return pid;
	if (errno != ENOENT)
		LOG(WARNING, "agent.helper", KV("what", words[0]), KV("why", e.msg));
	return 0;
}

void kept_tidy(struct agent *ag)
{
	auto_free char *root = agent_path(ag, "root", NULL);
	int64_t now = clock_mono_ms();
	bool some = false;

	for (size_t i = 0; i < ARRAY_SIZE(PLACES); i++)
		some = put_aside(ag, PLACES[i]) || some;
	if (ag->sweep_due && now >= ag->sweep_due) {
		some = true;
		ag->sweep_due = --ag->sweeps > 0 ? now + 4 * SOON_MS : 0;
	}
	if (!some && ag->swept_at && now - ag->swept_at < SWEEP_MS)
		return;
	ag->swept_at = now;
	ag->sweep_pid = kept_helper(ag, (const char *const[]){ "sweep", root, NULL }, -1);
}
