#include "store/applog.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

static struct slice cut_word(char **p, const char *end)
{
	char *start = *p;
	char *space = memchr(start, ' ', (size_t)(end - start));

	if (!space)
		return (struct slice){ NULL, 0 };
	*space = '\0';
	*p = space + 1;
	return (struct slice){ start, (size_t)(space - start) };
}

bool applog_parse(char *line, size_t n, struct applog_entry *ret)
{
	const char *end = line + n;
	char *p = line;
	struct slice seq = cut_word(&p, end), time = { NULL, 0 }, release = time, instance = time,
		     stream = time;
	struct applog_entry entry;
	int64_t number;

	if (seq.p)
		time = cut_word(&p, end);
	if (time.p)
		release = cut_word(&p, end);
	if (release.p)
		instance = cut_word(&p, end);
	if (instance.p)
		stream = cut_word(&p, end);
	if (!stream.p || stream.n != 1 || !parse_slice_i64(seq, 1, INT64_MAX, &entry.seq) ||
		!parse_slice_i64(release, 0, INT64_MAX, &entry.release) ||
		!parse_slice_i64(instance, 0, MAX_INSTANCES, &number))
		return false;
	entry.time = time.p;
	entry.instance = (int)number;
	entry.stream = stream.p[0];
	entry.message = (struct slice){ p, (size_t)(end - p) };
	*ret = entry;
	return true;
}

/* A file mapped whole, private, so that the parser may write NULs between words. */
struct map {
	char *data;
	size_t len;
};

static bool map_file(const char *path, struct map *ret, struct err *e)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	*ret = (struct map){ NULL, 0 };
	if (fd < 0)
		return errno == ENOENT || err_errno(e, "could not open log \"%s\"", path);
	if (fstat(fd, &st) < 0)
		return err_errno(e, "could not look at log \"%s\"", path);
	if (st.st_size == 0)
		return true;
	ret->data = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (ret->data == MAP_FAILED)
		return err_errno(e, "could not map log \"%s\"", path);
	ret->len = (size_t)st.st_size;
	return true;
}

static void unmap(void *p)
{
	struct map *m = p;

	if (m->data)
		(void)munmap(m->data, m->len);
}

static void file_name(char *ret, size_t size, const char *folder, int n)
{
	if (n == 0)
		(void)snprintf(ret, size, "%s/current", folder);
	else
		(void)snprintf(ret, size, "%s/%d", folder, n);
}

/* the start of the last whole line before end, or -1 */
static ssize_t line_before(const struct map *m, size_t end)
{
	const char *nl;

	if (end == 0)
		return -1;
	nl = end < 2 ? NULL : memrchr(m->data, '\n', end - 1);
	return nl ? nl + 1 - m->data : 0;
}

/* the end of the last line that has its newline */
static size_t whole_end(const struct map *m)
{
	const char *nl = m->data ? memrchr(m->data, '\n', m->len) : NULL;

	return nl ? (size_t)(nl + 1 - m->data) : 0;
}

static int64_t last_seq_of(const char *path)
{
	struct err e;
	struct map m;
	struct applog_entry entry;
	int64_t seq = 0;

	if (!map_file(path, &m, &e))
		return 0;
	for (size_t end = whole_end(&m); seq == 0 && end > 0;) {
		ssize_t start = line_before(&m, end);

		if (start >= 0 && applog_parse(m.data + start, end - 1 - (size_t)start, &entry))
			seq = entry.seq;
		end = (size_t)MAX(start, (ssize_t)0);
	}
	unmap(&m);
	return seq;
}

static int64_t last_seq(const char *folder)
{
	char path[600];
	int64_t seq = 0;

	for (int n = 0; seq == 0 && n < APPLOG_FILES; n++) {
		file_name(path, sizeof path, folder, n);
		seq = last_seq_of(path);
	}
	return seq;
}

static bool open_current(struct applog *log, struct err *e)
{
	char path[600];
	struct stat st;

	file_name(path, sizeof path, log->dir, 0);
	log->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (log->fd < 0 || fstat(log->fd, &st) < 0)
		return err_errno(e, "could not open log \"%s\"", path);
	log->size = st.st_size;
	return true;
}

/* a line that a crash cut gets its end */
static void mend_last_line(struct applog *log)
{
	char last;

	if (log->size > 0 && pread(log->fd, &last, 1, log->size - 1) == 1 && last != '\n' &&
		write(log->fd, "\n", 1) == 1)
		log->size++;
}

bool applog_open(
	const char *dir, int64_t app_id, int64_t max_bytes, struct applog *ret, struct err *e)
{
	struct applog log = { .lock_fd = -1, .fd = -1, .max_bytes = max_bytes };
	char lock[600];

	(void)snprintf(log.dir, sizeof log.dir, "%s/%lld", dir, (long long)app_id);
	if (!dir_make(log.dir, 0750, e))
		return false;
	(void)snprintf(lock, sizeof lock, "%s/lock", log.dir);
	log.lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (log.lock_fd < 0)
		return err_errno(e, "could not open \"%s\"", lock);
	if (flock(log.lock_fd, LOCK_EX | LOCK_NB) < 0) {
		applog_close(&log);
		return err_set(e, ERR_CONFLICT, "log_busy", "log of app %lld has another writer",
			(long long)app_id);
	}
	log.seq = last_seq(log.dir);
	if (!open_current(&log, e)) {
		applog_close(&log);
		return false;
	}
	mend_last_line(&log);
	*ret = log;
	return true;
}

void applog_close(struct applog *log)
{
	if (!log)
		return;
	if (log->fd >= 0)
		(void)close(log->fd);
	if (log->lock_fd >= 0)
		(void)close(log->lock_fd);
	log->fd = log->lock_fd = -1;
}

static bool rotate(struct applog *log, struct err *e)
{
	char from[600], to[600];

	(void)close(steal_fd(&log->fd));
	for (int n = APPLOG_FILES - 1; n > 0; n--) {
		file_name(from, sizeof from, log->dir, n - 1);
		file_name(to, sizeof to, log->dir, n);
		if (rename(from, to) < 0 && errno != ENOENT)
			return err_errno(e, "could not rotate log \"%s\"", from);
	}
	return open_current(log, e);
}

void applog_clean(struct buf *b, const char *s, size_t n)
{
	n = MIN(n, (size_t)MAX_LOG_JOINED);
	for (size_t i = 0; i < n;) {
		size_t step = utf8_step(s + i, n - i);
		unsigned char c = (unsigned char)s[i];

		if (step == 0 || c == 0x7f || (c < 0x20 && c != '\t'))
			buf_puts(b, "\xef\xbf\xbd");
		else
			buf_add(b, s + i, step);
		i += MAX(step, (size_t)1);
	}
}

bool applog_append(struct applog *log, int64_t time_us, int64_t release, int instance, char stream,
	const char *message, size_t n, struct err *e)
{
	auto_buf struct buf b = { 0 };
	char time[RFC3339_SIZE];

	if (log->fd < 0 && !open_current(log, e))
		return false;
	if (log->size >= log->max_bytes / APPLOG_FILES && !rotate(log, e))
		return false;
	buf_init(&b, MAX_LOG_JOINED * 3 + 200);
	clock_rfc3339(time, time_us, 6);
	buf_printf(&b, "%lld %s %lld %d %c ", (long long)(log->seq + 1), time, (long long)release,
		instance, stream);
	applog_clean(&b, message, n);
	buf_putc(&b, '\n');
	/* one write: a reader sees the line whole or without its newline */
	if (write(log->fd, b.data, b.len) != (ssize_t)b.len)
		return err_errno(e, "could not write to the log in \"%s\"", log->dir);
	log->seq++;
	log->size += (int64_t)b.len;
	return true;
}

struct reader {
	const struct applog_filter *filter;
	struct applog_entry *kept; /* newest first while reading backwards */
	size_t n, size;
	int64_t last,
		below; /* below: seq of the entry read before; a file rotated meanwhile comes twice */
	bool done;
};

static bool passes(const struct applog_filter *f, const struct applog_entry *entry)
{
	return (!f->instance || f->instance == entry->instance) &&
	       (!f->release || f->release == entry->release);
}

static void add(struct reader *r, const struct applog_entry *entry)
{
	if (r->n == r->size) {
		r->size = MAX(r->size * 2, (size_t)64);
		r->kept = xrealloc_array(r->kept, r->size, sizeof *r->kept);
	}
	r->kept[r->n++] = *entry;
}

/* reading backwards: the last ones are wanted, enough is enough */
static void keep(struct reader *r, const struct applog_entry *entry)
{
	if (r->last == 0)
		r->last = entry->seq;
	else if (entry->seq >= r->below)
		return;
	r->below = entry->seq;
	if (passes(r->filter, entry))
		add(r, entry);
	r->done = r->n >= r->filter->lines;
}

static bool read_file(struct reader *r, const char *path, struct arena *a, struct err *e)
{
	struct map *m = arena_alloc(a, sizeof *m);
	struct applog_entry entry;

	if (!map_file(path, m, e))
		return false;
	arena_defer(a, unmap, m);
	for (size_t end = whole_end(m); !r->done && end > 0;) {
		ssize_t start = line_before(m, end);

		if (applog_parse(m->data + start, end - 1 - (size_t)start, &entry))
			keep(r, &entry);
		end = (size_t)start;
	}
	return true;
}

/* the whole line that begins at start; false: it is none of ours */
static bool parse_at(
	const struct map *m, size_t start, size_t end, size_t *ret_next, struct applog_entry *ret)
{
	const char *nl = memchr(m->data + start, '\n', end - start);
	size_t stop = nl ? (size_t)(nl - m->data) : end;

	*ret_next = MIN(stop + 1, end);
	return applog_parse(m->data + start, stop - start, ret);
}

static int64_t seq_at(const struct map *m, size_t start, size_t end)
{
	const char *space = memchr(m->data + start, ' ', end - start);
	int64_t seq;

	return space && parse_slice_i64((struct slice){ m->data + start,
						(size_t)(space - m->data) - start },
				1, INT64_MAX, &seq)
		       ? seq
		       : 0;
}

/* the start of the first line behind `after`: seqs grow, so halve */
static size_t seek_behind(const struct map *m, size_t end, int64_t after)
{
	size_t low = 0, high = end; /* all before low are not wanted; high is wanted, or the end */

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const char *nl = memrchr(m->data + low, '\n', middle - low);
		size_t start = nl ? (size_t)(nl + 1 - m->data) : low;

		if (seq_at(m, start, end) > after)
			high = start;
		else {
			nl = memchr(m->data + start, '\n', end - start);
			low = nl ? (size_t)(nl + 1 - m->data) : end;
		}
	}
	return low;
}

/*
 * The first lines behind filter->after: the files from the oldest on. One that does not go on where the former ended
 * was rotated in between: *ret_gap, and what was read before it stands.
 */
static bool read_forward(
	struct reader *r, const char *folder, struct arena *a, bool *ret_gap, struct err *e)
{
	int64_t before = MAX(r->filter->after, (int64_t)0);
	char path[600];

	*ret_gap = false;
	for (int i = APPLOG_FILES - 1; i >= 0; i--) {
		struct map *m = arena_alloc(a, sizeof *m);
		struct applog_entry entry;
		ssize_t last;
		size_t end;

		file_name(path, sizeof path, folder, i);
		if (!map_file(path, m, e))
			return false;
		arena_defer(a, unmap, m);
		end = whole_end(m);
		if (end == 0)
			continue;
		if (seq_at(m, 0, end) > before + 1) {
			*ret_gap = true;
			if (r->last > 0)
				return true;
		}
		last = line_before(m, end);
		r->last = MAX(r->last, seq_at(m, (size_t)last, end));
		before = MAX(before, r->last);
		for (size_t at = seek_behind(m, end, r->filter->after);
			at < end && r->n < r->filter->lines;)
			if (parse_at(m, at, end, &at, &entry) && entry.seq > r->filter->after &&
				passes(r->filter, &entry))
				add(r, &entry);
	}
	return true;
}

static bool read_backward(struct reader *r, const char *folder, struct arena *a, struct err *e)
{
	char path[600];

	for (int i = 0; !r->done && i < APPLOG_FILES; i++) {
		file_name(path, sizeof path, folder, i);
		if (!read_file(r, path, a, e))
			return false;
	}
	for (size_t i = 0; i < r->n / 2; i++) {
		struct applog_entry other = r->kept[i];

		r->kept[i] = r->kept[r->n - 1 - i];
		r->kept[r->n - 1 - i] = other;
	}
	return true;
}

bool applog_read(const char *dir, int64_t app_id, const struct applog_filter *filter,
	struct arena *a, struct applog_entry **ret, size_t *ret_n, int64_t *ret_last, struct err *e)
{
	struct reader r = { .filter = filter };
	char folder[512];
	bool ok, gap = false;

	(void)snprintf(folder, sizeof folder, "%s/%lld", dir, (long long)app_id);
	if (filter->after == 0)
		ok = read_backward(&r, folder, a, e);
	else {
		ok = read_forward(&r, folder, a, &gap, e);
		if (ok && gap) { /* rotated while we read, or what came before is gone for good */
			r.n = 0;
			r.last = 0;
			ok = read_forward(&r, folder, a, &gap, e);
		}
	}
	if (ok) {
		*ret = arena_alloc(a, (r.n + 1) * sizeof **ret);
		if (r.n)
			memcpy(*ret, r.kept, r.n * sizeof **ret);
		*ret_n = r.n;
		*ret_last = r.last;
	}
	free(r.kept);
	return ok;
}

void applog_json(struct buf *b, const struct applog_entry *entry)
{
	buf_puts(b, "{\"seq\":");
	buf_i64(b, entry->seq);
	buf_printf(b, ",\"time\":\"%s\",\"release\":", entry->time);
	buf_i64(b, entry->release);
	buf_puts(b, ",\"instance\":");
	buf_i64(b, entry->instance);
	buf_printf(
		b, ",\"stream\":\"%s\",\"message\":", entry->stream == 's' ? "system" : "output");
	buf_json(b, entry->message.p, entry->message.n);
	buf_putc(b, '}');
}
