#include "agent/agent.h"

#include "agent/deps.h"
#include "agent/disk.h"
#include "agent/entries.h"
#include "agent/files.h"
#include "agent/fleet_api.h"
#include "agent/guard.h"
#include "agent/http.h"
#include "agent/kept.h"
#include "agent/plan.h"
#include "agent/sample.h"
#include "agent/store.h"
#include "agent/super.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define LOOK_MS	    5000   /* phases are looked at that often even if nothing was told */
#define STOP_ALL_MS 120000 /* a stop of all is given up when no unit has stopped for that long */
#define TIDY_MS	    60000  /* logs and kept folders of units that are gone */

static const char *const STATE_WORDS[] = { "inactive", "loaded", "launched" };

const char *fleet_state_word(enum fleet_state s)
{
	return STATE_WORDS[s];
}

bool fleet_state_parse(const char *word, enum fleet_state *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(STATE_WORDS); i++) {
		if (streq(word, STATE_WORDS[i])) {
			*ret = (enum fleet_state)i;
			return true;
		}
	}
	return false;
}

char *agent_path(const struct agent *ag, const char *part, const char *more)
{
	return more ? xasprintf("%s/%s/%s", ag->dir, part, more)
		    : xasprintf("%s/%s", ag->dir, part);
}

/* where name is, or would be */
static size_t position(const struct agent *ag, const char *name)
{
	size_t from = 0, to = ag->n;

	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (strcmp(ag->unit[mid]->name, name) < 0)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

struct agent_unit *agent_find(const struct agent *ag, const char *name)
{
	size_t i = position(ag, name);

	return i < ag->n && streq(ag->unit[i]->name, name) ? ag->unit[i] : NULL;
}

/* a file's name has at most 255 bytes, and the store adds some of its own; ~ is in no unit's name */
static char *folder_of(const char *name)
{
	char hash[SHA1_HEX_SIZE];

	if (strlen(name) <= 220)
		return xstrdup(name);
	sha1_hex(hash, name, strlen(name));
	return xasprintf("%.150s~%s", name, hash);
}

struct agent_unit *agent_add(struct agent *ag, const char *name)
{
	struct agent_unit *u = xcalloc(1, sizeof *u);
	size_t at = position(ag, name);

	u->name = xstrdup(name);
	u->folder = folder_of(name);
	u->control = u->watch = -1;
	if (ag->n == ag->size) {
		ag->size = MAX(ag->size * 2, (size_t)64);
		ag->unit = xrealloc_array(ag->unit, ag->size, sizeof *ag->unit);
	}
	memmove(ag->unit + at + 1, ag->unit + at, (ag->n - at) * sizeof *ag->unit);
	ag->unit[at] = u;
	ag->n++;
	return u;
}

static void unit_free(struct agent_unit *u)
{
	if (u->control >= 0)
		(void)close(u->control);
	sample_drop(u);
	content_unref(u->content);
	content_unref(u->loaded);
	deps_free(u->deps);
	free(u->bad);
	free(u->name);
	free(u->folder);
	free(u);
}

void agent_drop(struct agent *ag, struct agent_unit *u)
{
	size_t at = position(ag, u->name);

	assert(ag->unit[at] == u);
	ag->n--;
	memmove(ag->unit + at, ag->unit + at + 1, (ag->n - at) * sizeof *ag->unit);
	unit_free(u);
}

/* One agent a state folder: the lock is held as long as it lives. */
static bool lock_folder(struct agent *ag, struct err *e)
{
	auto_free char *path = agent_path(ag, "lock", NULL);

	if (!dir_make(ag->dir, 0711, e))
		return false;
	ag->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (ag->lock < 0)
		return err_errno(e, "could not open \"%s\"", path);
	if (flock(ag->lock, LOCK_EX | LOCK_NB) < 0)
		return err_set(e, ERR_CONFLICT, "already_running", "another agent runs on \"%s\"",
			ag->cfg.state);
	return true;
}

/* The block's first port tells other copies that the block is taken. */
static bool hold_port(struct agent *ag, struct err *e)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)ag->cfg.block_port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	if (!ag->cfg.block_port)
		return true;
	ag->port = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (ag->port < 0 || bind(ag->port, (struct sockaddr *)&sa, sizeof sa) < 0 ||
		listen(ag->port, 1) < 0)
		return err_errno(e, "could not hold port %d of the block", ag->cfg.block_port);
	return true;
}

/* What runs a unit, tried by nap-unit; "missing": nothing does, and no unit is placed (RULES: never silently). */
static bool choose_isolation(struct agent *ag, struct err *e)
{
	auto_arena struct arena a = { 0 };
	auto_free char *path = agent_path(ag, "isolation", NULL),
		       *helper = super_helper("nap-unit");
	struct proc_spec spec = { .argv = (const char *const[]){ helper, "--probe", ag->cfg.state,
					  NULL },
		.timeout_ms = 400000,
		.max_bytes = 4096 };
	struct proc_result r;
	static char word[16];

	if (streq(ag->cfg.isolation, "auto")) {
		(void)snprintf(word, sizeof word, "missing");
		/* no answer is none: runsv starts the agent again, and it asks again */
		if (!proc_run(&spec, &a, &r, e))
			return false;
		if (r.timed_out)
			return err_set(e, ERR_UPSTREAM, "probe",
				"nap-unit --probe did not answer in time");
		if (r.status == 0)
			(void)snprintf(
				word, sizeof word, "%.*s", (int)strcspn(r.out, " \n"), r.out);
		if (!word[0] || streq(word, "none"))
			(void)snprintf(word, sizeof word, "missing");
		ag->cfg.isolation = word;
	}
	machine_own(&ag->machine, "isolation", ag->cfg.isolation);
	LOG(NOTICE, "agent.isolation", KV("word", ag->cfg.isolation));
	return file_replace(path, ag->cfg.isolation, strlen(ag->cfg.isolation), 0644, e);
}

/* True when the machine was started since, or everything was stopped: then all that was launched starts again. */
static bool is_fresh(struct agent *ag)
{
	auto_arena struct arena a = { 0 };
	auto_free char *path = agent_path(ag, "boot-id", NULL);
	struct err e = { 0 };
	char *text;
	bool same = file_read(path, 256, &a, &text, NULL, &e) && streq(text, ag->machine.boot_id);

	if (!same &&
		!file_replace(path, ag->machine.boot_id, strlen(ag->machine.boot_id), 0600, &e))
		LOG(WARNING, "agent.boot_id", KV("why", e.msg));
	return !same;
}

static void start_afresh(struct agent *ag)
{
	for (size_t i = 0; i < ag->n; i++) {
		struct agent_unit *u = ag->unit[i];

		if (u->loaded && u->control < 0) {
			super_forget_phase(ag, u);
			u->launched = false;
		}
	}
}

/* what ran and has lost its supervisor while no agent looked goes on */
static void find_orphans(struct agent *ag)
{
	for (size_t i = 0; i < ag->n; i++) {
		struct agent_unit *u = ag->unit[i];

		if (u->loaded && u->launched && u->control < 0)
			plan_runsv_gone(ag, u);
	}
}

static int kept_block(const char *path)
{
	auto_arena struct arena a = { 0 };
	struct err e = { 0 };
	int64_t n;
	char *text;

	return file_read(path, 32, &a, &text, NULL, &e) && parse_i64(text, 0, 65535, &n) ? (int)n
											 : 0;
}

static bool make_folders(struct agent *ag, struct err *e)
{
	static const struct {
		const char *name;
		mode_t mode;
	} folders[] = { { "unit", 0700 }, { "service", 0700 }, { "log", 0700 }, { "etc", 0755 },
		{ "lib", 0755 }, { "run", 0755 } };
	char block[16];
	auto_free char *path = agent_path(ag, "block", NULL);
	auto_free char *sockets = xasprintf("%s/run/agent", ag->cfg.state);

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		auto_free char *dir = agent_path(ag, folders[i].name, NULL);

		if (!dir_make(dir, folders[i].mode, e))
			return false;
	}
	if (!ag->cfg.isolation) { /* it comes to stop, and names the cgroups as the former one did */
		ag->cfg.block_port = kept_block(path);
		return true;
	}
	(void)snprintf(block, sizeof block, "%d", ag->cfg.block_port);
	return dir_make(sockets, 0711, e) && file_replace(path, block, strlen(block), 0644, e);
}

static bool watch_fd(struct agent *ag, int fd, void *what, uint32_t events, struct err *e)
{
	struct epoll_event ev = { .events = events, .data.ptr = what };

	return epoll_ctl(ag->epoll, EPOLL_CTL_ADD, fd, &ev) == 0 || err_errno(e, "epoll_ctl");
}

static int open_signals(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void child_ended(struct agent *ag, pid_t pid, int status)
{
	if (pid == ag->sweep_pid)
		ag->sweep_pid = 0;
	disk_reaped(ag, pid, status);
	files_reaped(ag, pid);
}

static void on_signal(struct agent *ag, int fd)
{
	struct signalfd_siginfo si;
	int status;
	pid_t pid;

	while (read(fd, &si, sizeof si) == sizeof si) {
		if (si.ssi_signo != SIGCHLD)
			ag->stop = true;
	}
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		child_ended(ag, pid, status);
}

static void phase_at(struct agent *ag, struct agent_unit *u)
{
	struct agent_phase before = u->phase;

	if (!u->loaded || !super_read_phase(ag, u))
		return;
	plan_phase_changed(ag, u, &before);
	/* its helper has been there: ExecStartPre= is over */
	if (streq(u->phase.phase, "start") || streq(u->phase.phase, "running"))
		guard_note(ag, u);
}

static void on_inotify(struct agent *ag)
{
	char raw[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n;

	while ((n = read(ag->inotify, raw, sizeof raw)) > 0) {
		for (char *p = raw; p < raw + n;) {
			const struct inotify_event *ev = (const struct inotify_event *)p;

			p += sizeof *ev + ev->len;
			if (!ev->len || !streq(ev->name, "phase"))
				continue;
			for (size_t i = 0; i < ag->n; i++) {
				if (ag->unit[i]->watch == ev->wd)
					phase_at(ag, ag->unit[i]);
			}
		}
	}
}

/* told by nobody (inotify's queue was full, or has no watches left): look */
static void look(struct agent *ag)
{
	for (size_t i = 0; i < ag->n; i++)
		phase_at(ag, ag->unit[i]);
}

static bool open_loop(struct agent *ag, int *ret_signals, struct err *e)
{
	struct rlimit files;

	/* a descriptor a unit; what is started gets the usual number from its own options */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	ag->epoll = epoll_create1(EPOLL_CLOEXEC);
	ag->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	*ret_signals = open_signals();
	if (ag->epoll < 0 || ag->inotify < 0 || *ret_signals < 0)
		return err_errno(e, "could not make the loop");
	return watch_fd(ag, ag->inotify, &ag->inotify, EPOLLIN, e) &&
	       watch_fd(ag, *ret_signals, ret_signals, EPOLLIN, e);
}

static bool open_agent(
	struct agent *ag, const struct agent_config *cfg, int *ret_signals, struct err *e)
{
	bool fresh;

	*ag = (struct agent){
		.cfg = *cfg, .epoll = -1, .inotify = -1, .lock = -1, .port = -1, .files.fd = -1
	};
	ag->dir = xasprintf("%s/agent", cfg->state);
	ag->journal = journal_new(ag->dir);
	if (!lock_folder(ag, e) || (cfg->isolation && !hold_port(ag, e)) ||
		!machine_open(&ag->machine, ag->dir, e) || !open_loop(ag, ret_signals, e) ||
		!make_folders(ag, e) || (cfg->isolation && !choose_isolation(ag, e)) ||
		!store_load(ag, e))
		return false;
	fresh = is_fresh(ag);
	super_adopt(ag);
	if (fresh)
		start_afresh(ag);
	if (cfg->isolation)
		guard_open(ag);
	find_orphans(ag);
	return true;
}

/* its helpers end with it, also those that have not come so far as to ask for that */
static void end_helpers(struct agent *ag)
{
	const pid_t pids[] = { ag->sweep_pid, ag->disk.pid };

	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		if (pids[i] <= 0)
			continue;
		(void)kill(pids[i], SIGKILL);
		(void)waitpid(pids[i], NULL, 0);
	}
}

static void close_agent(struct agent *ag)
{
	end_helpers(ag);
	while (ag->n)
		agent_drop(ag, ag->unit[ag->n - 1]);
	free(ag->unit);
	journal_free(ag->journal);
	machine_close(&ag->machine);
	free(ag->dir);
	if (ag->epoll >= 0)
		(void)close(ag->epoll);
	if (ag->inotify >= 0)
		(void)close(ag->inotify);
	if (ag->port >= 0)
		(void)close(ag->port);
	if (ag->lock >= 0)
		(void)close(ag->lock);
}

static int earlier(int a, int b)
{
	return a < 0 ? b : b < 0 ? a : MIN(a, b);
}

/* the two sockets, and the signals */
struct door {
	struct http_listener api, read;
	struct entries *entries;
	int signals;
};

static void on_event(struct agent *ag, const struct epoll_event *ev, const struct door *d)
{
	if (ev->data.ptr == &d->api || ev->data.ptr == &d->read)
		return; /* they are run in every turn */
	if (ev->data.ptr == &ag->files)
		files_take(ag);
	else if (ev->data.ptr == &d->signals)
		on_signal(ag, d->signals);
	else if (ev->data.ptr == &ag->inotify)
		on_inotify(ag);
	else
		plan_runsv_gone(ag, ev->data.ptr);
}

static bool is_unit(void *ctx, const char *folder)
{
	const struct agent *ag = ctx;

	for (size_t i = 0; i < ag->n; i++) {
		if (streq(ag->unit[i]->folder, folder))
			return true;
	}
	return false;
}

static size_t loaded_units(const struct agent *ag)
{
	size_t n = 0;

	for (size_t i = 0; i < ag->n; i++)
		n += ag->unit[i]->loaded != NULL;
	return n;
}

/* what is due in any case; returns when the next is */
static int clockwork(struct agent *ag, struct door *d)
{
	int64_t now = clock_mono_ms();

	if (now >= ag->look_at) {
		ag->look_at = now + LOOK_MS;
		look(ag);
	}
	if (now >= ag->tidy_at) {
		ag->tidy_at = now + TIDY_MS;
		journal_tidy(ag->journal, is_unit, ag);
		kept_tidy(ag);
	} else if (ag->sweep_due && now >= ag->sweep_due) {
		kept_tidy(ag);
	}
	guard_flush(ag);
	if (ag->stop_all && ag->guarded && !loaded_units(ag))
		guard_close(ag);
	if (!entries_waiting(d->entries))
		return ag->guard_dirty ? ENTRIES_TICK_MS : LOOK_MS;
	if (now >= ag->tick_at) {
		ag->tick_at = now + ENTRIES_TICK_MS;
		entries_tick(d->entries);
	}
	return (int)(ag->tick_at - now);
}

static void loop(struct agent *ag, struct door *d)
{
	int64_t due = 0;
	int wait = 0;

	ag->asked = ag->dirty = true;

	while (!ag->stop) {
		struct epoll_event ev[64];
		int n = epoll_wait(ag->epoll, ev, ARRAY_SIZE(ev), wait);

		for (int i = 0; i < n; i++)
			on_event(ag, &ev[i], d);
		http_run(&d->api);
		http_run(&d->read);
		wait = earlier(earlier(clockwork(ag, d), disk_tick(ag)), sample_tick(ag));
		if (ag->dirty || (due >= 0 && clock_mono_ms() >= due)) {
			int step = plan_step(ag);

			due = step < 0 ? -1 : clock_mono_ms() + step;
		}
		if (due >= 0)
			wait = earlier(wait, (int)MAX(due - clock_mono_ms(), (int64_t)0));
		wait = earlier(wait, earlier(http_timeout_ms(&d->api), http_timeout_ms(&d->read)));
	}
}

static bool open_door(struct agent *ag, struct http_listener *l, const char *file, struct err *e)
{
	auto_free char *path = xasprintf("%s/run/agent/%s", ag->cfg.state, file);
	int fd;

	l->root_only = true;
	l->allow = ag->cfg.has_allow_uid ? ag->cfg.allow_uid : 0;
	if (!http_listen(l, path, 0600, &fd, e) || !watch_fd(ag, fd, l, EPOLLIN, e))
		return false;
	if (ag->cfg.has_allow_uid && chown(path, ag->cfg.allow_uid, (gid_t)-1) < 0)
		return err_errno(e, "could not give \"%s\" to uid %u", path, ag->cfg.allow_uid);
	return true;
}

/* fleet's API, and one order of nap's own: everything stops, and nothing starts as long as this agent lives */
static void api(void *ctx, struct http_in *in)
{
	struct agent *ag = ctx;
	char text[64];

	if (!streq(in->path, "/nap/v1/stop-all") || !streq(in->method, "POST")) {
		fleet_api(ctx, in);
		return;
	}
	ag->stop_all = ag->asked = ag->dirty = true;
	(void)snprintf(text, sizeof text, "{\"loaded\":%zu}\n", loaded_units(ag));
	http_reply(in, 202, "application/json", text, strlen(text));
}

bool agent_run(const struct agent_config *cfg, struct err *e)
{
	struct agent ag;
	struct door d = {
		.api = { .fn = api, .ctx = &ag }, .read = { .fn = entries_http }, .signals = -1
	};
	bool ok = open_agent(&ag, cfg, &d.signals, e);

	d.entries = entries_new(&ag);
	d.read.ctx = d.entries;
	ok = ok && open_door(&ag, &d.api, "agent.sock", e) &&
	     open_door(&ag, &d.read, "read.sock", e) && files_open(&ag, e) &&
	     watch_fd(&ag, ag.files.fd, &ag.files, EPOLLIN, e);
	if (ok) {
		LOG(NOTICE, "agent.ready", KV("state", cfg->state), KV("units", (int64_t)ag.n));
		loop(&ag, &d);
	}
	files_close(&ag);
	entries_end(d.entries);
	http_close(&d.api);
	http_close(&d.read);
	entries_free(d.entries);
	if (d.signals >= 0)
		(void)close(d.signals);
	close_agent(&ag);
	return ok;
}

/* Without a running agent: as one, but without sockets and for that alone. */
static bool stop_alone(struct agent *ag, struct err *e)
{
	int64_t deadline = clock_mono_ms() + STOP_ALL_MS;
	size_t before = SIZE_MAX, left;

	ag->stop_all = ag->asked = true;
	for (; (left = loaded_units(ag)); before = left) {
		struct epoll_event ev[64];
		int n = epoll_wait(ag->epoll, ev, ARRAY_SIZE(ev), 20);

		for (int i = 0; i < n; i++) {
			if (ev[i].data.ptr == &ag->inotify)
				on_inotify(ag);
			else if (ev[i].data.ptr != ag)
				plan_runsv_gone(ag, ev[i].data.ptr);
		}
		(void)plan_step(ag);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (left < before)
			deadline = clock_mono_ms() + STOP_ALL_MS;
		if (clock_mono_ms() > deadline)
			return err_set(e, ERR_TIMEOUT, "not_stopped",
				"%zu units could not be stopped", left);
	}
	ag->guarded = true; /* by the former one, perhaps */
	guard_close(ag);
	return true;
}

/* asks the running agent; its answer tells how many units are left. False: it does not answer. */
static bool ask_to_stop(const struct agent_config *cfg, int64_t *ret_left)
{
	static const char request[] = "POST /nap/v1/stop-all HTTP/1.0\r\nHost: agent\r\n"
				      "Content-Length: 0\r\n\r\n";
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval patience = { .tv_sec = 10 };
	char answer[2048];
	size_t n = 0;
	const char *at;
	long long left;

	if (snprintf(sa.sun_path, sizeof sa.sun_path, "%s/run/agent/agent.sock", cfg->state) >=
			(int)sizeof sa.sun_path ||
		fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0 ||
		connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0 ||
		write(fd, request, sizeof request - 1) != sizeof request - 1)
		return false;
	while (n < sizeof answer - 1) {
		ssize_t got = read(fd, answer + n, sizeof answer - 1 - n);

		if (got <= 0)
			break;
		n += (size_t)got;
	}
	answer[n] = '\0';
	at = strstr(answer, "{\"loaded\":");
	if (!at || sscanf(at + 10, "%lld", &left) != 1)
		return false;
	*ret_left = left;
	return true;
}

bool agent_stop_all(const struct agent_config *cfg, struct err *e)
{
	int64_t deadline = clock_mono_ms() + STOP_ALL_MS, left = 0, before = INT64_MAX;

	for (; clock_mono_ms() < deadline; before = left) {
		struct agent ag;
		int signals = -1;
		bool alone = open_agent(&ag, cfg, &signals, e), done = alone && stop_alone(&ag, e);

		if (signals >= 0)
			(void)close(signals);
		close_agent(&ag);
		if (alone || !streq(e->code, "already_running"))
			return done;
		if (ask_to_stop(cfg, &left) && left == 0)
			return true;
		if (left < before)
			deadline = clock_mono_ms() + STOP_ALL_MS;
		(void)poll(NULL, 0, 100);
	}
	return err_set(
		e, ERR_TIMEOUT, "not_stopped", "%lld units could not be stopped", (long long)left);
}
