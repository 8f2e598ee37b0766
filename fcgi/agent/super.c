#include "agent/super.h"

#include "agent/cgroup.h"
#include "agent/deps.h"
#include "agent/guard.h"
#include "agent/kept.h"
#include "agent/sample.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/spawn.h"
#include "base/text.h"
#include "unit/options.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#define FIRST_UID	1000  /* of the block: the ones before are nap's own */
#define LAST_UID	65535 /* a block is 65,536 uids */
#define STOP_DEFAULT_MS 90000
#define OPTIONS_MAX	(64 * 1024 * 1024)
#define STOP_MARGIN_MS	15000
#define STOP_ALL_MS	12000 /* nobody waits longer for the whole machine to stop */
#define EVENTS_MAX	(256 * 1024)
#define LOG_BYTES	"s8388608\nn7\n" /* 64 MiB a unit with the current file */

char *super_helper(const char *name)
{
	char self[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	char *slash;

	if (n < 0)
		return xstrdup(name);
	self[n] = '\0';
	slash = strrchr(self, '/');
	return xasprintf("%.*s/%s", slash ? (int)(slash - self) : 0, self, name);
}

static char *unit_path(const struct agent *ag, const struct agent_unit *u, const char *file)
{
	auto_free char *more = xasprintf("%s/%s", u->folder, file);

	return agent_path(ag, "unit", more);
}

static char *service_path(const struct agent *ag, const struct agent_unit *u, const char *file)
{
	auto_free char *more = xasprintf("%s/%s", u->folder, file);

	return agent_path(ag, "service", more);
}

/* replaced whole, but not fsynced: what a crash of the machine loses here is made again */
static bool put(const char *path, const char *text, size_t n, mode_t mode, struct err *e)
{
	auto_free char *tmp = xasprintf("%s.tmp", path);
	auto_fd int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);

	if (fd < 0)
		return err_errno(e, "could not create file \"%s\"", tmp);
	if (write(fd, text, n) != (ssize_t)n || fchmod(fd, mode) < 0 || rename(tmp, path) < 0)
		return err_errno(e, "could not write file \"%s\"", path);
	return true;
}

static bool put_unit(const struct agent *ag, const struct agent_unit *u, const char *file,
	const char *text, struct err *e)
{
	auto_free char *path = unit_path(ag, u, file);

	return put(path, text, strlen(text), 0600, e);
}

static bool uid_used(const struct agent *ag, uid_t uid)
{
	for (size_t i = 0; i < ag->n; i++) {
		if (ag->unit[i]->uid == uid)
			return true;
	}
	return false;
}

/* Numbers are given in turn, so that a freed one rests until all the others were used. */
static bool take_uid(struct agent *ag, struct agent_unit *u, struct err *e)
{
	auto_arena struct arena a = { 0 };
	auto_free char *path = agent_path(ag, "uid-next", NULL);
	auto_free char *text = NULL;
	struct err ignored = { 0 };
	int64_t next = FIRST_UID;
	char *kept;

	if (geteuid() != 0) {
		u->uid = geteuid();
		return true;
	}
	if (file_read(path, 32, &a, &kept, NULL, &ignored) &&
		!parse_i64(kept, FIRST_UID, LAST_UID, &next))
		next = FIRST_UID;
	for (int tried = 0; uid_used(ag, ag->cfg.block_uid + (uid_t)next); tried++) {
		next = next == LAST_UID ? FIRST_UID : next + 1;
		if (tried > LAST_UID)
			return err_set(e, ERR_BUSY, "no_uid", "all uids of the block are in use");
	}
	text = xasprintf("%lld", (long long)(next == LAST_UID ? FIRST_UID : next + 1));
	if (!file_replace(path, text, strlen(text), 0600, e))
		return false;
	u->uid = ag->cfg.block_uid + (uid_t)next;
	return true;
}

static bool put_script(const char *path, const char *text, struct err *e)
{
	return put(path, text, strlen(text), 0700, e);
}

static bool make_service(const struct agent *ag, const struct agent_unit *u, struct err *e)
{
	auto_free char *unit = agent_path(ag, "unit", u->folder),
		       *log = agent_path(ag, "log", u->folder);
	auto_free char *dir = service_path(ag, u, "log"), *run = service_path(ag, u, "run");
	auto_free char *finish = service_path(ag, u, "finish"),
		       *log_run = service_path(ag, u, "log/run");
	auto_free char *config = xasprintf("%s/config", log), *name = xasprintf("%s/name", log);
	auto_free char *helper = super_helper("nap-unit");
	auto_buf struct buf b = { 0 };

	if (!dir_make(dir, 0700, e) || !dir_make(log, 0700, e) ||
		!put(config, LOG_BYTES, strlen(LOG_BYTES), 0600, e) ||
		!put(name, u->name, strlen(u->name), 0600, e))
		return false;
	buf_init(&b, 16 * 1024);
	buf_puts(&b, "#!/bin/sh\nexec ");
	buf_shell(&b, helper);
	buf_puts(&b, " run ");
	buf_shell(&b, unit);
	buf_puts(&b, " 2>&1\n");
	if (!put_script(run, b.data, e))
		return false;
	buf_clear(&b);
	buf_puts(&b, "#!/bin/sh\nexec ");
	buf_shell(&b, helper);
	buf_puts(&b, " finish ");
	buf_shell(&b, unit);
	buf_puts(&b, " \"$@\" 2>&1\n");
	if (!put_script(finish, b.data, e))
		return false;
	buf_clear(&b);
	buf_puts(&b, "#!/bin/sh\nexec svlogd -t ");
	buf_shell(&b, log);
	buf_putc(&b, '\n');
	return put_script(log_run, b.data, e);
}

/* The events stay with the log when the unit goes, and come back with it: by rename, so that no reader loses its place. */
static void move_events(const struct agent *ag, const struct agent_unit *u, bool away)
{
	static const char *const files[] = { "events.old", "events" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		auto_free char *more = xasprintf("%s/%s", u->folder, files[i]);
		auto_free char *log = agent_path(ag, "log", more),
			       *unit = agent_path(ag, "unit", more);

		(void)(away ? rename(unit, log) : rename(log, unit));
	}
}

static bool make_unit(const struct agent *ag, const struct agent_unit *u, struct err *e)
{
	auto_free char *dir = agent_path(ag, "unit", u->folder);
	auto_buf struct buf b = { 0 };
	char uid[16];

	if (!dir_make(dir, 0700, e))
		return false;
	buf_init(&b, OPTIONS_MAX);
	content_json(u->content, &b);
	buf_putc(&b, '\n');
	(void)snprintf(uid, sizeof uid, "%u", u->uid);
	return put_unit(ag, u, "name", u->name, e) && put_unit(ag, u, "options.json", b.data, e) &&
	       put_unit(ag, u, "uid", uid, e) && put_unit(ag, u, "desired", "loaded", e) &&
	       put_unit(ag, u, "hash", u->content->hash, e);
}

static void watch(struct agent *ag, struct agent_unit *u)
{
	auto_free char *dir = agent_path(ag, "unit", u->folder);

	if (u->watch < 0)
		u->watch = inotify_add_watch(ag->inotify, dir, IN_MOVED_TO | IN_ONLYDIR);
}

/* what the agent must know of the options, read by the one reader that nap-unit uses too */
static void read_options(const struct agent *ag, struct agent_unit *u)
{
	auto_arena struct arena a = { 0 };
	auto_free char *etc = agent_path(ag, "etc", NULL), *lib = agent_path(ag, "lib", NULL),
		       *run = agent_path(ag, "run", NULL);
	const struct unit_place place = { .name = u->name,
		.etc = etc,
		.lib = lib,
		.run = run,
		.machine_id = ag->machine.id,
		.boot_id = ag->machine.boot_id,
		.uid = u->uid };
	auto_buf struct buf b = { 0 };
	json_auto_t *list = NULL;
	struct unit_options o;
	struct err e = { 0 };

	deps_free(u->deps);
	u->deps = deps_read(u->name, u->loaded);
	buf_init(&b, OPTIONS_MAX);
	content_json(u->loaded, &b);
	list = json_loadb(b.data, b.len, 0, NULL);
	free(u->bad);
	u->bad = NULL;
	u->stop_ms = STOP_DEFAULT_MS;
	if (!unit_options_parse(list, &place, &a, &o, &e)) {
		u->bad = xstrdup(e.msg);
		return;
	}
	if (o.bad)
		u->bad = xstrdup(o.bad);
	if (o.timeout_stop_us != UNIT_INFINITY)
		u->stop_ms = o.timeout_stop_us / 1000;
}

bool super_load(struct agent *ag, struct agent_unit *u, struct err *e)
{
	if (!u->uid && !take_uid(ag, u, e))
		return false;
	if (!make_unit(ag, u, e) || !make_service(ag, u, e))
		return false;
	content_unref(u->loaded);
	u->loaded = content_ref(u->content);
	read_options(ag, u);
	u->swept = true;
	move_events(ag, u, false);
	watch(ag, u);
	journal_unit(ag->journal, u->name, u->folder, u->uid);
	return true;
}

/* not with our own stderr: apps outlive the agent, and its log must be able to end without them */
static bool spawn_runsv(const char *dir, struct err *e)
{
	static const char *const env[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
		NULL
	};
	const char *const argv[] = { "runsv", dir, NULL };
	const struct spawn s = { .path = "runsv",
		.argv = argv,
		.env = env,
		.dir = "/",
		.out = SPAWN_NULL,
		.err = SPAWN_NULL,
		.session = true };
	pid_t pid;

	return spawn_start(&s, &pid, e);
}

bool super_attach(struct agent *ag, struct agent_unit *u)
{
	auto_free char *path = service_path(ag, u, "supervise/control");
	struct epoll_event ev = { .events = 0, .data.ptr = u };

	if (u->control >= 0)
		return true;
	u->control = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (u->control < 0)
		return false;
	(void)epoll_ctl(ag->epoll, EPOLL_CTL_ADD, u->control, &ev);
	return true;
}

void super_detach(struct agent_unit *u)
{
	if (u->control >= 0)
		(void)close(u->control);
	u->control = -1;
}

bool super_start(struct agent *ag, struct agent_unit *u, struct err *e)
{
	auto_free char *dir = agent_path(ag, "service", u->folder);

	if (!put_unit(ag, u, "desired", "launched", e) || !spawn_runsv(dir, e))
		return false;
	u->started_ms = clock_mono_ms();
	return true;
}

void super_forget_phase(const struct agent *ag, struct agent_unit *u)
{
	auto_free char *path = unit_path(ag, u, "phase");

	(void)unlink(path);
	u->phase = (struct agent_phase){ 0 };
}

void super_end_phase(const struct agent *ag, struct agent_unit *u)
{
	auto_free char *line = xasprintf("dead success 0 0 %lld %lld 0\n",
		(long long)clock_now_us(), (long long)u->phase.restarts);
	struct err e = { 0 };

	if (!put_unit(ag, u, "phase", line, &e))
		LOG(WARNING, "agent.phase", KV("unit", u->name), KV("why", e.msg));
	(void)snprintf(u->phase.phase, sizeof u->phase.phase, "dead");
	u->phase.pid = 0;
}

static bool control(const struct agent_unit *u, const char *letters)
{
	return u->control >= 0 && write(u->control, letters, strlen(letters)) > 0;
}

void super_stop(struct agent *ag, struct agent_unit *u)
{
	int64_t now = clock_mono_ms();
	struct err e = { 0 };

	if (!u->stopping) {
		if (!put_unit(ag, u, "desired", "loaded", &e))
			LOG(WARNING, "agent.stop", KV("unit", u->name), KV("why", e.msg));
		(void)control(u, "x");
		u->stopping = true;
		/* nap-unit keeps the unit's own time; the agent forces what nap-unit could not end */
		u->kill_ms = now + (ag->stop_all ? STOP_ALL_MS : u->stop_ms + STOP_MARGIN_MS);
		u->kills = 0;
	} else if (u->control >= 0 && now >= u->kill_ms) {
		LOG(WARNING, "agent.stop_forced", KV("unit", u->name), KV("kills", u->kills));
		/* what is not in the cgroup goes by its uid when runsv has left: /proc is read once for all of those */
		(void)cgroup_kill(ag->cfg.block_port, u->folder);
		(void)control(u, "kx");
		u->kill_ms = now + 2000;
		u->kills++;
	}
}

void super_exit(const struct agent_unit *u)
{
	(void)control(u, "x");
}

static void remove_folder(const struct agent *ag, const char *part, const struct agent_unit *u)
{
	auto_free char *path = agent_path(ag, part, u->folder);
	struct err e = { 0 };

	if (!tree_remove(path, &e))
		LOG(WARNING, "agent.remove", KV("folder", path), KV("why", e.msg));
}

void super_unload(struct agent *ag, struct agent_unit *u)
{
	super_detach(u);
	if (u->watch >= 0)
		(void)inotify_rm_watch(ag->inotify, u->watch);
	u->watch = -1;
	cgroup_remove(ag->cfg.block_port, u->folder);
	move_events(ag, u, true);
	kept_note(ag, u);
	remove_folder(ag, "service", u);
	remove_folder(ag, "unit", u);
	content_unref(u->loaded);
	u->loaded = NULL;
	deps_free(steal(&u->deps));
	guard_note(ag, u);
	u->uid = 0;
	u->launched = u->deleted = false;
	sample_drop(u);
	u->disk_bytes = 0;
	u->phase = (struct agent_phase){ 0 };
}

/* real, effective, saved and file-system uid of a process; false: it is gone, or a zombie */
static bool process_uids(const char *pid, uid_t ret[4])
{
	char path[64], text[1024];
	const char *at;
	int fd;
	ssize_t n;

	(void)snprintf(path, sizeof path, "/proc/%.20s/status", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof text - 1);
	(void)close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	at = strstr(text, "\nState:\t");
	if (!at || at[8] == 'Z' || at[8] == 'X')
		return false;
	at = strstr(text, "\nUid:\t");
	return at && sscanf(at + 6, "%u %u %u %u", &ret[0], &ret[1], &ret[2], &ret[3]) == 4;
}

static bool has_uid(const uid_t uids[4], uid_t uid)
{
	return uids[0] == uid || uids[1] == uid || uids[2] == uid || uids[3] == uid;
}

static void sweep_uids(struct agent_unit *const *u, size_t n, bool *ret_gone)
{
	auto_dir DIR *d = opendir("/proc");
	struct dirent *de;

	while (d && (de = readdir(d))) {
		uid_t uids[4];

		if (de->d_name[0] < '1' || de->d_name[0] > '9' || !process_uids(de->d_name, uids))
			continue;
		for (size_t i = 0; i < n; i++) {
			int64_t pid;

			if (u[i]->uid < 1000 || !has_uid(uids, u[i]->uid) ||
				!parse_i64(de->d_name, 1, INT32_MAX, &pid))
				continue;
			(void)kill((pid_t)pid, SIGKILL);
			ret_gone[i] = false;
		}
	}
}

void super_sweep(struct agent *ag, struct agent_unit *const *u, size_t n, bool *ret_gone)
{
	for (size_t i = 0; i < n; i++)
		ret_gone[i] = cgroup_kill(ag->cfg.block_port, u[i]->folder);
	/* as an ordinary user all units have the agent's own uid: there nap-unit alone sees to it */
	if (n && geteuid() == 0)
		sweep_uids(u, n, ret_gone);
}

bool super_read_phase(struct agent *ag, struct agent_unit *u)
{
	auto_free char *path = unit_path(ag, u, "phase");
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct agent_phase p = { 0 };
	char text[256];
	long long since, restarts;
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
	bool changed;

	if (n <= 0)
		return false;
	text[n] = '\0';
	if (sscanf(text, "%23s %23s %d %d %lld %lld %d", p.phase, p.result, &p.code, &p.signal,
		    &since, &restarts, &p.pid) != 7)
		return false;
	p.since_us = since;
	p.restarts = restarts;
	changed = memcmp(&p, &u->phase, sizeof p) != 0;
	u->phase = p;
	return changed;
}

void super_event(const struct agent *ag, const struct agent_unit *u, const char *fmt, ...)
{
	auto_free char *path = unit_path(ag, u, "events"), *text = NULL, *line = NULL;
	auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	line = xasprintf("%lld %s\n", (long long)clock_now_us(), text);
	if (fd < 0 || write(fd, line, strlen(line)) < 0)
		LOG(WARNING, "agent.event_lost", KV("unit", u->name), KV("event", text));
}

/* a folder below A/unit without a unit is one that was deleted while no agent ran */
static void adopt_folder(struct agent *ag, const char *folder)
{
	auto_arena struct arena a = { 0 };
	auto_free char *more = xasprintf("%s/name", folder), *path = agent_path(ag, "unit", more);
	auto_free char *opt_more = xasprintf("%s/options.json", folder),
		       *options = agent_path(ag, "unit", opt_more);
	auto_free char *uid_more = xasprintf("%s/uid", folder),
		       *uid_path = agent_path(ag, "unit", uid_more);
	json_auto_t *o = json_load_file(options, 0, NULL);
	struct agent_unit *u;
	struct err e = { 0 };
	int64_t uid = 0;
	char *name, *text;

	if (!file_read(path, 300, &a, &name, NULL, &e)) {
		LOG(WARNING, "agent.no_unit", KV("folder", folder), KV("why", e.msg));
		return;
	}
	u = agent_find(ag, name);
	if (!u)
		u = agent_add(ag, name);
	if (file_read(uid_path, 32, &a, &text, NULL, &e) && parse_i64(text, 0, UINT32_MAX, &uid))
		u->uid = (uid_t)uid;
	if (!json_is_array(o) || !content_make(o, &u->loaded, &e)) {
		json_auto_t *none = json_array();

		/* half made: it never ran, and is loaded again */
		if (!content_make(none, &u->loaded, &e))
			u->loaded = NULL;
	}
	if (u->loaded)
		read_options(ag, u);
	watch(ag, u);
	journal_unit(ag->journal, u->name, u->folder, u->uid);
	(void)super_read_phase(ag, u);
	(void)super_attach(ag, u);
	u->launched = u->control >= 0 || u->phase.phase[0];
}

void super_adopt(struct agent *ag)
{
	auto_free char *dir = agent_path(ag, "unit", NULL);
	auto_dir DIR *d = opendir(dir);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		if (!is_dot(de->d_name))
			adopt_folder(ag, de->d_name);
	}
}
