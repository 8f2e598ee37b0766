#include "agent/log_place.h"

#include "unit/unit_dir.h"

#include <sys/stat.h>

#define CHUNK (64 * 1024)
#define MARK  (sizeof UNIT_LOG_MARK - 1)

/* The line at offset, or a piece of it; false: it is not (wholly) there. */
static bool line_at(struct log_window *w, struct log_place *p, off_t offset)
{
	struct slice b = log_window_bytes(w, offset, 1);
	const char *nl = b.n ? memchr(b.p, '\n', b.n) : NULL;
	int64_t ns = p->last_ns;
	size_t skip = 0;

	if (!nl && b.n < JOURNAL_PIECE + 64) { /* what is in hand may be old */
		w->n = 0;
		b = log_window_bytes(w, offset, 1);
		nl = b.n ? memchr(b.p, '\n', b.n) : NULL;
	}
	if (!b.n)
		return false;
	if (!p->continued &&
		!log_stream_stamp(p->s, b.p, nl ? (size_t)(nl - b.p) : b.n, &ns, &skip)) {
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
		log_stream_ends_in_mark(p->s, b.p, (size_t)(nl - b.p)))
		p->text_n = (size_t)(nl - b.p) - MARK; /* the mark stays in one piece */
	p->cut = !p->more && log_stream_ends_in_mark(p->s, b.p, p->text_n) ? MARK : 0;
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
static ino_t file_after(const struct log_place *p)
{
	struct log_files f;
	ino_t next = 0;
	bool found = false;

	log_files_list(p->s, &f);
	for (size_t i = 0; i < f.n; i++) {
		if (p->inode && f.inode[i] == p->inode) {
			found = true;
			next = i + 1 < f.n ? f.inode[i + 1] : 0;
		}
	}
	if (!found && f.n)
		next = f.inode[0];
	log_files_release(&f);
	return next;
}

bool log_place_load(struct log_window *w, struct log_place *p)
{
	unsigned int seq = p->s->seq;

	for (int files = 0; files < 2 * LOG_FILES_MAX; files++) {
		bool here = p->inode && log_window_open(w, p->s, p->inode);
		ino_t next;

		if (here && line_at(w, p, p->offset)) {
			if (p->cut && !p->text_n && !p->continued) { /* nobody's line */
				p->offset = p->next;
				files--;
				continue;
			}
			p->at_inode = p->inode;
			p->has = true;
			return true;
		}
		next = file_after(p);
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

static bool time_at(struct log_window *w, const struct log_stream *s, off_t offset, int64_t *ret_ns)
{
	struct slice b = log_window_bytes(w, offset, 64);
	size_t skip;

	return b.n && log_stream_stamp(s, b.p, b.n, ret_ns, &skip);
}

/* the first line of the open file whose (time, stream) is not before (ns, id); its size if there is none */
static off_t find_time(struct log_window *w, const struct log_stream *s, int64_t ns, uint64_t id)
{
	struct stat st;
	off_t low = 0, high = fstat(w->fd, &st) == 0 ? st.st_size : 0, size = high;

	/* low: a line start that is before the time; high: an offset from which on none is */
	while (low < high) {
		off_t mid = log_window_line_start(w, low + (high - low) / 2, size);
		int64_t at;

		if (mid >= high) {
			/* the last lines before high: one after the other */
			high = low + (high - low) / 2;
			if (high - low > CHUNK)
				continue;
			break;
		}
		if (!time_at(w, s, mid, &at) || at < ns || (at == ns && s->id < id))
			low = log_window_line_start(w, mid + 1, size);
		else
			high = mid;
	}
	while (low < size) {
		int64_t at;

		if (time_at(w, s, low, &at) && (at > ns || (at == ns && s->id >= id)))
			break;
		low = log_window_line_start(w, low + 1, size);
	}
	return low;
}

static void reset(struct log_place *p)
{
	p->inode = 0;
	p->offset = 0;
	p->last_ns = 0;
	p->has = p->asked = p->continued = false;
}

void log_place_seek_time(struct log_window *w, struct log_place *p, int64_t ns, uint64_t id)
{
	struct log_files f;

	reset(p);
	log_files_list(p->s, &f);
	for (size_t i = 0; i < f.n; i++) {
		bool last = i + 1 == f.n;

		/* a file's last change is not before its last line */
		if (!last && f.mtime[i] + 1 < ns / 1000000000)
			continue;
		if (!log_window_open(w, p->s, f.inode[i]))
			continue;
		p->inode = f.inode[i];
		p->offset = find_time(w, p->s, ns, id);
		w->n = 0;
		if (last || log_window_bytes(w, p->offset, 1).n)
			break;
	}
	log_files_release(&f);
}

void log_place_seek(struct log_window *w, struct log_place *p, uint64_t id, ino_t inode,
	off_t offset, int64_t ns)
{
	int64_t at = ns;
	struct stat st;
	bool middle;

	log_place_seek_time(w, p, ns, id);
	if (p->s->id != id || !log_window_open(w, p->s, inode))
		return;
	/* an inode number may be another file's by now: its time must be the cursor's */
	if (fstat(w->fd, &st) < 0 || offset >= st.st_size)
		return;
	middle = log_window_mid_line(w, offset);
	if (middle || (time_at(w, p->s, offset, &at) && at <= ns)) {
		p->inode = inode;
		p->offset = offset;
		p->last_ns = ns;
		p->continued = middle;
	}
}

void log_place_cursor(char ret[JOURNAL_CURSOR_SIZE], const struct log_place *p)
{
	(void)snprintf(ret, JOURNAL_CURSOR_SIZE, "s=%llx;i=%llx;n=%llx;t=%llx",
		(unsigned long long)p->s->id, (unsigned long long)p->at,
		(unsigned long long)p->at_inode, (unsigned long long)p->ns);
}

/* the whole line between the offsets is a stamp and the mark: it is not shown, and does not count */
static bool is_mark_alone(struct log_window *w, off_t from, off_t to)
{
	char line[LOG_STAMP + 1 + MARK + 1];

	return to - from == (off_t)sizeof line &&
	       pread(w->fd, line, sizeof line, from) == (ssize_t)sizeof line && line[0] == '@' &&
	       memcmp(line + LOG_STAMP + 1, UNIT_LOG_MARK, MARK) == 0;
}

/* the start of the nth line before offset in the open file; *n is what is missing if the file has fewer */
static off_t back(struct log_window *w, off_t offset, size_t *n)
{
	char *b = xmalloc(CHUNK);
	off_t end = offset; /* of the line looked at */
	bool first = true;

	while (offset > 0 && *n) {
		off_t from = MAX(offset - CHUNK, (off_t)0);
		ssize_t got = pread(w->fd, b, (size_t)(offset - from), from);

		if (got != offset - from)
			break;
		while (got > 0) {
			/* the newline right before the start is the line's own end */
			if (b[got - 1] == '\n' && !first) {
				bool counts = !is_mark_alone(w, from + got, end);

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
	if (offset == 0 && *n && !first && !is_mark_alone(w, 0, end))
		--*n;
	return offset;
}

void log_place_back(struct log_window *w, struct log_place *p, size_t n, bool from_end)
{
	struct log_files f;
	size_t i;

	log_files_list(p->s, &f);
	for (i = f.n; i-- > 0;) {
		struct stat st;

		if (!from_end && f.inode[i] != p->inode)
			continue;
		if (!log_window_open(w, p->s, f.inode[i]) || fstat(w->fd, &st) < 0)
			continue;
		p->offset = back(w, from_end ? st.st_size : p->offset, &n);
		p->inode = f.inode[i];
		from_end = true;
		if (!n)
			break;
	}
	log_files_release(&f);
	p->has = p->asked = p->continued = false;
	p->last_ns = 0;
	w->n = 0;
}

int log_place_priority(const struct log_place *p, struct slice *text)
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

struct slice log_place_text(struct log_window *w, struct log_place *p, char **shown)
{
	struct slice b;
	off_t from = p->next - (off_t)(p->text_n + p->cut) - (p->more ? 0 : 1);

	free(*shown);
	*shown = xmalloc(p->text_n + 1);
	if (p->text) {
		memcpy(*shown, p->text, p->text_n);
		return (struct slice){ *shown, p->text_n };
	}
	if (!log_window_open(w, p->s, p->at_inode))
		return (struct slice){ *shown, 0 }; /* rotated away while it waited */
	b = log_window_bytes(w, from, p->text_n);
	memcpy(*shown, b.p, MIN(b.n, p->text_n));
	return (struct slice){ *shown, MIN(b.n, p->text_n) };
}
