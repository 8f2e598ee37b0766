#include "stream/group_log.h"

#include "base/clock.h"
#include "store/applog.h"
#include "stream/reading.h"

#define RESUME_LINES 1000
#define PAGE_LINES   40	  /* of a member at a time */
#define PAGE_MEMBERS 16	  /* whose logs are read for one page: a line has up to 48 KiB */
#define LOOK_MS	     9000 /* for members that came later */

struct member {
	int64_t app_id, seq; /* told up to here; STREAM_FROM_OLDEST: nothing yet */
	char name[72];
	bool more, here;
};

struct group_log {
	char group[72];
	struct member *v;
	size_t n, turn; /* whose log is read next */
	int64_t looked_ms;
};

void group_log_free(struct group_log *g)
{
	if (!g)
		return;
	free(g->v);
	free(g);
}

static struct member *find(struct group_log *g, int64_t app_id)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->v[i].app_id == app_id)
			return &g->v[i];
	return NULL;
}

bool group_log_told(struct group_log *g, int64_t app_id)
{
	struct member *m = find(g, app_id);

	if (m)
		m->more = true;
	return m != NULL;
}

SQL(GROUP_LOG_MEMBERS,
	"SELECT a.id, a.name FROM app a JOIN family f ON f.id = a.family_id WHERE f.tenant_id = nap_tenant() AND f.name = $1 "
	"ORDER BY a.id");

/* those that are new have all to tell; those that are gone tell nothing more */
static bool look(struct group_log *g, struct db *db, struct err *e)
{
	auto_result PGresult *r = NULL;
	size_t kept = 0;

	if (!db_query(db, &r, e, GROUP_LOG_MEMBERS, g->group))
		return false;
	for (size_t i = 0; i < g->n; i++)
		g->v[i].here = false;
	g->v = xrealloc_array(g->v, g->n + (size_t)db_rows(r) + 1, sizeof *g->v);
	for (int row = 0; row < db_rows(r); row++) {
		struct member *m = find(g, db_i64(r, row, "id"));

		if (!m) {
			m = &g->v[g->n++];
			*m = (struct member){ .app_id = db_i64(r, row, "id"),
				.seq = STREAM_FROM_OLDEST,
				.more = true };
			(void)snprintf(m->name, sizeof m->name, "%s", db_text(r, row, "name"));
		}
		m->here = true;
	}
	for (size_t i = 0; i < g->n; i++)
		if (g->v[i].here)
			g->v[kept++] = g->v[i];
	g->n = kept;
	g->looked_ms = clock_mono_ms();
	return true;
}

/* ---- where it begins ---- */

static bool is_later(const void *x, const void *y)
{
	return strcmp(*(char *const *)x, *(char *const *)y) < 0;
}

static int latest_first(const void *x, const void *y)
{
	return is_later(x, y) ? 1 : -(int)is_later(y, x);
}

/* the time of the line with which the last ones of all begin; NULL: all of them are among these */
static const char *first_of_last(struct arena *a, struct applog_entry *const *list, const size_t *n,
	size_t members, size_t lines)
{
	const char **times;
	size_t all = 0;

	for (size_t i = 0; i < members; i++)
		all += n[i];
	if (all <= lines)
		return NULL;
	times = arena_alloc(a, all * sizeof *times);
	all = 0;
	for (size_t i = 0; i < members; i++)
		for (size_t k = 0; k < n[i]; k++)
			times[all++] = list[i][k].time;
	qsort(times, all, sizeof *times, latest_first);
	return times[lines - 1];
}

/* behind which of its lines it begins */
static int64_t begin(
	const struct applog_entry *list, size_t n, int64_t last, const char *from, bool behind)
{
	for (size_t k = 0; k < n; k++) {
		int order = from ? strcmp(list[k].time, from) : 1;

		if (behind ? order > 0 : order >= 0)
			return list[k].seq > 1 ? list[k].seq - 1 : STREAM_FROM_OLDEST;
	}
	return last ? last : STREAM_FROM_OLDEST;
}

static bool set_places(const struct config *cfg, struct group_log *g, int64_t lines,
	const char *after, struct err *e)
{
	auto_arena struct arena a = { 0 };
	const char *dir = arena_printf(&a, "%s/logs", cfg->state), *from = after;
	const struct applog_filter filter = { .lines = after ? RESUME_LINES
							     : (size_t)MAX(lines, 1) };
	struct applog_entry **list = arena_alloc(&a, (g->n + 1) * sizeof(struct applog_entry *));
	size_t *n = arena_alloc(&a, (g->n + 1) * sizeof *n);
	int64_t *last = arena_alloc(&a, (g->n + 1) * sizeof *last);

	for (size_t i = 0; i < g->n; i++)
		if (!applog_read(dir, g->v[i].app_id, &filter, &a, &list[i], &n[i], &last[i], e))
			return false;
	if (!after && lines)
		from = first_of_last(&a, list, n, g->n, (size_t)lines);
	for (size_t i = 0; i < g->n; i++)
		g->v[i].seq = !after && !lines ? (last[i] ? last[i] : STREAM_FROM_OLDEST)
					       : begin(list[i], n[i], last[i], from, after != NULL);
	return true;
}

bool group_log_open(const struct config *cfg, struct db *db, const char *group, int64_t lines,
	const char *after, struct group_log **ret, struct err *e)
{
	struct group_log *g = xcalloc(1, sizeof *g);

	(void)snprintf(g->group, sizeof g->group, "%s", group);
	*ret = NULL;
	if (!look(g, db, e) || !set_places(cfg, g, lines, after, e)) {
		group_log_free(g);
		return false;
	}
	if (g->n)
		*ret = g;
	else
		group_log_free(g);
	return true;
}

/* ---- going on ---- */

/* what one member has to tell now, in its own order */
struct head {
	struct member *of;
	struct applog_entry *v;
	size_t n, at;
};

static struct head *earliest(struct head *heads, size_t n)
{
	struct head *first = NULL;

	for (size_t i = 0; i < n; i++)
		if (heads[i].at < heads[i].n && (!first || strcmp(heads[i].v[heads[i].at].time,
								   first->v[first->at].time) < 0))
			first = &heads[i];
	return first;
}

static bool read_heads(const struct config *cfg, struct group_log *g, struct arena *a,
	struct head heads[PAGE_MEMBERS], size_t *ret_n, struct err *e)
{
	const char *dir = arena_printf(a, "%s/logs", cfg->state);
	size_t n = 0;

	for (size_t i = 0; i < g->n && n < PAGE_MEMBERS; i++) {
		struct member *m = &g->v[(g->turn + i) % g->n];
		const struct applog_filter filter = { .after = m->seq, .lines = PAGE_LINES };
		struct head *h = &heads[n];
		int64_t last;

		if (!m->more)
			continue;
		if (!applog_read(dir, m->app_id, &filter, a, &h->v, &h->n, &last, e))
			return false;
		h->of = m;
		h->at = 0;
		m->more = h->n == PAGE_LINES;
		n++;
	}
	if (n)
		g->turn = (size_t)(heads[n - 1].of - g->v) + 1;
	*ret_n = n;
	return true;
}

static void tell(struct stream *s, struct head *h)
{
	const struct applog_entry *entry = &h->v[h->at++];
	auto_buf struct buf json;

	buf_init(&json, STREAM_MAX_OUT);
	buf_printf(&json, "{\"app\":\"%s\",\"line\":", h->of->name);
	applog_json(&json, entry);
	buf_putc(&json, '}');
	stream_message(s, entry->time, NULL, json.data, json.len);
	h->of->seq = entry->seq;
}

static bool look_again(struct db *db, struct stream *s, struct err *e)
{
	auto_tx struct tx tx = { 0 };

	return tx_begin_as(db, &tx, s->tenant, s->role, "", e) && look(s->group, db, e) &&
	       tx_commit(&tx, e);
}

bool group_log_read(const struct config *cfg, struct db *db, struct stream *s, struct err *e)
{
	struct group_log *g = s->group;
	auto_arena struct arena a = { 0 };
	struct head heads[PAGE_MEMBERS], *h;
	size_t n;

	if (clock_mono_ms() - g->looked_ms >= LOOK_MS) {
		if (!look_again(db, s, e))
			return false;
		/* what the channel has not told, as after a lost connection */
		for (size_t i = 0; i < g->n; i++)
			g->v[i].more = true;
	}
	if (!g->n) {
		stream_end(s);
		return true;
	}
	if (!read_heads(cfg, g, &a, heads, &n, e))
		return false;
	while ((h = earliest(heads, n)) && s->out.len - s->sent < STREAM_FULL)
		tell(s, h);
	s->wake = false;
	for (size_t i = 0; i < n; i++)
		heads[i].of->more = heads[i].of->more || heads[i].at < heads[i].n;
	for (size_t i = 0; i < g->n && !s->wake; i++)
		s->wake = g->v[i].more;
	return true;
}
