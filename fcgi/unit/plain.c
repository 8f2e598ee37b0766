#include "unit/plain.h"
#include "base/file.h"
#include "base/spawn.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* as options of nap-run: what crun would do by cgroup and by config.json */
static void add_limit(const struct unit *u, struct unit_words *v, int resource, struct rlimit l)
{
	unit_words_add(v, u->a, "-l");
	unit_words_add(v, u->a,
		arena_printf(u->a, "%d=%lld:%lld", resource,
			l.rlim_cur == RLIM_INFINITY ? -1LL : (long long)l.rlim_cur,
			l.rlim_max == RLIM_INFINITY ? -1LL : (long long)l.rlim_max));
}

static void add_limits(const struct unit *u, struct unit_words *v)
{
	const struct unit_options *o = &u->options;

	for (int i = 0; i < (int)RLIM_NLIMITS; i++) {
		struct rlimit l;

		if (sandbox_limit(u, i, &l))
			add_limit(u, v, i, l);
	}
	if (o->memory_max != UNIT_INFINITY)
		add_limit(u, v, RLIMIT_DATA,
			(struct rlimit){ (rlim_t)o->memory_max, (rlim_t)o->memory_max });
	/* counted per user: only where the user is this unit's alone */
	if (o->tasks_max != UNIT_INFINITY && u->root && u->uid > 0)
		add_limit(u, v, RLIMIT_NPROC,
			(struct rlimit){ (rlim_t)o->tasks_max + 1, (rlim_t)o->tasks_max + 1 });
}

/* ---- bubblewrap ---- */

static void add(const struct unit *u, struct unit_words *v, const char *const *words)
{
	for (; *words; words++)
		unit_words_add(v, u->a, *words);
}

static void add_etc(const struct unit *u, struct unit_words *v)
{
	static const char *const etc[] = { "alternatives", "ca-certificates", "ssl/certs",
		"ssl/openssl.cnf", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "resolv.conf",
		"hosts", "host.conf", "gai.conf", "nsswitch.conf", "services", "protocols",
		"mime.types", "localtime", "timezone", "perl", "python3", "php", "fonts" };

	for (size_t i = 0; i < ARRAY_SIZE(etc); i++) {
		const char *path = arena_printf(u->a, "/etc/%s", etc[i]);

		add(u, v, (const char *const[]){ "--ro-bind-try", path, path, NULL });
	}
}

/* parents of a mount are made for root only, unless they are made before */
static void add_parents(const struct unit *u, struct unit_words *v, const char *to)
{
	for (const char *p = strchr(to + 1, '/'); p; p = strchr(p + 1, '/'))
		add(u, v,
			(const char *const[]){ "--perms", "0755", "--dir",
				arena_strndup(u->a, to, (size_t)(p - to)), NULL });
}

static bool bwrap_argv(
	const struct unit *u, const struct unit_words *init, struct unit_words *v, struct err *e)
{
	struct unit_mount *m;
	size_t n;

	if (!sandbox_mounts(u, &m, &n, e))
		return false;
	add(u, v,
		(const char *const[]){ "bwrap", "--unshare-pid", "--unshare-ipc", "--unshare-uts",
			"--unshare-cgroup-try", "--hostname", "nap", "--die-with-parent",
			"--as-pid-1", "--new-session", "--ro-bind", "/usr", "/usr", "--symlink",
			"usr/bin", "/bin", "--symlink", "usr/sbin", "/sbin", "--symlink", "usr/lib",
			"/lib", "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev",
			"/dev", "--perms", "1777", "--size", "67108864", "--tmpfs", "/dev/shm",
			"--perms", "1777", "--size", "67108864", "--tmpfs", "/tmp", "--perms",
			"0755", "--dir", "/var", "--perms", "1777", "--size", "67108864", "--tmpfs",
			"/var/tmp", "--perms", "0755", "--dir", "/run", "--perms", "0755", "--dir",
			"/etc", "--perms", "0755", "--dir", "/etc/ssl", NULL });
	if (!u->root)
		add(u, v, (const char *const[]){ "--unshare-user", "--disable-userns", NULL });
	if (u->options.private_network)
		add(u, v, (const char *const[]){ "--unshare-net", NULL });
	add_etc(u, v);
	add(u, v,
		(const char *const[]){ "--ro-bind", arena_printf(u->a, "%s/nap-run", u->tools),
			"/run/nap-init", NULL });
	for (size_t i = 0; i < n; i++) {
		add_parents(u, v, m[i].to);
		if (m[i].tmpfs)
			add(u, v,
				(const char *const[]){
					"--perms", "1777", "--tmpfs", m[i].to, NULL });
		else
			add(u, v,
				(const char *const[]){ m[i].read_only ? "--ro-bind" : "--bind",
					m[i].from, m[i].to, NULL });
	}
	add(u, v, (const char *const[]){ "--remount-ro", "/", "--chdir", "/", "--", NULL });
	add(u, v, init->v);
	return true;
}

/* bwrap forks once; its child is process 1 of the sandbox */
static pid_t only_child(pid_t of)
{
	char path[64];

	(void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)of, (int)of);
	for (int i = 0; i < 200; i++) {
		auto_file FILE *f = fopen(path, "re");
		int child;

		if (f && fscanf(f, "%d", &child) == 1)
			return (pid_t)child;
		if (kill(of, 0) < 0)
			break;
		(void)poll(NULL, 0, 10);
	}
	return 0;
}

/* ---- folders in place of mounts ---- */

static bool link_into(
	const struct unit *u, const char *root, const struct unit_path *p, struct err *e)
{
	const char *at = arena_printf(u->a, "%s%s", root, p->to);
	char *slash = arena_strdup(u->a, at), *real = realpath(p->from, NULL);

	if (!real)
		return p->optional ||
		       err_set(e, ERR_INVALID, "bad_path", "path \"%s\" does not exist", p->from);
	arena_defer(u->a, free, real);
	*strrchr(slash, '/') = '\0';
	if (!dir_make(slash, 0755, e))
		return false;
	if (symlink(real, at) < 0 && errno != EEXIST)
		return err_errno(e, "could not make link \"%s\"", at);
	return true;
}

/* the unit's user walks through these itself; it can list none of them */
static void open_way(const struct unit *u)
{
	const char *const folders[] = { u->agent, u->place.lib, u->place.run,
		arena_printf(u->a, "%s/root", u->agent) };
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (stat(folders[i], &st) == 0 && (st.st_mode & 0111) != 0111)
			(void)chmod(folders[i], (st.st_mode & 07777) | 0111);
}

/* A/root/NAME: links to what would be mounted, and a /tmp of its own; made anew at each start */
static bool make_links(const struct unit *u, const char **ret, struct err *e)
{
	const char *root = arena_printf(u->a, "%s/root/%s", u->agent, u->folder);
	const char *tmp = arena_printf(u->a, "%s/tmp", root);
	const struct unit_paths *paths = &u->options.paths;

	if (!tree_remove(root, e) || !dir_make(root, 0755, e))
		return false;
	for (size_t i = 0; i < paths->n; i++)
		if ((paths->v[i].kind == UNIT_PATH_BIND || paths->v[i].kind == UNIT_PATH_BIND_RO) &&
			!link_into(u, root, &paths->v[i], e))
			return false;
	open_way(u);
	if (mkdir(tmp, 0700) < 0 || (u->root && chown(tmp, u->uid, u->uid) < 0))
		return err_errno(e, "could not make folder \"%s\"", tmp);
	*ret = root;
	return true;
}

/* ---- starting and ending ---- */

bool plain_start(const struct unit *u, const struct unit_command *c,
	const struct unit_words *env_in, int status_fd, struct sandbox *ret, struct err *e)
{
	struct unit_words env = { 0 }, options = { 0 }, init, argv = { 0 };
	struct sandbox b = { 0 };
	const char *root = NULL;
	bool wrap = u->isolation == ISOLATION_BWRAP;

	for (size_t i = 0; i < env_in->n; i++)
		unit_words_add(&env, u->a, env_in->v[i]);
	if (!wrap) {
		if (!make_links(u, &root, e))
			return false;
		(void)unit_env_set(&env, u->a, arena_printf(u->a, "NAP_ROOT=%s", root));
		(void)unit_env_set(&env, u->a, arena_printf(u->a, "TMPDIR=%s/tmp", root));
	}
	add_limits(u, &options);
	if (u->root && u->uid > 0) {
		unit_words_add(&options, u->a, "-u");
		unit_words_add(&options, u->a, arena_printf(u->a, "%u", u->uid));
	}
	if (u->isolation != ISOLATION_NONE)
		unit_words_add(&options, u->a, "-s");
	init = sandbox_argv(u, c, &env,
		wrap ? "/run/nap-init" : arena_printf(u->a, "%s/nap-run", u->tools), options.v);
	if (wrap && !bwrap_argv(u, &init, &argv, e))
		return false;
	if (!spawn_start(&(struct spawn){ .path = wrap ? "bwrap" : init.v[0],
				 .argv = wrap ? argv.v : init.v,
				 .env = env.v,
				 .dir = "/",
				 .pass_fd = status_fd,
				 .session = !wrap },
		    &b.pid, e))
		return false;
	b.init = wrap ? only_child(b.pid) : b.pid;
	*ret = b;
	return true;
}

/* every process with an ancestor in the sandbox: a pass over /proc for each generation */
static void signal_below(pid_t parent, int number, int depth)
{
	char path[64];
	int children[256], n = 0;
	auto_file FILE *f = NULL;

	(void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
	f = fopen(path, "re");
	while (f && n < (int)ARRAY_SIZE(children) && fscanf(f, "%d", &children[n]) == 1)
		n++;
	for (int i = 0; i < n; i++) {
		if (depth)
			signal_below((pid_t)children[i], number, depth - 1);
		(void)kill((pid_t)children[i], number);
	}
}

void plain_signal_all(const struct sandbox *b, int number)
{
	if (b->init > 0)
		signal_below(b->init, number, 32);
}

void plain_kill_user(const struct unit *u)
{
	static const char *const env[] = { NULL };
	const char *tool = arena_printf(u->a, "%s/nap-run", u->tools);
	const char *const argv[] = { "nap-run", "-k", arena_printf(u->a, "%u", u->uid), NULL };
	struct err ignored;
	int status;

	(void)!spawn_wait(&(struct spawn){ .path = tool, .argv = argv, .env = env, .dir = "/" },
		5000, &status, &ignored);
}
