#include "base/buf.h"
#include "base/file.h"
#include "base/text.h"
#include "node/files.h"
#include "node/node.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define MAX_ANSWER (16 * 1024 * 1024)
#define MAX_FDS	   4096 /* of one process that are looked at */

/* a unit that runs */
struct watched {
	const char *name, *invocation;
	const char *shared; /* what its link to data or cache says; NULL: none */
	int64_t limit, floor;
	uid_t uid; /* 0: not its own */
	struct stat exit;
	struct disk_count count;
};

struct shared {
	const char *to;
	int64_t bytes;
};

struct watch {
	struct node *n;
	struct watched *v;
	size_t len, size;
	struct shared *shared;
	size_t shared_n;
};

static bool first_word(struct node *n, const char *path, const char **ret)
{
	struct err ignored;
	char *text;

	if (!file_read(path, 256, n->a, &text, NULL, &ignored))
		return false;
	text[strcspn(text, " \n")] = '\0';
	*ret = text;
	return true;
}

/* false: it does not run, or nobody has said how much it may take */
static bool look_at(struct node *n, const char *name, struct watched *ret)
{
	const char *dir = arena_printf(n->a, "%s/%s", n->home, name), *word;
	struct watched u = { .name = arena_strdup(n->a, name) };
	struct node one = { .a = n->a, .dir = dir };
	char to[256];
	ssize_t len;
	int64_t uid;

	if (!first_word(n, arena_printf(n->a, "%s/alive", dir), &u.invocation) || !*u.invocation ||
		!node_limit_read(&one, &u.limit, &u.floor))
		return false;
	if (first_word(n, arena_printf(n->a, "%s/uid", dir), &word) &&
		parse_i64(word, 1, UINT32_MAX, &uid) && (uid_t)uid != geteuid())
		u.uid = (uid_t)uid;
	if (lstat(arena_printf(n->a, "%s/exit", dir), &u.exit) < 0)
		return false;
	for (int i = 0; i < 2 && !u.shared; i++) {
		len = readlink(
			arena_printf(n->a, "%s/%s", dir, i ? "cache" : "data"), to, sizeof to);
		if (len > 3 && len < (ssize_t)sizeof to && strncmp(to, "../", 3) == 0)
			u.shared = arena_strndup(n->a, to + 3, (size_t)len - 3);
	}
	*ret = u;
	return true;
}

static void find_units(struct watch *w)
{
	auto_dir DIR *d = opendir(w->n->home);
	const struct dirent *de;

	while (d && (de = readdir(d))) {
		if (!ends_with(de->d_name, ".service") || de->d_name[0] == '.')
			continue;
		if (w->len == w->size) {
			w->size = MAX(w->size * 2, (size_t)64);
			w->v = xrealloc_array(w->v, w->size, sizeof *w->v);
		}
		w->len += look_at(w->n, de->d_name, &w->v[w->len]);
	}
}

/* measured once, whoever shares it */
static int64_t shared_bytes(struct watch *w, const char *to, int64_t most)
{
	struct disk_count c = { 0 };

	for (size_t i = 0; i < w->shared_n; i++)
		if (streq(w->shared[i].to, to))
			return w->shared[i].bytes;
	files_measure(&c, arena_printf(w->n->a, "%s/%s", w->n->home, to), most);
	w->shared[w->shared_n] = (struct shared){ to, disk_count_end(&c) };
	return w->shared[w->shared_n++].bytes;
}

/* Whose a process is: by its user, or by what is mounted in its sandbox; NULL: none of ours */
static struct watched *owner(struct watch *w, const char *pid)
{
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof path, "/proc/%.20s", pid);
	if (stat(path, &st) < 0)
		return NULL;
	for (size_t i = 0; i < w->len; i++)
		if (w->v[i].uid && w->v[i].uid == st.st_uid)
			return &w->v[i];
	if (st.st_uid != w->n->uid)
		return NULL;
	(void)snprintf(path, sizeof path, "/proc/%.20s/root/run/nap-exit", pid);
	if (stat(path, &st) < 0)
		return NULL;
	for (size_t i = 0; i < w->len; i++)
		if (w->v[i].exit.st_ino == st.st_ino && w->v[i].exit.st_dev == st.st_dev)
			return &w->v[i];
	return NULL;
}

/* files without a name that a process holds open; what lies in memory is its memory's */
static void add_open(struct watched *u, const char *pid)
{
	char path[64];
	DIR *d;
	const struct dirent *de;
	int left = MAX_FDS;

	(void)snprintf(path, sizeof path, "/proc/%.20s/fd", pid);
	d = opendir(path);
	while (d && left-- > 0 && u->count.bytes <= u->limit && (de = readdir(d))) {
		struct statfs fs;
		struct stat st;
		char file[96];

		if (fstatat(dirfd(d), de->d_name, &st, 0) < 0 || !S_ISREG(st.st_mode) ||
			st.st_nlink > 0)
			continue;
		(void)snprintf(file, sizeof file, "%s/%.20s", path, de->d_name);
		if (statfs(file, &fs) == 0 && fs.f_type != TMPFS_MAGIC)
			disk_count_name(&u->count, &st);
	}
	if (d)
		(void)closedir(d);
}

static void add_processes(struct watch *w)
{
	auto_dir DIR *d = opendir("/proc");
	const struct dirent *de;

	while (d && (de = readdir(d))) {
		struct watched *u =
			de->d_name[0] > '0' && de->d_name[0] <= '9' ? owner(w, de->d_name) : NULL;

		if (u)
			add_open(u, de->d_name);
	}
}

static void add_folders(struct watch *w, struct watched *u, char *const *folders)
{
	static const char *const own[] = { "upper", "work", "out", "exit" };
	const char *dir = arena_printf(w->n->a, "%s/%s", w->n->home, u->name);
	const char *upper = arena_printf(w->n->a, "%s/upper", dir);

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		files_measure(&u->count, arena_printf(w->n->a, "%s/%s", dir, own[i]), u->limit);
	/* no overlay: a copy */
	if (access(upper, F_OK) < 0)
		files_measure(&u->count, arena_printf(w->n->a, "%s/view", dir), u->limit);
	for (; *folders; folders++)
		files_measure(
			&u->count, arena_printf(w->n->a, "%s/%s", *folders, u->name), u->limit);
	if (u->shared)
		u->count.bytes += shared_bytes(w, u->shared, u->limit);
}

int node_watch(struct node *n, char **folders)
{
	struct watch w = { .n = n };
	auto_buf struct buf b = { 0 };
	ssize_t done;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0L, 0L, 0L);
	(void)setpriority(PRIO_PROCESS, 0, 5);
	n->uid = geteuid();
	find_units(&w);
	w.shared = xcalloc(w.len + 1, sizeof *w.shared);
	for (size_t i = 0; i < w.len; i++)
		add_folders(&w, &w.v[i], folders);
	add_processes(&w);
	buf_init(&b, MAX_ANSWER);
	for (size_t i = 0; i < w.len; i++)
		buf_printf(&b, "%s %.64s %lld %lld %lld\n", w.v[i].name, w.v[i].invocation,
			(long long)disk_count_end(&w.v[i].count), (long long)w.v[i].limit,
			(long long)w.v[i].floor);
	free(w.shared);
	free(w.v);
	for (size_t at = 0; at < b.len; at += (size_t)done) {
		done = write(STDOUT_FILENO, b.data + at, b.len - at);
		if (done <= 0)
			return 1;
	}
	return 0;
}

/* ---- what a unit may take ---- */

static const char *limit_path(struct node *n)
{
	return arena_printf(n->a, "%s/limit", n->dir);
}

bool node_limit_read(struct node *n, int64_t *ret_limit, int64_t *ret_floor)
{
	struct err ignored;
	long long limit, floor;
	char *text;

	if (!file_read(limit_path(n), 256, n->a, &text, NULL, &ignored) ||
		sscanf(text, "%lld %lld", &limit, &floor) != 2 || limit <= 0 || floor < 0)
		return false;
	*ret_limit = limit;
	*ret_floor = floor;
	return true;
}

bool node_limit_keep(struct node *n, int64_t limit, int64_t floor, struct err *e)
{
	const char *text = arena_printf(n->a, "%lld %lld\n", (long long)limit, (long long)floor);

	return file_replace(limit_path(n), text, strlen(text), 0600, e);
}

int64_t node_kept_bytes(struct node *n, int64_t most)
{
	static const char *const kept[] = { "out", "exit", "data/." };
	struct disk_count c = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		files_measure(&c, arena_printf(n->a, "%s/%s", n->dir, kept[i]), most);
	return disk_count_end(&c);
}
