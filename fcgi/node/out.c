#include "node/out.h"

#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DATA "../data/" /* what a unit's link to its app's data begins with */

/* ---- which units ---- */

bool out_name(struct arena *a, const char *unit, struct out_unit *ret)
{
	const char *dot = strchr(unit, '.'), *at = strchr(unit, '@'), *v;
	struct slice release, number;

	if (!dot || !at || at < dot || !ends_with(at, ".service"))
		return false;
	for (v = at; v > dot && *v != '.'; v--)
		;
	release = (struct slice){ v + 2, (size_t)MAX(at - v - 2, (ptrdiff_t)0) };
	number = (struct slice){ at + 1, strlen(at + 1) - strlen(".service") };
	ret->folder = unit;
	ret->stem = arena_strndup(a, unit, (size_t)(v - unit));
	ret->app = ret->stem + MIN(dot + 1 - unit, v - unit);
	return v > dot && v[1] == 'v' && *ret->app && !strchr(ret->app, '.') &&
	       !strchr(ret->app, '/') && parse_slice_i64(release, 1, INT64_MAX, &ret->release) &&
	       parse_slice_i64(number, 1, INT64_MAX, &ret->number);
}

int64_t out_app_id(const char *home, const char *unit)
{
	auto_free char *link = xasprintf("%s/%s/data", home, unit);
	char to[sizeof DATA - 1 + 24];
	ssize_t n = readlink(link, to, sizeof to - 1);
	int64_t id;

	if (n < 0)
		return 0;
	to[n] = '\0';
	return starts_with(to, DATA) && parse_i64(to + sizeof DATA - 1, 1, INT64_MAX, &id) ? id : 0;
}

struct range {
	int64_t from, to;
};

static bool parse_ranges(struct arena *a, const char *text, struct range **ret, size_t *ret_n)
{
	struct range *list = arena_alloc(a, (strlen(text) / 2 + 1) * sizeof *list);
	size_t n = 0;

	while (*text) {
		size_t len = strcspn(text, ","), first = MIN(strcspn(text, "-"), len);
		struct range *r = &list[n++];

		if (!parse_slice_i64((struct slice){ text, first }, 1, INT64_MAX, &r->from))
			return false;
		r->to = r->from;
		if (first < len &&
			!parse_slice_i64((struct slice){ text + first + 1, len - first - 1 },
				r->from, INT64_MAX, &r->to))
			return false;
		text += len + (text[len] == ',');
	}
	*ret = list;
	*ret_n = n;
	return true;
}

static bool within(const struct range *list, size_t n, int64_t id)
{
	for (size_t i = 0; i < n; i++)
		if (id >= list[i].from && id <= list[i].to)
			return true;
	return false;
}

/* the newest release of an instance first */
static int compare_units(const void *x, const void *y)
{
	const struct out_unit *a = x, *b = y;
	int n = strcmp(a->stem, b->stem);

	if (n == 0)
		n = (a->number > b->number) - (a->number < b->number);
	return n ? n : (a->release < b->release) - (a->release > b->release);
}

/* all that left anything, of the apps in ids or of each (NULL) */
static struct out_unit *units_in(
	struct arena *a, const char *home, const struct range *ids, size_t ids_n, size_t *ret_n)
{
	auto_dir DIR *d = opendir(home);
	const struct dirent *de;
	struct out_unit *list = NULL;
	size_t n = 0, size = 0;

	while (d && (de = readdir(d))) {
		struct out_unit u;

		if (!out_name(a, de->d_name, &u) ||
			(ids && !within(ids, ids_n, out_app_id(home, de->d_name))) ||
			!folder_has_any(dirfd(d), arena_printf(a, "%s/out", de->d_name)))
			continue;
		if (n == size) {
			size = MAX(size * 2, (size_t)64);
			list = xrealloc_array(list, size, sizeof *list);
		}
		u.folder = arena_strdup(a, de->d_name);
		list[n++] = u;
	}
	*ret_n = n;
	return list;
}

static void newest(
	struct arena *a, struct out_unit *list, size_t n, struct out_unit **ret, size_t *ret_n)
{
	size_t kept = 0;

	if (n)
		qsort(list, n, sizeof *list, compare_units);
	*ret = arena_alloc(a, (n + 1) * sizeof **ret);
	for (size_t i = 0; i < n; i++)
		if (!kept || !streq(list[i].stem, (*ret)[kept - 1].stem) ||
			list[i].number != (*ret)[kept - 1].number)
			(*ret)[kept++] = list[i];
	*ret_n = kept;
}

void out_find(struct arena *a, const char *home, struct out_unit **ret, size_t *ret_n)
{
	size_t n;
	auto_free struct out_unit *list = units_in(a, home, NULL, 0, &n);

	newest(a, list, n, ret, ret_n);
}

bool out_find_of(
	struct arena *a, const char *home, const char *ranges, struct out_unit **ret, size_t *ret_n)
{
	auto_free struct out_unit *list = NULL;
	struct range *ids;
	size_t ids_n, n;

	if (!parse_ranges(a, ranges, &ids, &ids_n))
		return false;
	list = units_in(a, home, ids, ids_n, &n);
	newest(a, list, n, ret, ret_n);
	return true;
}

/* ---- with the rights of its user ---- */

/* the unit's folder, open; its user's rights are ours until as_ourselves() */
static int open_as_user(const char *home, const struct out_unit *u)
{
	auto_free char *path = xasprintf("%s/%s/out", home, u->folder);
	auto_fd int fd = folder_open(AT_FDCWD, path);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (getuid() == 0 && st.st_uid != 0 && (setegid(st.st_gid) < 0 || seteuid(st.st_uid) < 0))
		return -1;
	return steal_fd(&fd);
}

static void as_ourselves(void)
{
	if (getuid() == 0 && (seteuid(0) < 0 || setegid(0) < 0))
		abort();
}

static int open_file(int at, const char *path, struct stat *ret)
{
	const struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV };
	auto_fd int fd = -1;

	/* looked at first: what is no file is not even opened; and again behind open */
	if (fstatat(at, path, ret, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(ret->st_mode))
		return -1;
	fd = (int)syscall(SYS_openat2, at, path, &how, sizeof how);
	return fd >= 0 && fstat(fd, ret) == 0 && S_ISREG(ret->st_mode) ? steal_fd(&fd) : -1;
}

int out_open(const char *home, const struct out_unit *u, const char *path, struct stat *ret_st)
{
	auto_fd int at = open_as_user(home, u);
	int fd = at >= 0 && *path ? open_file(at, path, ret_st) : -1;

	as_ourselves();
	return fd;
}

/* ---- walking ---- */

struct walk {
	out_fn *fn;
	void *ctx;
	char path[OUT_PATH_MAX + 1];
};

int out_compare(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	if (*a == *b)
		return 0;
	if (*a == '\0' || *b == '\0')
		return *a ? 1 : -1;
	if (*a == '/' || *b == '/')
		return *a == '/' ? -1 : 1;
	return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
}

static int compare_names(const void *x, const void *y)
{
	return strcmp(*(char *const *)x, *(char *const *)y);
}

static char **names_of(int fd, size_t *ret_n)
{
	int again = folder_open(fd, ".");
	auto_dir DIR *d = again >= 0 ? fdopendir(again) : NULL;
	const struct dirent *de;
	char **list = NULL;
	size_t n = 0, size = 0;

	while (d && (de = readdir(d))) {
		if (is_dot(de->d_name))
			continue;
		if (n == size) {
			size = MAX(size * 2, (size_t)64);
			list = xrealloc_array(list, size, sizeof *list);
		}
		list[n++] = xstrdup(de->d_name);
	}
	if (n)
		qsort(list, n, sizeof *list, compare_names);
	*ret_n = n;
	return list;
}

static bool walk_folder(struct walk *w, int at, size_t len, int depth);

static bool walk_entry(struct walk *w, int at, const char *name, size_t len, int depth)
{
	size_t n = strlen(name);
	auto_fd int fd = -1;
	struct stat st;

	if (len + n + 1 > OUT_PATH_MAX)
		return true;
	memcpy(w->path + len, name, n + 1);
	fd = open_file(at, name, &st);
	if (fd >= 0)
		return w->fn(w->ctx, w->path, fd, &st);
	fd = depth < OUT_DEPTH ? folder_open(at, name) : -1;
	if (fd < 0)
		return true;
	memcpy(w->path + len + n, "/", 2);
	return walk_folder(w, fd, len + n + 1, depth + 1);
}

static bool walk_folder(struct walk *w, int at, size_t len, int depth)
{
	size_t n;
	char **names = names_of(at, &n);
	bool ok = true;

	for (size_t i = 0; i < n; i++) {
		ok = ok && walk_entry(w, at, names[i], len, depth);
		free(names[i]);
	}
	free(names);
	return ok;
}

bool out_walk(const char *home, const struct out_unit *u, out_fn *fn, void *ctx)
{
	auto_free struct walk *w = xcalloc(1, sizeof *w);
	auto_fd int fd = open_as_user(home, u);
	bool ok;

	w->fn = fn;
	w->ctx = ctx;
	ok = fd < 0 || walk_folder(w, fd, 0, 0);
	as_ourselves();
	return ok;
}
