#include "agent/log_stream.h"

#include "agent/sha1.h"
#include "base/file.h"
#include "base/text.h"
#include "unit/unit_dir.h"

#include <sys/stat.h>

#define TAI_OFFSET 4611686018427387914LL /* 2^62 + 10, as runit writes it */
#define MARK	   (sizeof UNIT_LOG_MARK - 1)

static uint64_t id_of(const char *name, bool events)
{
	auto_free char *text = xasprintf("%s %s", events ? "events" : "output", name);
	char hash[SHA1_HEX_SIZE];

	sha1_hex(hash, text, strlen(text));
	hash[15] = '\0'; /* 60 bits */
	return strtoull(hash, NULL, 16);
}

struct log_stream *log_stream_new(
	const char *dir, const char *name, const char *folder, bool events, uid_t uid)
{
	struct log_stream *s = xcalloc(1, sizeof *s);

	*s = (struct log_stream){ .name = xstrdup(name),
		.folder = xstrdup(folder),
		.log = xasprintf("%s/log/%s", dir, folder),
		.unit = xasprintf("%s/unit/%s", dir, folder),
		.events = events,
		.uid = uid,
		.id = id_of(name, events),
		.watch = -1,
		.watch_kept = -1,
		.refs = 1 };
	return s;
}

void log_stream_unref(struct log_stream *s)
{
	if (--s->refs)
		return;
	free(s->name);
	free(s->folder);
	free(s->log);
	free(s->unit);
	free(s);
}

void log_files_release(struct log_files *f)
{
	while (f->n)
		free(f->path[--f->n]);
}

static void add_file(struct log_files *f, char *path)
{
	struct stat st;

	if (f->n == LOG_FILES_MAX || lstat(path, &st) < 0 || !S_ISREG(st.st_mode)) {
		free(path);
		return;
	}
	f->path[f->n] = path;
	f->inode[f->n] = st.st_ino;
	f->mtime[f->n++] = st.st_mtim.tv_sec;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_output(const struct log_stream *s, struct log_files *f)
{
	auto_dir DIR *d = opendir(s->log);
	char *old[LOG_FILES_MAX];
	struct dirent *de;
	size_t n = 0;

	while (d && (de = readdir(d)) && n < LOG_FILES_MAX) {
		/* "@40000…" and .s, or .u where svlogd was interrupted */
		if (de->d_name[0] == '@' &&
			(ends_with(de->d_name, ".s") || ends_with(de->d_name, ".u")))
			old[n++] = xasprintf("%s/%s", s->log, de->d_name);
	}
	qsort(old, n, sizeof *old, by_name);
	for (size_t i = 0; i < n; i++)
		add_file(f, old[i]);
	add_file(f, xasprintf("%s/current", s->log));
}

void log_files_list(const struct log_stream *s, struct log_files *f)
{
	f->n = 0;
	if (!s->events) {
		list_output(s, f);
		return;
	}
	add_file(f, xasprintf("%s/events.old", s->log));
	add_file(f, xasprintf("%s/events", s->log));
	add_file(f, xasprintf("%s/events.old", s->unit));
	add_file(f, xasprintf("%s/events", s->unit));
}

bool log_stream_stamp(
	const struct log_stream *s, const char *p, size_t n, int64_t *ret_ns, size_t *ret_n)
{
	unsigned char raw[12];
	char hex[LOG_STAMP];
	int64_t sec = 0, ns = 0, us = 0;

	if (s->events) {
		size_t digits = 0;

		while (digits < n && digits < 18 && p[digits] >= '0' && p[digits] <= '9')
			us = us * 10 + (p[digits++] - '0');
		if (!digits || digits == n || p[digits] != ' ')
			return false;
		*ret_ns = us * 1000;
		*ret_n = digits + 1;
		return true;
	}
	if (n < LOG_STAMP + 1 || p[0] != '@' || p[LOG_STAMP] != ' ')
		return false;
	memcpy(hex, p + 1, LOG_STAMP - 1);
	hex[LOG_STAMP - 1] = '\0';
	if (!hex_decode(raw, sizeof raw, hex))
		return false;
	for (int i = 0; i < 8; i++)
		sec = sec << 8 | raw[i];
	for (int i = 8; i < 12; i++)
		ns = ns << 8 | raw[i];
	*ret_ns = (sec - TAI_OFFSET) * 1000000000 + ns;
	*ret_n = LOG_STAMP + 1;
	return true;
}

bool log_stream_ends_in_mark(const struct log_stream *s, const char *p, size_t n)
{
	return !s->events && n >= MARK && memcmp(p + n - MARK, UNIT_LOG_MARK, MARK) == 0;
}
