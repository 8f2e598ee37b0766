#include "unit/sandbox.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/spawn.h"
#include "base/text.h"
#include "unit/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

/*
 * The bundle of one unit: a skeleton of folders as root, and config.json (OCI runtime specification 1.0). crun run -d
 * leaves: the container's first process becomes our child, and nothing but it and nap-unit stays in memory.
 */
#define MAX_CONFIG (16 * 1024 * 1024)
#define CRUN_MS	   120000

static const char *const FOLDERS[] = { "usr", "etc", "app", "data", "out", "cache", "tmp", "proc",
	"dev", "run", "var", "var/tmp", "var/lib", "home", "root", "srv", "mnt", "opt" };
static const char *const LINKS[][2] = { { "bin", "usr/bin" }, { "sbin", "usr/sbin" },
	{ "lib", "usr/lib" }, { "lib64", "usr/lib64" }, { "lib32", "usr/lib32" },
	{ "libx32", "usr/libx32" }, { "var/run", "/run" }, { "etc/mtab", "/proc/self/mounts" } };
/* of /etc only what programs need to find names, times, certificates and alternatives */
static const char *const ETC[] = { "alternatives", "ca-certificates", "ssl/certs",
	"ssl/openssl.cnf", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "resolv.conf", "hosts",
	"host.conf", "gai.conf", "nsswitch.conf", "services", "protocols", "mime.types",
	"localtime", "timezone", "magic", "perl", "python3", "java-11-openjdk", "java-17-openjdk",
	"php", "lighttpd", "fonts" };

static bool make_root(const struct unit *u, const char *root, struct err *e)
{
	const char *passwd, *group;

	if (mkdir(root, 0755) < 0 && errno != EEXIST)
		return err_errno(e, "could not create folder \"%s\"", root);
	for (size_t i = 0; i < ARRAY_SIZE(FOLDERS); i++) {
		const char *path = arena_printf(u->a, "%s/%s", root, FOLDERS[i]);

		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return err_errno(e, "could not create folder \"%s\"", path);
	}
	for (size_t i = 0; i < ARRAY_SIZE(LINKS); i++)
		(void)!symlink(LINKS[i][1], arena_printf(u->a, "%s/%s", root, LINKS[i][0]));
	/* who am I: programs that ask find a name for the number */
	(void)!mkdir(arena_printf(u->a, "%s/etc/ssl", root), 0755);
	passwd = arena_printf(u->a, "root:x:0:0:root:/root:/bin/sh\napp:x:%u:%u:app:/app:/bin/sh\n",
		u->uid, u->uid);
	group = arena_printf(u->a, "root:x:0:\napp:x:%u:\n", u->uid);
	return file_replace(arena_printf(u->a, "%s/etc/passwd", root), passwd, strlen(passwd), 0644,
		       e) &&
	       file_replace(
		       arena_printf(u->a, "%s/etc/group", root), group, strlen(group), 0644, e);
}

/* ---- config.json ---- */

static void text(struct buf *b, const char *s)
{
	buf_json(b, s, strlen(s));
}

static void strings(struct buf *b, const char *name, const struct unit_words *w)
{
	buf_printf(b, ",\"%s\":[", name);
	for (size_t i = 0; i < w->n; i++) {
		if (i)
			buf_putc(b, ',');
		text(b, w->v[i]);
	}
	buf_putc(b, ']');
}

static void put_limits(struct buf *b, const struct unit *u)
{
	static const char *const names[RLIM_NLIMITS] = { [RLIMIT_CPU] = "CPU",
		[RLIMIT_FSIZE] = "FSIZE",
		[RLIMIT_DATA] = "DATA",
		[RLIMIT_STACK] = "STACK",
		[RLIMIT_CORE] = "CORE",
		[RLIMIT_RSS] = "RSS",
		[RLIMIT_NOFILE] = "NOFILE",
		[RLIMIT_AS] = "AS",
		[RLIMIT_NPROC] = "NPROC",
		[RLIMIT_MEMLOCK] = "MEMLOCK",
		[RLIMIT_LOCKS] = "LOCKS",
		[RLIMIT_SIGPENDING] = "SIGPENDING",
		[RLIMIT_MSGQUEUE] = "MSGQUEUE",
		[RLIMIT_NICE] = "NICE",
		[RLIMIT_RTPRIO] = "RTPRIO",
		[RLIMIT_RTTIME] = "RTTIME" };
	bool first = true;

	buf_puts(b, ",\"rlimits\":[");
	for (int i = 0; i < (int)RLIM_NLIMITS; i++) {
		struct rlimit l;

		if (!sandbox_limit(u, i, &l))
			continue;
		buf_printf(b, "%s{\"type\":\"RLIMIT_%s\",\"soft\":%llu,\"hard\":%llu}",
			first ? "" : ",", names[i], (unsigned long long)l.rlim_cur,
			(unsigned long long)l.rlim_max);
		first = false;
	}
	buf_putc(b, ']');
}

static void put_process(struct buf *b, const struct unit *u, const struct unit_words *argv,
	const struct unit_words *env)
{
	buf_printf(b,
		"{\"user\":{\"uid\":%u,\"gid\":%u},\"cwd\":\"/\",\"noNewPrivileges\":true,"
		"\"capabilities\":{\"bounding\":[],\"effective\":[],\"inheritable\":[],"
		"\"permitted\":[],\"ambient\":[]},\"oomScoreAdj\":%d",
		u->uid, u->uid, sandbox_oom_score(u));
	strings(b, "args", argv);
	strings(b, "env", env);
	put_limits(b, u);
	buf_putc(b, '}');
}

static void put_mount(
	struct buf *b, const char *to, const char *type, const char *from, const char *options)
{
	buf_printf(b, ",{\"destination\":");
	text(b, to);
	buf_printf(b, ",\"type\":\"%s\",\"source\":", type);
	text(b, from);
	buf_puts(b, ",\"options\":[");
	for (const char *p = options; *p;) {
		size_t n = strcspn(p, ",");

		if (p != options)
			buf_putc(b, ',');
		buf_json(b, p, n);
		p += n + (p[n] == ',');
	}
	buf_puts(b, "]}");
}

static void put_mounts(struct buf *b, const struct unit *u, const struct unit_mount *m, size_t n)
{
	buf_puts(b, "\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\","
		    "\"options\":[\"nosuid\",\"noexec\",\"nodev\"]}");
	put_mount(b, "/dev", "tmpfs", "tmpfs", "nosuid,noexec,strictatime,mode=755,size=64k");
	put_mount(b, "/dev/pts", "devpts", "devpts",
		"nosuid,noexec,newinstance,ptmxmode=0666,mode=0620");
	put_mount(b, "/dev/shm", "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777,size=64m");
	put_mount(b, "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev");
	put_mount(b, "/usr", "bind", "/usr", "rbind,ro,nosuid,nodev");
	for (size_t i = 0; i < ARRAY_SIZE(ETC); i++) {
		const char *path = arena_printf(u->a, "/etc/%s", ETC[i]);
		char *real = realpath(path, NULL);

		if (real)
			put_mount(b, path, "bind", real, "rbind,ro,nosuid,nodev,noexec");
		free(real);
	}
	put_mount(b, "/run", "tmpfs", "tmpfs", "nosuid,nodev,mode=755,size=1m");
	put_mount(b, "/tmp", "tmpfs", "tmpfs", "nosuid,nodev,mode=1777,size=64m");
	put_mount(b, "/var/tmp", "tmpfs", "tmpfs", "nosuid,nodev,mode=1777,size=64m");
	put_mount(b, "/run/nap-init", "bind", arena_printf(u->a, "%s/nap-run", u->tools),
		"bind,ro,nosuid,nodev");
	for (size_t i = 0; i < n; i++) {
		if (m[i].tmpfs)
			put_mount(b, m[i].to, "tmpfs", "tmpfs", "nosuid,nodev,mode=1777,size=64m");
		else
			put_mount(b, m[i].to, "bind", m[i].from,
				m[i].read_only ? "rbind,ro,nosuid,nodev" : "rbind,rw,nosuid,nodev");
	}
	buf_putc(b, ']');
}

static void put_paths(struct buf *b, const struct unit *u, enum unit_path_kind kind,
	const char *name, const char *const *more)
{
	struct unit_words w = { 0 };

	for (; *more; more++)
		unit_words_add(&w, u->a, *more);
	for (size_t i = 0; i < u->options.paths.n; i++)
		if (u->options.paths.v[i].kind == kind)
			unit_words_add(&w, u->a, u->options.paths.v[i].to);
	strings(b, name, &w);
}

static bool write_config(const struct unit *u, const struct unit_words *argv,
	const struct unit_words *env, struct err *e)
{
	static const char *const masked[] = { "/proc/acpi", "/proc/asound", "/proc/kcore",
		"/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
		"/proc/sched_debug", "/proc/scsi", NULL };
	static const char *const read_only[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
		"/proc/sysrq-trigger", NULL };
	auto_buf struct buf b = { 0 };
	struct unit_mount *m;
	size_t n;

	buf_init(&b, MAX_CONFIG);
	if (!sandbox_mounts(u, &m, &n, e))
		return false;
	buf_puts(&b, "{\"ociVersion\":\"1.0.0\",\"hostname\":\"nap\",\"root\":{\"path\":");
	text(&b, unit_path(u, "rootfs"));
	buf_puts(&b, ",\"readonly\":true},\"process\":");
	put_process(&b, u, argv, env);
	buf_putc(&b, ',');
	put_mounts(&b, u, m, n);
	buf_puts(&b, ",\"linux\":{\"cgroupsPath\":");
	text(&b, u->cgroup);
	buf_puts(&b, ",\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},"
		     "{\"type\":\"mount\"},{\"type\":\"cgroup\"}");
	if (u->options.private_network)
		buf_puts(&b, ",{\"type\":\"network\"}");
	buf_putc(&b, ']');
	sandbox_resources(&b, &u->options, "/sys/fs/cgroup");
	put_paths(&b, u, UNIT_PATH_HIDDEN, "maskedPaths", masked);
	put_paths(&b, u, UNIT_PATH_RO, "readonlyPaths", read_only);
	buf_puts(&b, ",\"seccomp\":");
	seccomp_json(&b);
	buf_puts(&b, "}}");
	if (b.failed)
		return err_set(
			e, ERR_TOO_LARGE, "too_large", "the unit's environment is too large");
	return file_replace(unit_path(u, "config.json"), b.data, b.len, 0600, e);
}

/* ---- crun ---- */

static const char *const ENV[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL
};

static bool crun(const struct unit *u, int pass_fd, const char *const *words, struct err *e)
{
	struct unit_words v = { 0 };
	int status;

	unit_words_add(&v, u->a, "crun");
	unit_words_add(&v, u->a, arena_printf(u->a, "--root=%s/crun", u->agent));
	unit_words_add(&v, u->a, "--cgroup-manager=cgroupfs");
	for (; *words; words++)
		unit_words_add(&v, u->a, *words);
	if (!spawn_wait(&(struct spawn){ .path = "crun",
				.argv = v.v,
				.env = ENV,
				.dir = "/",
				.pass_fd = pass_fd },
		    CRUN_MS, &status, e))
		return false;
	return status == 0 || err_set(e, ERR_UPSTREAM, "not_started",
				      "crun could not make the sandbox (status %d)", status);
}

static bool read_pid(const struct unit *u, const char *file, pid_t *ret, struct err *e)
{
	int64_t pid;
	char *number;

	if (!file_read(file, 32, u->a, &number, NULL, e))
		return false;
	number[strcspn(number, " \n")] = '\0';
	if (!parse_i64(number, 2, INT_MAX, &pid))
		return err_set(e, ERR_UPSTREAM, "not_started", "crun told no process id");
	(void)unlink(file);
	*ret = (pid_t)pid;
	return true;
}

bool crun_start(const struct unit *u, const struct unit_words *argv, const struct unit_words *env,
	int status_fd, struct sandbox *ret, struct err *e)
{
	const char *pid_file = unit_path(u, "pid");
	const char *const words[] = { "run", "--detach", "--preserve-fds=1", "--pid-file", pid_file,
		"--bundle", u->dir, u->folder, NULL };
	struct sandbox b = { 0 };

	if (!make_root(u, unit_path(u, "rootfs"), e) || !write_config(u, argv, env, e) ||
		!crun(u, status_fd, words, e) || !read_pid(u, pid_file, &b.pid, e))
		return false;
	b.init = b.pid;
	*ret = b;
	return true;
}

bool crun_exec(const struct unit *u, const struct unit_words *argv, const struct unit_words *env,
	int status_fd, struct sandbox *ret, struct err *e)
{
	const char *pid_file = unit_path(u, "pid"), *process = unit_path(u, "process.json");
	const char *const words[] = { "exec", "--detach", "--preserve-fds=1", "--pid-file",
		pid_file, "--process", process, u->folder, NULL };
	auto_buf struct buf b = { 0 };
	struct sandbox box = { 0 };

	buf_init(&b, MAX_CONFIG);
	put_process(&b, u, argv, env);
	if (!file_replace(process, b.data, b.len, 0600, e) || !crun(u, status_fd, words, e) ||
		!read_pid(u, pid_file, &box.pid, e))
		return false;
	box.init = box.pid;
	*ret = box;
	return true;
}

void crun_delete(const struct unit *u)
{
	const char *const words[] = { "delete", "--force", u->folder, NULL };
	struct err ignored;
	struct stat st;

	/* nothing to delete: do not spend a process on it */
	if (stat(arena_printf(u->a, "%s/crun/%s", u->agent, u->folder), &st) < 0)
		return;
	(void)!crun(u, 0, words, &ignored);
}
