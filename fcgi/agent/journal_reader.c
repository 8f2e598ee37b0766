#include "agent/journal.h"

#include "agent/journal_streams.h"
#include "agent/log_place.h"
#include "base/clock.h"

struct journal_reader {
	struct journal *j;
	bool follow;
	struct log_place **place;
	size_t n, size;
	struct log_place **heap; /* those that have an entry, the earliest on top */
	size_t heap_n;
	unsigned int generation;
	char **output, **events; /* names; NULL where all is read */
	size_t n_output, n_events;
	bool all;
	struct log_window window;
	char *shown; /* the text of the entry handed out */
};

/* The heap */

static bool before(const struct log_place *a, const struct log_place *b)
{
	return a->ns != b->ns ? a->ns < b->ns : a->s->id < b->s->id;
}

static void sift_down(struct journal_reader *r, size_t i)
{
	for (;;) {
		size_t least = i, k = 2 * i + 1;
		struct log_place *swap;

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

static void push(struct journal_reader *r, struct log_place *p)
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

static bool wanted(const struct journal_reader *r, const struct log_stream *s)
{
	if (r->all)
		return true;
	return s->events ? listed(r->events, r->n_events, s->name)
			 : listed(r->output, r->n_output, s->name);
}

static void add_place(struct journal_reader *r, struct log_stream *s)
{
	struct log_place *p = xcalloc(1, sizeof *p);

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
		r->place = xrealloc_array(r->place, r->size, sizeof(struct log_place *));
		r->heap = xrealloc_array(r->heap, r->size, sizeof(struct log_place *));
	}
	r->place[r->n++] = p;
}

static void drop_gone(struct journal_reader *r)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->n; i++) {
		struct log_place *p = r->place[i];

		if (p->s->gone && !p->has) {
			log_stream_unref(p->s);
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
	if (r->generation == journal_generation(r->j))
		return;
	r->generation = journal_generation(r->j);
	drop_gone(r);
	for (size_t i = 0; i < journal_streams(r->j); i++) {
		if (wanted(r, journal_stream(r->j, i)))
			add_place(r, journal_stream(r->j, i));
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
	r->window.fd = -1;
	r->all = m->all;
	r->output = copy_names(m->output, m->n_output);
	r->events = copy_names(m->events, m->n_events);
	r->n_output = m->n_output;
	r->n_events = m->n_events;
	r->generation = journal_generation(j) - 1;
	refresh(r);
	return r;
}

void journal_reader_free(struct journal_reader *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++) {
		log_stream_unref(r->place[i]->s);
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
	free(r->shown);
	log_window_release(&r->window);
	free(r);
}

void journal_seek_time(struct journal_reader *r, int64_t time_us)
{
	r->heap_n = 0;
	for (size_t i = 0; i < r->n; i++)
		log_place_seek_time(&r->window, r->place[i], time_us * 1000, 0);
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
	for (size_t i = 0; i < r->n; i++)
		log_place_seek(
			&r->window, r->place[i], id, (ino_t)inode, (off_t)offset, (int64_t)ns);
	return true;
}

static void fill(struct journal_reader *r)
{
	refresh(r);
	for (size_t i = 0; i < r->n; i++) {
		struct log_place *p = r->place[i];

		if (!p->has && (!p->asked || p->seen != p->s->seq) && log_place_load(&r->window, p))
			push(r, p);
	}
}

static void take(struct journal_reader *r)
{
	struct log_place *p = r->heap[0];

	p->offset = p->next;
	p->last_ns = p->ns;
	p->continued = p->more;
	p->has = false;
	p->asked = false;
	pop(r);
	if (log_place_load(&r->window, p))
		push(r, p);
}

void journal_seek_back(struct journal_reader *r, size_t n, bool from_end)
{
	struct log_place *kept;
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
		log_place_back(&r->window, r->place[i], n, from_end);
		kept[i] = *r->place[i];
	}
	/* n of each stream are too many where there are several: count, and begin again */
	for (fill(r); r->heap_n; take(r)) {
		const struct log_place *p = r->heap[0];

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

bool journal_next(struct journal_reader *r, struct journal_entry *ret)
{
	struct log_place *p;

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
		.message = log_place_text(&r->window, p, &r->shown),
		.more = p->more };
	ret->priority = log_place_priority(p, &ret->message);
	log_place_cursor(ret->cursor, p);
	take(r);
	return true;
}
