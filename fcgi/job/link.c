#include "job/link.h"

#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>

#define MAX_THREADS 4

/* folders that wait to be linked, as paths below both roots; "" is the roots themselves */
struct linking {
	int from, to;
	pthread_mutex_t lock;
	pthread_cond_t change;
	char **waiting;
	size_t n, size;
	int busy; /* threads that may yet find folders */
	bool failed;
	struct err why;
};

static void put(struct linking *l, char *path)
{
	(void)pthread_mutex_lock(&l->lock);
	if (l->n == l->size) {
		l->size = MAX(l->size * 2, (size_t)64);
		l->waiting = xrealloc_array(l->waiting, l->size, sizeof *l->waiting);
	}
	l->waiting[l->n++] = path;
	(void)pthread_cond_signal(&l->change);
	(void)pthread_mutex_unlock(&l->lock);
}

/* the next folder, or NULL when there is nothing more to come; its end is told by done */
static char *take(struct linking *l)
{
	char *path = NULL;

	(void)pthread_mutex_lock(&l->lock);
	while (l->n == 0 && l->busy > 0 && !l->failed)
		(void)pthread_cond_wait(&l->change, &l->lock);
	if (l->n > 0 && !l->failed) {
		path = l->waiting[--l->n];
		l->busy++;
	}
	(void)pthread_mutex_unlock(&l->lock);
	return path;
}

static void done(struct linking *l, const struct err *why)
{
	(void)pthread_mutex_lock(&l->lock);
	l->busy--;
	if (why && !l->failed) {
		l->failed = true;
		l->why = *why;
	}
	(void)pthread_cond_broadcast(&l->change);
	(void)pthread_mutex_unlock(&l->lock);
}

static bool link_entry(struct linking *l, const char *path, int from, int to,
	const struct dirent *entry, struct err *e)
{
	struct stat st;
	bool folder = entry->d_type == DT_DIR;

	if (entry->d_type == DT_UNKNOWN) /* file systems that do not tell */
		folder = fstatat(from, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			 S_ISDIR(st.st_mode);
	if (!folder)
		return linkat(from, entry->d_name, to, entry->d_name, 0) == 0 ||
		       err_errno(e, "could not link \"%s/%s\"", path, entry->d_name);
	/* the umask is the process's, the mode is not */
	if (mkdirat(to, entry->d_name, 0700) < 0 || fchmodat(to, entry->d_name, 0777, 0) < 0)
		return err_errno(e, "could not make folder \"%s/%s\"", path, entry->d_name);
	put(l, xasprintf("%s%s%s", path, path[0] ? "/" : "", entry->d_name));
	return true;
}

static bool link_one(struct linking *l, const char *path, struct err *e)
{
	auto_fd int to = folder_open(l->to, path[0] ? path : ".");
	int from = folder_open(l->from, path[0] ? path : ".");
	auto_dir DIR *d = from >= 0 ? fdopendir(from) : NULL;
	const struct dirent *entry;

	if (!d || to < 0) {
		if (!d && from >= 0)
			(void)close(from);
		return err_errno(e, "could not open folder \"%s\"", path);
	}
	while ((entry = readdir(d)))
		if (!is_dot(entry->d_name) && !link_entry(l, path, from, to, entry, e))
			return false;
	return true;
}

static void *work(void *ctx)
{
	struct linking *l = ctx;
	char *path;

	while ((path = take(l))) {
		struct err e;

		done(l, link_one(l, path, &e) ? NULL : &e);
		free(path);
	}
	return NULL;
}

bool link_folder(const char *from, const char *to, struct err *e)
{
	auto_fd int from_fd = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_fd int to_fd = -1;
	struct linking l = { .lock = PTHREAD_MUTEX_INITIALIZER,
		.change = PTHREAD_COND_INITIALIZER };
	long more = MIN(sysconf(_SC_NPROCESSORS_ONLN), MAX_THREADS) - 1;
	pthread_t threads[MAX_THREADS];
	int started = 0;

	if (from_fd < 0)
		return err_errno(e, "could not open folder \"%s\"", from);
	if (mkdir(to, 0700) < 0 || chmod(to, 0777) < 0)
		return err_errno(e, "could not make folder \"%s\"", to);
	to_fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (to_fd < 0)
		return err_errno(e, "could not open folder \"%s\"", to);
	l.from = from_fd;
	l.to = to_fd;
	put(&l, xasprintf("%s", ""));
	while (started < more && pthread_create(&threads[started], NULL, work, &l) == 0)
		started++;
	(void)work(&l); /* alone where no thread could be had */
	for (int i = 0; i < started; i++)
		(void)pthread_join(threads[i], NULL);
	while (l.n > 0)
		free(l.waiting[--l.n]);
	free(l.waiting);
	if (l.failed)
		*e = l.why;
	return !l.failed;
}
