#include "agent/journal.h"

#include "agent/journal_streams.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <sys/inotify.h>
#include <sys/stat.h>

struct journal {
	char *dir;
	struct log_stream **stream;
	size_t n, size;
	unsigned int generation; /* grows when streams come or go */
	int inotify;
};

struct journal *journal_new(const char *dir)
{
	struct journal *j = xcalloc(1, sizeof *j);

	j->dir = xstrdup(dir);
	j->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	return j;
}

void journal_free(struct journal *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->n; i++)
		log_stream_unref(j->stream[i]);
	if (j->inotify >= 0)
		(void)close(j->inotify);
	free(j->stream);
	free(j->dir);
	free(j);
}

unsigned int journal_generation(const struct journal *j)
{
	return j->generation;
}

size_t journal_streams(const struct journal *j)
{
	return j->n;
}

struct log_stream *journal_stream(const struct journal *j, size_t i)
{
	return j->stream[i];
}

static void watch(struct journal *j, struct log_stream *s)
{
	uint32_t mask = IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR;

	/* asked for again it is the same watch, or one of a folder that was made anew */
	s->watch_kept = inotify_add_watch(j->inotify, s->log, mask);
	s->watch = s->events ? inotify_add_watch(j->inotify, s->unit, mask) : -1;
	s->seq++;
}

static void add(struct journal *j, const char *name, const char *folder, bool events, uid_t uid)
{
	struct log_stream *s = log_stream_new(j->dir, name, folder, events, uid);

	if (j->n == j->size) {
		j->size = MAX(j->size * 2, (size_t)64);
		j->stream = xrealloc_array(j->stream, j->size, sizeof(struct log_stream *));
	}
	j->stream[j->n++] = s;
	j->generation++;
	watch(j, s);
}

void journal_unit(struct journal *j, const char *name, const char *folder, uid_t uid)
{
	bool known = false;

	for (size_t i = 0; i < j->n; i++) {
		struct log_stream *s = j->stream[i];

		if (!streq(s->name, name))
			continue;
		known = true;
		s->uid = uid;
		watch(j, s);
	}
	if (known)
		return;
	add(j, name, folder, false, uid);
	add(j, name, folder, true, uid);
}

static void forget(struct journal *j, const char *folder)
{
	size_t kept = 0;

	for (size_t i = 0; i < j->n; i++) {
		struct log_stream *s = j->stream[i];

		if (streq(s->folder, folder)) {
			s->gone = true;
			log_stream_unref(s);
		} else {
			j->stream[kept++] = s;
		}
	}
	j->n = kept;
	j->generation++;
}

static bool known(const struct journal *j, const char *folder)
{
	for (size_t i = 0; i < j->n; i++) {
		if (streq(j->stream[i]->folder, folder))
			return true;
	}
	return false;
}

/* the newest change below the folder */
static int64_t touched(const char *path)
{
	static const char *const files[] = { "", "/current", "/events" };
	int64_t last = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		auto_free char *file = xasprintf("%s%s", path, files[i]);
		struct stat st;

		if (stat(file, &st) == 0)
			last = MAX(last, (int64_t)st.st_mtim.tv_sec);
	}
	return last;
}

void journal_tidy(struct journal *j, bool (*is_unit)(void *ctx, const char *folder), void *ctx)
{
	auto_free char *logs = xasprintf("%s/log", j->dir);
	auto_dir DIR *d = opendir(logs);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		auto_free char *path = xasprintf("%s/%s", logs, de->d_name);
		auto_free char *named = xasprintf("%s/name", path), *name = NULL;
		auto_arena struct arena a = { 0 };
		struct err e = { 0 };
		char *text;

		if (is_dot(de->d_name) || is_unit(ctx, de->d_name))
			continue;
		if (clock_now() - touched(path) > JOURNAL_KEEP_S) {
			forget(j, de->d_name);
			if (!tree_remove(path, &e))
				LOG(WARNING, "agent.log_remove", KV("folder", path),
					KV("why", e.msg));
			continue;
		}
		if (known(j, de->d_name))
			continue;
		if (file_read(named, 300, &a, &text, NULL, &e))
			name = xstrdup(text);
		journal_unit(j, name ? name : de->d_name, de->d_name, 0);
	}
}

bool journal_look(struct journal *j)
{
	char raw[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool some = false;
	ssize_t n;

	while ((n = read(j->inotify, raw, sizeof raw)) > 0) {
		for (char *p = raw; p < raw + n;) {
			const struct inotify_event *ev = (const struct inotify_event *)p;

			p += sizeof *ev + ev->len;
			for (size_t i = 0; i < j->n; i++) {
				struct log_stream *s = j->stream[i];

				if (ev->wd != s->watch && ev->wd != s->watch_kept && ev->wd >= 0)
					continue;
				s->seq++; /* a full queue has wd -1: all of them */
				some = true;
			}
		}
	}
	return some;
}
