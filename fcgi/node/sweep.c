#include "base/buf.h"
#include "base/file.h"
#include "base/text.h"
#include "node/files.h"
#include "node/node.h"
#include "node/out.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define MAX_DISK  (16 * 1024 * 1024)
#define MAX_ASKED 10000
#define APP_SIZE  24

/* Nobody finds what is named so; a view that is still mounted is let go first, for it is the tree of others. */
static void remove_aside(const char *folder)
{
	auto_dir DIR *d = opendir(folder);
	const struct dirent *de;
	struct err e;

	while (d && (de = readdir(d))) {
		auto_free char *path = NULL, *view = NULL;

		if (!starts_with(de->d_name, ".old-"))
			continue;
		path = xasprintf("%s/%s", folder, de->d_name);
		view = xasprintf("%s/view", path);
		while (umount2(view, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
			;
		if (!files_remove(path, &e))
			(void)die(&e);
	}
}

/* ---- what apps keep ---- */

struct kept {
	char *app;
	struct disk_count count;
};

struct list {
	struct kept *v;
	size_t n, size;
};

static struct disk_count *count_of(struct list *l, const char *app)
{
	for (size_t i = 0; i < l->n; i++)
		if (streq(l->v[i].app, app))
			return &l->v[i].count;
	if (l->n == l->size) {
		l->size = MAX(l->size * 2, (size_t)16);
		l->v = xrealloc_array(l->v, l->size, sizeof *l->v);
	}
	l->v[l->n++] = (struct kept){ .app = xstrdup(app) };
	return &l->v[l->n - 1].count;
}

static bool is_id(const char *s)
{
	int64_t id;

	return parse_i64(s, 1, INT64_MAX, &id);
}

/* home/data/APP_ID */
static void add_data(const struct node *n, struct list *l)
{
	auto_free char *data = xasprintf("%s/data", n->home);
	auto_dir DIR *d = opendir(data);
	const struct dirent *de;

	while (d && (de = readdir(d))) {
		auto_free char *path = xasprintf("%s/%s", data, de->d_name);

		if (is_id(de->d_name))
			disk_count_add(count_of(l, de->d_name), path);
	}
}

/* ---- what destroyed apps kept ---- */

static bool app_of(const struct node *n, const char *unit, char ret[APP_SIZE])
{
	int64_t id = out_app_id(n->home, unit);

	(void)snprintf(ret, APP_SIZE, "%lld", (long long)id);
	return id > 0;
}

/* the folders of its units too: what they left in $NAP_OUT is kept for long */
static void put_units_aside(const struct node *n, const char *app)
{
	auto_dir DIR *d = opendir(n->home);
	const struct dirent *de;

	while (d && (de = readdir(d))) {
		auto_free char *aside = xasprintf(".old-%s", de->d_name);
		char whose[APP_SIZE];

		if (de->d_name[0] != '.' && app_of(n, de->d_name, whose) && streq(whose, app))
			(void)renameat(dirfd(d), de->d_name, dirfd(d), aside);
	}
}

static bool put_aside(const struct node *n, const char *app)
{
	auto_free char *from = xasprintf("%s/data/%s", n->home, app);
	auto_free char *to = xasprintf("%s/data/.old-%s", n->home, app);

	/* first, for it is the data that nap is asked about */
	put_units_aside(n, app);
	return rename(from, to) == 0 || errno == EEXIST || errno == ENOTEMPTY;
}

/* a unit of the app is on the machine still: its user writes there */
static bool in_use(const struct node *n, const char *app)
{
	auto_dir DIR *d = opendir(n->home);
	const struct dirent *de;

	while (d && (de = readdir(d))) {
		auto_free char *alive = xasprintf("%s/%s/alive", n->home, de->d_name);
		char whose[APP_SIZE];

		if (app_of(n, de->d_name, whose) && streq(whose, app) && access(alive, F_OK) == 0)
			return true;
	}
	return false;
}

/* Only nap knows, and it names only those that it has destroyed: what is unknown to it stays. */
static void drop_destroyed(struct node *n)
{
	auto_free char *data = xasprintf("%s/data", n->home);
	auto_dir DIR *d = opendir(data);
	json_t *apps = json_array(), *body, *answer = NULL, *id;
	const struct dirent *de;
	auto_free char *text = NULL;
	size_t i;

	while (d && (de = readdir(d)) && json_array_size(apps) < MAX_ASKED)
		if (is_id(de->d_name))
			(void)json_array_append_new(apps, json_string(de->d_name));
	body = json_pack("{s:o}", "apps", apps);
	text = json_dumps(body, JSON_COMPACT);
	if (json_array_size(apps) && node_ask(n, "/node/v1/data", text, &answer) == ANSWER_OK)
		json_array_foreach (json_object_get(answer, "destroyed"), i, id) {
			const char *app = json_string_value(id);

			if (app && is_id(app) && !in_use(n, app) && !put_aside(n, app))
				(void)fprintf(stderr,
					"nap-node: could not remove the data of app %s\n", app);
		}
	json_decref(body);
	json_decref(answer);
	remove_aside(data);
	remove_aside(n->home);
}

/* home/UNIT/out */
static void add_outputs(const struct node *n, struct list *l)
{
	auto_dir DIR *d = opendir(n->home);
	const struct dirent *de;

	while (d && (de = readdir(d))) {
		auto_free char *out = xasprintf("%s/%s/out", n->home, de->d_name);
		char whose[APP_SIZE];

		if (app_of(n, de->d_name, whose))
			disk_count_add(count_of(l, whose), out);
	}
}

static bool measure(const struct node *n, struct err *e)
{
	auto_free char *path = xasprintf("%s/disk", n->home);
	auto_buf struct buf b = { 0 };
	struct list l = { 0 };

	add_data(n, &l);
	add_outputs(n, &l);
	buf_init(&b, MAX_DISK);
	for (size_t i = 0; i < l.n; i++) {
		buf_printf(&b, "%s{\"app\":%s,\"bytes\":%lld}", i ? "," : "[", l.v[i].app,
			(long long)disk_count_end(&l.v[i].count));
		free(l.v[i].app);
	}
	buf_puts(&b, l.n ? "]\n" : "[]\n");
	free(l.v);
	return file_replace(path, b.data, b.len, 0600, e);
}

int node_sweep(struct node *n, char **folders)
{
	auto_free char *path = xasprintf("%s/.sweep", n->home);
	auto_fd int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct err e;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0L, 0L, 0L);
	(void)setpriority(PRIO_PROCESS, 0, 10);
	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0)
		return 0;
	remove_aside(n->home);
	remove_aside(n->run);
	for (; *folders; folders++)
		remove_aside(*folders);
	drop_destroyed(n);
	return measure(n, &e) ? 0 : die(&e);
}
