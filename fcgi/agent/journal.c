#include "agent/journal.h"

#include "agent/sha1.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "unit/unit_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#define CHUNK	   (64 * 1024)
#define STAMP	   25			 /* "@" and 24 hex digits */
#define TAI_OFFSET 4611686018427387914LL /* 2^62 + 10, as runit writes it */
#define FILES_MAX  64
#define MARK	   (sizeof UNIT_LOG_MARK - 1)

struct stream {
	char *name, *folder;
	bool events, gone;
	uid_t uid;
	uint64_t id;	  /* of name and kind: part of cursors */
	unsigned int seq; /* grows when a file may have changed */
	int watch, watch_kept;
	int refs;
};

struct journal {
	char *dir;
	struct stream **stream;
	size_t n, size;
	unsigned int generation; /* grows when streams come or go */
	int inotify;
};

static void stream_unref(struct stream *s)
{
	if (--s->refs)
		return;
	free(s->name);
	free(s->folder);
	free(s);
}

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
		stream_unref(j->stream[i]);
	if (j->inotify >= 0)
		(void)close(j->inotify);
	free(j->stream);
	free(j->dir);
	free(j);
}

static char *folder_path(const struct journal *j, const char *part, const char *folder)
{
	return xasprintf("%s/%s/%s", j->dir, part, folder);
}

static uint64_t id_of(const char *name, bool events)
{
	auto_free char *text = xasprintf("%s %s", events ? "events" : "output", name);
	char hash[SHA1_HEX_SIZE];

	sha1_hex(hash, text, strlen(text));
	hash[15] = '\0'; /* 60 bits */
	return strtoull(hash, NULL, 16);
}

static void watch(struct journal *j, struct stream *s)
{
	auto_free char *log = folder_path(j, "log", s->folder);
	auto_free char *unit = folder_path(j, "unit", s->folder);
	uint32_t mask = IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR;

	/* asked for again it is the same watch, or one of a folder that was made anew */
	s->watch_kept = inotify_add_watch(j->inotify, log, mask);
	s->watch = s->events ? inotify_add_watch(j->inotify, unit, mask) : -1;
	s->seq++;
}

static void add(struct journal *j, const char *name, const char *folder, bool events, uid_t uid)
{
	struct stream *s = xcalloc(1, sizeof *s);

	*s = (struct stream){ xstrdup(name), xstrdup(folder), events, false, uid,
		id_of(name, events), 0, -1, -1, 1 };
	if (j->n == j->size) {
		j->size = MAX(j->size * 2, (size_t)64);
		j->stream = xrealloc_array(j->stream, j->size, sizeof(struct stream *));
	}
	j->stream[j->n++] = s;
	j->generation++;
	watch(j, s);
}

void journal_unit(struct journal *j, const char *name, const char *folder, uid_t uid)
{
	bool known = false;

	for (size_t i = 0; i < j->n; i++) {
		struct stream *s = j->stream[i];

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
		struct stream *s = j->stream[i];

		if (streq(s->folder, folder)) {
			s->gone = true;
			stream_unref(s);
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
		auto_free char *path = folder_path(j, "log", de->d_name);
		auto_free char *named = xasprintf("%s/name", path), *name = NULL;
		auto_arena struct arena a = { 0 };
		struct err e = { 0 };
		char *text;

		if (streq(de->d_name, ".") || streq(de->d_name, "..") || is_unit(ctx, de->d_name))
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
				struct stream *s = j->stream[i];

				if (ev->wd != s->watch && ev->wd != s->watch_kept && ev->wd >= 0)
					continue;
				s->seq++; /* a full queue has wd -1: all of them */
				some = true;
			}
		}
	}
	return some;
}

/* The files of a stream, oldest first */

struct files {
	char *path[FILES_MAX];
	ino_t inode[FILES_MAX];
	int64_t mtime[FILES_MAX];
	size_t n;
};

static void files_release(struct files *f)
{
	while (f->n)
		free(f->path[--f->n]);
}

static void add_file(struct files *f, char *path)
{
	struct stat st;

	if (f->n == FILES_MAX || lstat(path, &st) < 0 || !S_ISREG(st.st_mode)) {
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

static void list_output(const struct journal *j, const struct stream *s, struct files *f)
{
	auto_free char *dir = folder_path(j, "log", s->folder);
	auto_dir DIR *d = opendir(dir);
	char *old[FILES_MAX];
	struct dirent *de;
	size_t n = 0;

	while (d && (de = readdir(d)) && n < FILES_MAX) {
		/* "@40000…" and .s, or .u where svlogd was interrupted */
		if (de->d_name[0] == '@' &&
			(ends_with(de->d_name, ".s") || ends_with(de->d_name, ".u")))
			old[n++] = xasprintf("%s/%s", dir, de->d_name);
	}
	qsort(old, n, sizeof *old, by_name);
	for (size_t i = 0; i < n; i++)
		add_file(f, old[i]);
	add_file(f, xasprintf("%s/current", dir));
}

static void list_files(const struct journal *j, const struct stream *s, struct files *f)
{
	auto_free char *log = folder_path(j, "log", s->folder);
	auto_free char *unit = folder_path(j, "unit", s->folder);

	f->n = 0;
	if (!s->events) {
		list_output(j, s, f);
		return;
	}
	add_file(f, xasprintf("%s/events.old", log));
	add_file(f, xasprintf("%s/events", log));
	add_file(f, xasprintf("%s/events.old", unit));
	add_file(f, xasprintf("%s/events", unit));
}

/* Lines */

/* the time of a line, in nanoseconds; *ret_n: the bytes of the stamp with its blank. False: it has none. */
static bool stamp(const struct stream *s, const char *p, size_t n, int64_t *ret_ns, size_t *ret_n)
{
	unsigned char raw[12];
	char hex[STAMP];
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
	if (n < STAMP + 1 || p[0] != '@' || p[STAMP] != ' ')
		return false;
	memcpy(hex, p + 1, STAMP - 1);
	hex[STAMP - 1] = '\0';
	if (!hex_decode(raw, sizeof raw, hex))
		return false;
	for (int i = 0; i < 8; i++)
		sec = sec << 8 | raw[i];
	for (int i = 8; i < 12; i++)
		ns = ns << 8 | raw[i];
	*ret_ns = (sec - TAI_OFFSET) * 1000000000 + ns;
	*ret_n = STAMP + 1;
	return true;
}

/* A place in a stream, and the entry there */
struct place {
	struct stream *s;
	ino_t inode; /* 0: before the oldest file */
	off_t offset;
	int64_t last_ns;   /* of the entry before: time never goes back within a stream */
	unsigned int seen; /* the stream's seq when nothing more was there */
	bool has, asked;
	/* the entry */
	ino_t at_inode;
	off_t at, next;
	int64_t ns;
	bool more;
	bool continued; /* offset is within a line of time last_ns */
	char *text;
	size_t text_n;
	size_t cut; /* bytes of the mark behind the text */
};

struct journal_reader {
	struct journal *j;
	bool follow;
	struct place **place;
	size_t n, size;
	struct place **heap; /* those that have an entry, the earliest on top */
	size_t heap_n;
	unsigned int generation;
	char **output, **events; /* names; NULL where all is read */
	size_t n_output, n_events;
	bool all;
	/* the file read last, as its neighbours come from it too */
	int fd;
	ino_t fd_inode;
	char *chunk;
	off_t chunk_at;
	size_t chunk_n;
	char *shown; /* the text of the entry handed out */
};

static bool open_inode(struct journal_reader *r, const struct stream *s, ino_t inode)
{
	struct files f;
	bool found = false;

	if (r->fd >= 0 && r->fd_inode == inode)
		return true;
	list_files(r->j, s, &f);
	for (size_t i = 0; i < f.n && !found; i++) {
		struct stat st;
		int fd;

		if (f.inode[i] != inode)
			continue;
		fd = open(f.path[i], O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0)
			continue;
		if (fstat(fd, &st) == 0 && st.st_ino == inode) {
			if (r->fd >= 0)
				(void)close(r->fd);
			r->fd = fd;
			r->fd_inode = inode;
			r->chunk_n = 0;
			found = true;
		} else {
			(void)close(fd);
		}
	}
	files_release(&f);
	return found;
}

/* the bytes from offset on, at least want of them unless the file ends; valid until the next call */
static struct slice bytes_at(struct journal_reader *r, off_t offset, size_t want)
{
	ssize_t n;

	if (r->chunk_n && offset >= r->chunk_at &&
		offset + (off_t)want <= r->chunk_at + (off_t)r->chunk_n)
		return (struct slice){ r->chunk + (offset - r->chunk_at),
			r->chunk_n - (size_t)(offset - r->chunk_at) };
	if (!r->chunk)
		r->chunk = xmalloc(2 * CHUNK);
	n = pread(r->fd, r->chunk, 2 * CHUNK, offset);
	r->chunk_at = offset;
	r->chunk_n = n > 0 ? (size_t)n : 0;
	return (struct slice){ r->chunk, r->chunk_n };
}

/* nap-unit ended the line, for the unit did not: unit/unit_dir.h */
static bool ends_in_mark(const struct stream *s, const char *p, size_t n)
{
	return !s->events && n >= MARK && memcmp(p + n - MARK, UNIT_LOG_MARK, MARK) == 0;
}

/* The line at offset, or a piece of it; false: it is not (wholly) there. */
static bool line_at(struct journal_reader *r, struct place *p, off_t offset)
{
	struct slice b = bytes_at(r, offset, 1);
	const char *nl = b.n ? memchr(b.p, '\n', b.n) : NULL;
	int64_t ns = p->last_ns;
	size_t skip = 0;

	if (!nl && b.n < JOURNAL_PIECE + 64) { /* what is in hand may be old */
		r->chunk_n = 0;
		b = bytes_at(r, offset, 1);
		nl = b.n ? memchr(b.p, '\n', b.n) : NULL;
	}
	if (!b.n)
		return false;
	if (!p->continued && !stamp(p->s, b.p, nl ? (size_t)(nl - b.p) : b.n, &ns, &skip)) {
		if (!nl && b.n < 64)
			return false; /* the stamp itself is not there yet */
		ns = p->last_ns;      /* a broken line: a disk that was full */
		skip = 0;
	}
	b.p += skip;
	b.n -= skip;
	p->more = nl ? (size_t)(nl - b.p) > JOURNAL_PIECE : b.n > JOURNAL_PIECE;
	if (!nl && !p->more)
		return false;
	p->text_n = p->more ? JOURNAL_PIECE : (size_t)(nl - b.p);
	if (p->more && nl && (size_t)(nl - b.p) - JOURNAL_PIECE < MARK &&
		ends_in_mark(p->s, b.p, (size_t)(nl - b.p)))
		p->text_n = (size_t)(nl - b.p) - MARK; /* the mark stays in one piece */
	p->cut = !p->more && ends_in_mark(p->s, b.p, p->text_n) ? MARK : 0;
	p->ns = MAX(ns, p->last_ns);
	p->at = offset;
	p->next = offset + (off_t)(skip + p->text_n + (p->more ? 0 : 1));
	p->text_n -= p->cut;
	free(p->text);
	/* a long one is read again when it is its turn */
	p->text = p->text_n <= 1024 ? xstrndup(b.p, p->text_n) : NULL;
	if (p->text)
		memcpy(p->text, b.p, p->text_n);
	return true;
}

/* the file after p's, or the oldest where that is gone; 0: none */
static ino_t file_after(const struct journal_reader *r, const struct place *p)
{
	struct files f;
	ino_t next = 0;
	bool found = false;

	list_files(r->j, p->s, &f);
	for (size_t i = 0; i < f.n; i++) {
		if (p->inode && f.inode[i] == p->inode) {
			found = true;
			next = i + 1 < f.n ? f.inode[i + 1] : 0;
		}
	}
	if (!found && f.n)
		next = f.inode[0];
	files_release(&f);
	return next;
}

static bool mid_line(struct journal_reader *r, off_t offset)
{
	char before = '\n';

	return offset > 0 && pread(r->fd, &before, 1, offset - 1) == 1 && before != '\n';
}

/* loads the entry at p's place; false: nothing is there now */
static bool load(struct journal_reader *r, struct place *p)
{
	unsigned int seq = p->s->seq;

	for (int files = 0; files < 2 * FILES_MAX; files++) {
		bool here = p->inode && open_inode(r, p->s, p->inode);
		ino_t next;

		if (here && line_at(r, p, p->offset)) {
			if (p->cut && !p->text_n && !p->continued) { /* nobody's line */
				p->offset = p->next;
				files--;
				continue;
			}
			p->at_inode = p->inode;
			p->has = true;
			return true;
		}
		next = file_after(r, p);
		if (!next)
			break;
		p->inode = next;
		p->offset = 0;
		p->continued = false;
	}
	p->asked = true;
	p->seen = seq;
	return false;
}

/* The heap */

static bool before(const struct place *a, const struct place *b)
{
	return a->ns != b->ns ? a->ns < b->ns : a->s->id < b->s->id;
}

static void sift_down(struct journal_reader *r, size_t i)
{
	for (;;) {
		size_t least = i, k = 2 * i + 1;
		struct place *swap;

		if (k < r->heap_n && before(r->heap[k], r->heap[least]))
			least = k;
		if (k + 1 < r->heap_n && before(r->heap[k + 1], r->heap[least]))
			least = k + 1;
		if (least == i)
			return;
		swap = r->heap[i];
		r->heap[i] = r->heap[least];
		r->heap[least] = swap;
		i = least;
	}
}

static void push(struct journal_reader *r, struct place *p)
{
	size_t i = r->heap_n++;

	while (i && before(p, r->heap[(i - 1) / 2])) {
		r->heap[i] = r->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	r->heap[i] = p;
}

static void pop(struct journal_reader *r)
{
	r->heap[0] = r->heap[--r->heap_n];
	sift_down(r, 0);
}

/* Readers */

static bool listed(char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (streq(names[i], name))
			return true;
	}
	return false;
}

static bool wanted(const struct journal_reader *r, const struct stream *s)
{
	if (r->all)
		return true;
	return s->events ? listed(r->events, r->n_events, s->name)
			 : listed(r->output, r->n_output, s->name);
}

static void add_place(struct journal_reader *r, struct stream *s)
{
	struct place *p = xcalloc(1, sizeof *p);

	for (size_t i = 0; i < r->n; i++) {
		if (r->place[i]->s == s) {
			free(p);
			return;
		}
	}
	p->s = s;
	s->refs++;
	if (r->n == r->size) {
		r->size = MAX(r->size * 2, (size_t)8);
		r->place = xrealloc_array(r->place, r->size, sizeof(struct place *));
		r->heap = xrealloc_array(r->heap, r->size, sizeof(struct place *));
	}
	r->place[r->n++] = p;
}

static void drop_gone(struct journal_reader *r)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->n; i++) {
		struct place *p = r->place[i];

		if (p->s->gone && !p->has) {
			stream_unref(p->s);
			free(p->text);
			free(p);
		} else {
			r->place[kept++] = p;
		}
	}
	r->n = kept;
}

static void refresh(struct journal_reader *r)
{
	if (r->generation == r->j->generation)
		return;
	r->generation = r->j->generation;
	drop_gone(r);
	for (size_t i = 0; i < r->j->n; i++) {
		if (wanted(r, r->j->stream[i]))
			add_place(r, r->j->stream[i]);
	}
}

static char **copy_names(const char *const *names, size_t n)
{
	char **copy = xcalloc(n + 1, sizeof *copy);

	for (size_t i = 0; i < n; i++)
		copy[i] = xstrdup(names[i]);
	return copy;
}

struct journal_reader *journal_read(struct journal *j, const struct journal_match *m, bool follow)
{
	struct journal_reader *r = xcalloc(1, sizeof *r);

	r->j = j;
	r->follow = follow;
	r->fd = -1;
	r->all = m->all;
	r->output = copy_names(m->output, m->n_output);
	r->events = copy_names(m->events, m->n_events);
	r->n_output = m->n_output;
	r->n_events = m->n_events;
	r->generation = j->generation - 1;
	refresh(r);
	return r;
}

void journal_reader_free(struct journal_reader *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++) {
		stream_unref(r->place[i]->s);
		free(r->place[i]->text);
		free(r->place[i]);
	}
	for (size_t i = 0; i < r->n_output; i++)
		free(r->output[i]);
	for (size_t i = 0; i < r->n_events; i++)
		free(r->events[i]);
	free(r->output);
	free(r->events);
	free(r->place);
	free(r->heap);
	free(r->chunk);
	free(r->shown);
	if (r->fd >= 0)
		(void)close(r->fd);
	free(r);
}

/* where the first line begins at or after offset; the file's size if none does */
static off_t line_start(struct journal_reader *r, off_t offset, off_t size)
{
	if (offset == 0 || !mid_line(r, offset))
		return offset;
	while (offset < size) {
		struct slice b = bytes_at(r, offset, 1);
		const char *nl = b.n ? memchr(b.p, '\n', b.n) : NULL;

		if (!b.n)
			break;
		if (nl)
			return offset + (nl - b.p) + 1;
		offset += (off_t)b.n;
	}
	return size;
}

static bool time_at(struct journal_reader *r, const struct stream *s, off_t offset, int64_t *ret_ns)
{
	struct slice b = bytes_at(r, offset, 64);
	size_t skip;

	return b.n && stamp(s, b.p, b.n, ret_ns, &skip);
}

/* the first line of the open file whose (time, stream) is not before (ns, id); its size if there is none */
static off_t find_time(struct journal_reader *r, const struct stream *s, int64_t ns, uint64_t id)
{
	struct stat st;
	off_t low = 0, high = fstat(r->fd, &st) == 0 ? st.st_size : 0, size = high;

	/* low: a line start that is before the time; high: an offset from which on none is */
	while (low < high) {
		off_t mid = line_start(r, low + (high - low) / 2, size);
		int64_t at;

		if (mid >= high) {
			/* the last lines before high: one after the other */
			high = low + (high - low) / 2;
			if (high - low > CHUNK)
				continue;
			break;
		}
		if (!time_at(r, s, mid, &at) || at < ns || (at == ns && s->id < id))
			low = line_start(r, mid + 1, size);
		else
			high = mid;
	}
	while (low < size) {
		int64_t at;

		if (time_at(r, s, low, &at) && (at > ns || (at == ns && s->id >= id)))
			break;
		low = line_start(r, low + 1, size);
	}
	return low;
}

static void reset(struct place *p)
{
	p->inode = 0;
	p->offset = 0;
	p->last_ns = 0;
	p->has = p->asked = p->continued = false;
}

/* p at the first entry that is not before (ns, id) */
static void seek_time(struct journal_reader *r, struct place *p, int64_t ns, uint64_t id)
{
	struct files f;

	reset(p);
	list_files(r->j, p->s, &f);
	for (size_t i = 0; i < f.n; i++) {
		bool last = i + 1 == f.n;

		/* a file's last change is not before its last line */
		if (!last && f.mtime[i] + 1 < ns / 1000000000)
			continue;
		if (!open_inode(r, p->s, f.inode[i]))
			continue;
		p->inode = f.inode[i];
		p->offset = find_time(r, p->s, ns, id);
		r->chunk_n = 0;
		if (last || bytes_at(r, p->offset, 1).n)
			break;
	}
	files_release(&f);
}

void journal_seek_time(struct journal_reader *r, int64_t time_us)
{
	r->heap_n = 0;
	for (size_t i = 0; i < r->n; i++)
		seek_time(r, r->place[i], time_us * 1000, 0);
}

/* "s=ID;i=OFFSET;n=INODE;t=NS", all in hex */
static void print_cursor(char ret[JOURNAL_CURSOR_SIZE], const struct place *p)
{
	(void)snprintf(ret, JOURNAL_CURSOR_SIZE, "s=%llx;i=%llx;n=%llx;t=%llx",
		(unsigned long long)p->s->id, (unsigned long long)p->at,
		(unsigned long long)p->at_inode, (unsigned long long)p->ns);
}

bool journal_seek_cursor(struct journal_reader *r, const char *cursor)
{
	unsigned long long id, offset, inode, ns;
	int used = 0;

	if (sscanf(cursor, "s=%llx;i=%llx;n=%llx;t=%llx%n", &id, &offset, &inode, &ns, &used) !=
			4 ||
		cursor[used])
		return false;
	r->heap_n = 0;
	for (size_t i = 0; i < r->n; i++) {
		struct place *p = r->place[i];
		struct stat st;

		seek_time(r, p, (int64_t)ns, id);
		if (p->s->id != id || !open_inode(r, p->s, (ino_t)inode))
			continue;
		/* an inode number may be another file's by now: its time must be the cursor's */
		if (fstat(r->fd, &st) == 0 && (off_t)offset < st.st_size) {
			int64_t at = (int64_t)ns;
			bool middle = mid_line(r, (off_t)offset);

			if (middle || (time_at(r, p->s, (off_t)offset, &at) && at <= (int64_t)ns)) {
				p->inode = (ino_t)inode;
				p->offset = (off_t)offset;
				p->last_ns = (int64_t)ns;
				p->continued = middle;
			}
		}
	}
	return true;
}

/* the whole line between the offsets is a stamp and the mark: it is not shown, and does not count */
static bool is_mark_alone(struct journal_reader *r, off_t from, off_t to)
{
	char line[STAMP + 1 + MARK + 1];

	return to - from == (off_t)sizeof line &&
	       pread(r->fd, line, sizeof line, from) == (ssize_t)sizeof line && line[0] == '@' &&
	       memcmp(line + STAMP + 1, UNIT_LOG_MARK, MARK) == 0;
}

/* the start of the nth line before offset in the open file; *n is what is missing if the file has fewer */
static off_t back(struct journal_reader *r, off_t offset, size_t *n)
{
	char *b = xmalloc(CHUNK);
	off_t end = offset; /* of the line looked at */
	bool first = true;

	while (offset > 0 && *n) {
		off_t from = MAX(offset - CHUNK, (off_t)0);
		ssize_t got = pread(r->fd, b, (size_t)(offset - from), from);

		if (got != offset - from)
			break;
		while (got > 0) {
			/* the newline right before the start is the line's own end */
			if (b[got - 1] == '\n' && !first) {
				bool counts = !is_mark_alone(r, from + got, end);

				end = from + got;
				if (counts && --*n == 0)
					break;
			}
			first = false;
			got--;
		}
		offset = from + got;
	}
	free(b);
	/* at its beginning the file's first line is one more */
	if (offset == 0 && *n && !first && !is_mark_alone(r, 0, end))
		--*n;
	return offset;
}

static void place_back(struct journal_reader *r, struct place *p, size_t n, bool from_end)
{
	struct files f;
	size_t i;

	list_files(r->j, p->s, &f);
	for (i = f.n; i-- > 0;) {
		struct stat st;

		if (!from_end && f.inode[i] != p->inode)
			continue;
		if (!open_inode(r, p->s, f.inode[i]) || fstat(r->fd, &st) < 0)
			continue;
		p->offset = back(r, from_end ? st.st_size : p->offset, &n);
		p->inode = f.inode[i];
		from_end = true;
		if (!n)
			break;
	}
	files_release(&f);
	p->has = p->asked = p->continued = false;
	p->last_ns = 0;
	r->chunk_n = 0;
}

static void fill(struct journal_reader *r)
{
	refresh(r);
	for (size_t i = 0; i < r->n; i++) {
		struct place *p = r->place[i];

		if (!p->has && (!p->asked || p->seen != p->s->seq) && load(r, p))
			push(r, p);
	}
}

static void take(struct journal_reader *r)
{
	struct place *p = r->heap[0];

	p->offset = p->next;
	p->last_ns = p->ns;
	p->continued = p->more;
	p->has = false;
	p->asked = false;
	pop(r);
	if (load(r, p))
		push(r, p);
}

void journal_seek_back(struct journal_reader *r, size_t n, bool from_end)
{
	struct place *kept;
	size_t ahead = 0;
	int64_t until_ns = INT64_MAX;
	uint64_t until_id = 0;

	if (!from_end) { /* the entry it stands at is where counting ends */
		fill(r);
		if (r->heap_n) {
			until_ns = r->heap[0]->ns;
			until_id = r->heap[0]->s->id;
		}
	}
	r->heap_n = 0;
	kept = xcalloc(r->n + 1, sizeof *kept);
	for (size_t i = 0; i < r->n; i++) {
		place_back(r, r->place[i], n, from_end);
		kept[i] = *r->place[i];
	}
	/* n of each stream are too many where there are several: count, and begin again */
	for (fill(r); r->heap_n; take(r)) {
		const struct place *p = r->heap[0];

		if (p->ns > until_ns || (p->ns == until_ns && p->s->id >= until_id))
			break;
		ahead++;
	}
	r->heap_n = 0;
	for (size_t i = 0; i < r->n; i++) {
		char *text = r->place[i]->text;

		*r->place[i] = kept[i];
		r->place[i]->text = text;
		r->place[i]->has = r->place[i]->asked = false;
	}
	free(kept);
	fill(r);
	for (; ahead > n && r->heap_n; ahead--)
		take(r);
}

/* "<6>text" is text of priority 6: sd-daemon(3) */
static int priority_of(const struct place *p, struct slice *text)
{
	static const char *const bad[] = { "Failed with result", "Failed to ",
		"repeated too quickly" };

	if (!p->continued && !p->s->events && text->n >= 3 && text->p[0] == '<' &&
		text->p[1] >= '0' && text->p[1] <= '7' && text->p[2] == '>') {
		int priority = text->p[1] - '0';

		text->p += 3;
		text->n -= 3;
		return priority;
	}
	for (size_t i = 0; p->s->events && i < ARRAY_SIZE(bad); i++) {
		if (memmem(text->p, text->n, bad[i], strlen(bad[i])))
			return 4;
	}
	return 6;
}

/* the text of p's entry, for the caller until the next one */
static struct slice text_of(struct journal_reader *r, struct place *p)
{
	struct slice b;
	off_t from = p->next - (off_t)(p->text_n + p->cut) - (p->more ? 0 : 1);

	free(r->shown);
	r->shown = xmalloc(p->text_n + 1);
	if (p->text) {
		memcpy(r->shown, p->text, p->text_n);
		return (struct slice){ r->shown, p->text_n };
	}
	if (!open_inode(r, p->s, p->at_inode))
		return (struct slice){ r->shown, 0 }; /* rotated away while it waited */
	b = bytes_at(r, from, p->text_n);
	memcpy(r->shown, b.p, MIN(b.n, p->text_n));
	return (struct slice){ r->shown, MIN(b.n, p->text_n) };
}

bool journal_next(struct journal_reader *r, struct journal_entry *ret)
{
	struct place *p;

	fill(r);
	if (!r->heap_n)
		return false;
	p = r->heap[0];
	if (r->follow && r->n > 1 && p->ns / 1000 > clock_now_us() - JOURNAL_HOLD_MS * 1000 &&
		p->ns / 1000 < clock_now_us() + 1000000)
		return false;
	*ret = (struct journal_entry){ .unit = p->s->name,
		.event = p->s->events,
		.uid = p->s->uid,
		.time_us = p->ns / 1000,
		.message = text_of(r, p),
		.more = p->more };
	ret->priority = priority_of(p, &ret->message);
	print_cursor(ret->cursor, p);
	take(r);
	return true;
}
