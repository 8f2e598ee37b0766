#include "unit/sandbox.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/spawn.h"
#include "unit/plain.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

void sandbox_prepare_mounts(void)
{
	struct stat st;

	/* without the right to it nothing is mounted by anybody below us either */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return;
	/* hybrid: crun 1.8 refuses to run where the v2 hierarchy beside v1 has a controller (hugetlb is enough) */
	if (stat("/sys/fs/cgroup/memory", &st) == 0)
		(void)umount2("/sys/fs/cgroup/unified", MNT_DETACH);
}

/* ---- paths ---- */

static bool below(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	return strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* Only nap's own folders, and /usr, which every unit sees anyway: the agent's API must not open the machine. */
static bool may_be_mounted(const struct unit *u, const char *real)
{
	return below(real, u->place.lib) || below(real, u->place.run) ||
	       below(real, u->place.etc) || below(real, "/usr");
}

static int by_destination(const void *x, const void *y)
{
	const struct unit_mount *a = x, *b = y;

	return strcmp(a->to, b->to);
}

static bool add_bind(const struct unit *u, const struct unit_path *p, struct unit_mount *list,
	size_t *n, struct err *e)
{
	char *real = realpath(p->from, NULL);
	struct stat st;

	if (!real || stat(real, &st) < 0) {
		free(real);
		return p->optional ||
		       err_set(e, ERR_INVALID, "bad_path", "path \"%s\" does not exist", p->from);
	}
	arena_defer(u->a, free, real);
	if (!may_be_mounted(u, real))
		return p->optional ||
		       err_set(e, ERR_INVALID, "bad_path",
			       "path \"%s\" is not below nap's folders and cannot be mounted",
			       real);
	list[(*n)++] = (struct unit_mount){ .from = real,
		.to = p->to,
		.read_only = p->kind == UNIT_PATH_BIND_RO,
		.file = !S_ISDIR(st.st_mode) };
	return true;
}

bool sandbox_mounts(const struct unit *u, struct unit_mount **ret, size_t *ret_n, struct err *e)
{
	const struct unit_paths *paths = &u->options.paths;
	struct unit_mount *list = arena_alloc(u->a, (paths->n + 1) * sizeof *list);
	size_t n = 0;

	for (size_t i = 0; i < paths->n; i++) {
		const struct unit_path *p = &paths->v[i];

		if (p->kind == UNIT_PATH_TMPFS)
			list[n++] = (struct unit_mount){ .to = p->to, .tmpfs = true };
		else if (p->kind == UNIT_PATH_BIND || p->kind == UNIT_PATH_BIND_RO) {
			if (!add_bind(u, p, list, &n, e))
				return false;
		} else if (p->kind == UNIT_PATH_RW) {
			struct unit_path optional = *p;

			/* the skeleton holds nothing that could be written but what is mounted */
			optional.optional = true;
			if (!add_bind(u, &optional, list, &n, e))
				return false;
		}
	}
	qsort(list, n, sizeof *list, by_destination);
	*ret = list;
	*ret_n = n;
	return true;
}

bool sandbox_limit(const struct unit *u, int resource, struct rlimit *ret)
{
	struct rlimit l = u->options.limit[resource], ours;

	if (!(u->options.has_limit >> resource & 1))
		return false;
	/* root without CAP_SYS_RESOURCE (a container) cannot raise what it was given */
	if (getrlimit((__rlimit_resource_t)resource, &ours) == 0) {
		l.rlim_max = MIN(l.rlim_max, ours.rlim_max);
		l.rlim_cur = MIN(l.rlim_cur, l.rlim_max);
	}
	*ret = l;
	return true;
}

int sandbox_oom_score(const struct unit *u)
{
	return MAX(u->options.oom_score_adjust, 500);
}

/* ---- starting ---- */

struct unit_words sandbox_argv(const struct unit *u, const struct unit_command *c,
	const struct unit_words *env, const char *tool, const char *const *options)
{
	struct unit_words v = { 0 }, words = c->plain ? c->argv : unit_expand(&c->argv, env, u->a);
	const char *dir = u->options.working_directory;

	unit_words_add(&v, u->a, tool);
	unit_words_add(&v, u->a, "-i");
	for (; options && *options; options++)
		unit_words_add(&v, u->a, *options);
	if (dir) {
		unit_words_add(&v, u->a, u->options.working_directory_optional ? "-C" : "-c");
		unit_words_add(&v, u->a, streq(dir, "~") ? unit_env_get(env, "HOME") : dir);
	}
	unit_words_add(&v, u->a, "-m");
	unit_words_add(&v, u->a, arena_printf(u->a, "%o", u->options.umask));
	if (u->options.nice > 0) {
		unit_words_add(&v, u->a, "-n");
		unit_words_add(&v, u->a, arena_printf(u->a, "%d", u->options.nice));
	}
	unit_words_add(&v, u->a, "--");
	unit_words_add(&v, u->a, c->path);
	for (size_t i = 0; i < words.n; i++)
		unit_words_add(&v, u->a, words.v[i]);
	return v;
}

static bool with_status_pipe(const struct unit *u, const struct unit_command *c,
	const struct unit_words *env, bool join, struct sandbox *ret, struct err *e)
{
	struct sandbox b = { 0 };
	struct unit_words argv;
	int fds[2];
	bool ok;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(e, "could not make a pipe");
	if (u->isolation == ISOLATION_CRUN) {
		argv = sandbox_argv(u, c, env, "/run/nap-init", NULL);
		ok = join ? crun_exec(u, &argv, env, fds[1], &b, e)
			  : crun_start(u, &argv, env, fds[1], &b, e);
	} else {
		ok = plain_start(u, c, env, fds[1], &b, e);
	}
	(void)close(fds[1]);
	if (!ok) {
		(void)close(fds[0]);
		return false;
	}
	b.status = fds[0];
	*ret = b;
	return true;
}

bool sandbox_start(const struct unit *u, const struct unit_command *c, const struct unit_words *env,
	struct sandbox *ret, struct err *e)
{
	return with_status_pipe(u, c, env, false, ret, e);
}

bool sandbox_join(const struct unit *u, const struct sandbox *b, const struct unit_command *c,
	const struct unit_words *env, struct sandbox *ret, struct err *e)
{
	return with_status_pipe(u, c, env, b->init > 0, ret, e);
}

int sandbox_status(struct sandbox *b, int outer)
{
	char text[32];
	ssize_t n;
	int status = outer;

	/* init is dead and was the only writer, or never came so far: this does not wait */
	(void)fcntl(b->status, F_SETFL, O_NONBLOCK);
	n = read(b->status, text, sizeof text - 1);
	(void)close(b->status);
	b->status = -1;
	if (n > 0) {
		text[n] = '\0';
		(void)sscanf(text, "%d", &status);
	}
	return status;
}

/* ---- ending ---- */

void sandbox_signal(const struct sandbox *b, int number)
{
	if (b->init > 0)
		(void)kill(b->init, number);
}

/* the real uid of a process; false: it is gone */
static bool uid_of(const char *pid, uid_t *ret)
{
	char path[300], line[256];
	auto_file FILE *f = NULL;
	unsigned int uid;
	bool alive = true, found = false;

	(void)snprintf(path, sizeof path, "/proc/%s/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f)) {
		if (starts_with(line, "State:"))
			alive = !strchr(line, 'Z') && !strchr(line, 'X');
		if (sscanf(line, "Uid: %u", &uid) == 1) {
			*ret = uid;
			found = true;
			break;
		}
	}
	return found && alive;
}

/* each process of the uid; the number that there were */
static int signal_uid(uid_t uid, int number)
{
	auto_dir DIR *d = opendir("/proc");
	struct dirent *de;
	int n = 0;

	while (d && (de = readdir(d))) {
		uid_t owner;

		if (de->d_name[0] < '1' || de->d_name[0] > '9' || !uid_of(de->d_name, &owner) ||
			owner != uid)
			continue;
		n++;
		if (number)
			(void)kill((pid_t)strtol(de->d_name, NULL, 10), number);
	}
	return n;
}

static bool has_own_uid(const struct unit *u)
{
	return u->root && u->uid > 0;
}

void sandbox_signal_all(const struct unit *u, const struct sandbox *b, int number)
{
	if (has_own_uid(u))
		(void)signal_uid(u->uid, number);
	else
		plain_signal_all(b, number);
}

bool sandbox_clear(const struct unit *u)
{
	int64_t deadline = clock_mono_ms() + 5000;

	if (u->isolation == ISOLATION_CRUN)
		crun_delete(u);
	while (has_own_uid(u)) {
		/* as the user itself and in one call: a fork in the middle escapes nothing (kill(2), pid -1) */
		if (signal_uid(u->uid, 0) == 0)
			break;
		plain_kill_user(u);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (clock_mono_ms() > deadline)
			return false;
		(void)poll(NULL, 0, 20);
	}
	return true;
}

static int64_t counter_in(const char *path, const char *name)
{
	auto_file FILE *f = fopen(path, "re");
	char word[64];
	long long n;

	while (f && fscanf(f, "%63s %lld", word, &n) == 2)
		if (streq(word, name))
			return n;
	return 0;
}

int64_t sandbox_oom_kills(const struct unit *u)
{
	int64_t n = counter_in(
		arena_printf(u->a, "/sys/fs/cgroup/memory%s/memory.oom_control", u->cgroup),
		"oom_kill");

	if (n == 0)
		n = counter_in(arena_printf(u->a, "/sys/fs/cgroup%s/memory.events", u->cgroup),
			"oom_kill");
	return n;
}
