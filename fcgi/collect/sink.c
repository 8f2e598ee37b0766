#include "collect/sink.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "store/applog.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define MAX_OPEN      128
#define IDLE_MS	      (5 * 60 * 1000)
#define MAX_KNOWN     8192
#define UNKNOWN_MS    5000 /* before an unknown unit is asked for again */
#define TAIL	      2048 /* lines looked through for one that is known already */
#define COMPLAINT_GAP 60000

struct open_log {
	int64_t app_id, used_ms;
	struct applog log;
	bool dirty;
	/* its last lines, read when one of them may come again; what is written from here on is not among them */
	bool tail_read;
	struct arena tail_a;
	struct applog_entry *tail;
	size_t tail_n;
};

struct known {
	char *unit;
	int64_t app_id; /* 0: none */
	int64_t asked_ms;
};

struct sink {
	const struct config *cfg;
	struct db *db;
	char *dir;
	struct open_log *open[MAX_OPEN];
	size_t open_n;
	struct known known[2 * MAX_KNOWN]; /* open addressing, by the unit's hash */
	size_t known_n;
	int64_t complained_ms;
};

struct sink *sink_new(const struct config *cfg, struct db *db)
{
	struct sink *s = xcalloc(1, sizeof *s);

	s->cfg = cfg;
	s->db = db;
	s->dir = xasprintf("%s/logs", cfg->state);
	s->complained_ms = -COMPLAINT_GAP;
	return s;
}

static void close_log(struct sink *s, size_t i)
{
	struct open_log *o = s->open[i];

	applog_close(&o->log);
	arena_clear(&o->tail_a);
	free(o);
	s->open[i] = s->open[--s->open_n];
}

static void forget_units(struct sink *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->known); i++) {
		free(s->known[i].unit);
		s->known[i].unit = NULL;
	}
	s->known_n = 0;
}

void sink_free(struct sink *s)
{
	if (!s)
		return;
	while (s->open_n)
		close_log(s, 0);
	forget_units(s);
	free(s->dir);
	free(s);
}

static void complain(struct sink *s, const struct err *e)
{
	if (clock_mono_ms() - s->complained_ms < COMPLAINT_GAP)
		return;
	s->complained_ms = clock_mono_ms();
	LOG(ERROR, "logs.lost", KV("error", e->msg), KV("detail", e->detail));
}

/* its place, or the empty one where it would be (FNV-1a) */
static struct known *place(struct sink *s, const char *unit)
{
	uint64_t h = 14695981039346656037u;
	size_t i;

	for (const char *p = unit; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211u;
	for (i = h % ARRAY_SIZE(s->known); s->known[i].unit && !streq(s->known[i].unit, unit);)
		i = (i + 1) % ARRAY_SIZE(s->known);
	return &s->known[i];
}

/* a build may run before its release has a row */
SQL(APP_OF_UNIT,
	"SELECT a.id FROM app a JOIN tenant t ON t.id = a.tenant_id WHERE t.name = $1 AND a.name = $2 "
	"AND ($4::bigint = 0 OR EXISTS (SELECT 1 FROM release r WHERE r.app_id = a.id AND r.number = $3))");

/* *ret 0: no app's */
static bool app_of(struct sink *s, const struct log_line *line, int64_t *ret)
{
	struct known *k = place(s, line->unit);
	struct err e;
	int64_t id = 0;

	if (k->unit && (k->app_id || clock_mono_ms() - k->asked_ms < UNKNOWN_MS)) {
		*ret = k->app_id;
		return true;
	}
	if (!db_one_i64(s->db, &id, &e, APP_OF_UNIT, line->name.tenant, line->name.app,
		    I64(line->name.release), I64(line->name.number)) &&
		e.kind != ERR_NOT_FOUND) {
		complain(s, &e);
		return false;
	}
	if (!k->unit && s->known_n == MAX_KNOWN) {
		forget_units(s);
		k = place(s, line->unit);
	}
	if (!k->unit) {
		k->unit = xstrdup(line->unit);
		s->known_n++;
	}
	k->app_id = id;
	k->asked_ms = clock_mono_ms();
	*ret = id;
	return true;
}

static void close_oldest(struct sink *s)
{
	size_t oldest = 0;

	for (size_t i = 1; i < s->open_n; i++)
		if (s->open[i]->used_ms < s->open[oldest]->used_ms)
			oldest = i;
	sink_tell(s);
	close_log(s, oldest);
}

static struct open_log *log_of(struct sink *s, int64_t app_id, struct err *e)
{
	struct open_log *o;

	for (size_t i = 0; i < s->open_n; i++)
		if (s->open[i]->app_id == app_id)
			return s->open[i];
	if (s->open_n == MAX_OPEN)
		close_oldest(s);
	o = xcalloc(1, sizeof *o);
	o->app_id = app_id;
	if (!applog_open(s->dir, app_id, s->cfg->log_max, &o->log, e)) {
		free(o);
		return NULL;
	}
	s->open[s->open_n++] = o;
	return o;
}

static bool same(const struct applog_entry *a, const struct log_line *line, const char *time,
	const struct buf *text)
{
	return streq(a->time, time) && a->release == line->name.release &&
	       a->instance == line->name.number && a->stream == line->stream &&
	       a->message.n == text->len && memcmp(a->message.p, text->data, text->len) == 0;
}

/* it stands in the log already; a line found is taken out, so that its twin is found too */
static bool is_known(struct sink *s, struct open_log *o, const struct log_line *line)
{
	auto_buf struct buf text = { 0 };
	char time[RFC3339_SIZE];
	struct err e;
	int64_t last;

	if (!o->tail_read) {
		o->tail_read = true;
		o->tail_n = 0;
		if (!applog_read(s->dir, o->app_id, &(struct applog_filter){ .lines = TAIL },
			    &o->tail_a, &o->tail, &o->tail_n, &last, &e)) {
			complain(s, &e);
			return false;
		}
	}
	buf_init(&text, line->text.n * 3 + 1);
	applog_clean(&text, line->text.p, line->text.n);
	clock_rfc3339(time, line->time_us, 6);
	for (size_t i = 0; i < o->tail_n; i++)
		if (o->tail[i].seq && same(&o->tail[i], line, time, &text)) {
			o->tail[i].seq = 0;
			return true;
		}
	return false;
}

bool sink_write(struct sink *s, const struct log_line *line, bool again)
{
	struct open_log *o;
	struct err e;
	int64_t app_id;

	if (!app_of(s, line, &app_id))
		return false;
	if (app_id == 0)
		return true;
	o = log_of(s, app_id, &e);
	if (o)
		o->used_ms = clock_mono_ms();
	if (o && again && is_known(s, o, line))
		return true;
	if (o && !again && o->tail_read) {
		arena_clear(&o->tail_a);
		o->tail_read = false;
		o->tail_n = 0;
	}
	if (!o || !applog_append(&o->log, line->time_us, line->name.release, line->name.number,
			  line->stream, line->text.p, line->text.n, &e))
		complain(s, &e);
	else
		o->dirty = true;
	return true;
}

bool sink_dirty(const struct sink *s)
{
	for (size_t i = 0; i < s->open_n; i++)
		if (s->open[i]->dirty)
			return true;
	return false;
}

SQL(LOG_TELL, "SELECT count(pg_notify('" SINK_CHANNEL "', id)) FROM unnest($1::text[]) id");

void sink_tell(struct sink *s)
{
	auto_buf struct buf ids = { 0 };
	struct err e;

	buf_init(&ids, MAX_OPEN * 24);
	buf_putc(&ids, '{');
	for (size_t i = 0; i < s->open_n; i++)
		if (s->open[i]->dirty)
			buf_printf(&ids, "%s%lld", ids.len > 1 ? "," : "",
				(long long)s->open[i]->app_id);
	if (ids.len == 1)
		return;
	buf_putc(&ids, '}');
	/* a reader looks every few seconds anyway: an untold line is late, not lost */
	if (!db_exec(s->db, NULL, &e, LOG_TELL, ids.data))
		complain(s, &e);
	for (size_t i = 0; i < s->open_n; i++)
		s->open[i]->dirty = false;
}

void sink_close_idle(struct sink *s)
{
	int64_t now = clock_mono_ms();

	for (size_t i = 0; i < s->open_n;) {
		if (!s->open[i]->dirty && now - s->open[i]->used_ms > IDLE_MS)
			close_log(s, i);
		else
			i++;
	}
}

SQL(APP_EXISTS, "SELECT count(*) FROM app WHERE id = $1");

/* The file `gone` says since when an app is: its log may have been silent for long before. */
static bool sweep_one(struct sink *s, const char *name, struct err *e)
{
	auto_free char *folder = xasprintf("%s/%s", s->dir, name);
	auto_free char *gone = xasprintf("%s/gone", folder);
	int64_t id, n;
	struct stat st;
	auto_fd int fd = -1;

	if (!parse_i64(name, 1, INT64_MAX, &id))
		return true;
	if (!db_one_i64(s->db, &n, e, APP_EXISTS, I64(id)))
		return false;
	if (n > 0) {
		(void)unlink(gone);
		return true;
	}
	if (stat(gone, &st) == 0) {
		if (clock_now() - st.st_mtime < s->cfg->log_keep_hours * 3600)
			return true;
		for (size_t i = 0; i < s->open_n; i++)
			if (s->open[i]->app_id == id)
				close_log(s, i--);
		LOG(INFO, "logs.removed", KV("app", id));
		return tree_remove(folder, e);
	}
	fd = open(gone, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	return fd >= 0 || err_errno(e, "could not make \"%s\"", gone);
}

bool sink_sweep(struct sink *s, struct err *e)
{
	auto_dir DIR *dir = opendir(s->dir);

	if (!dir)
		return errno == ENOENT || err_errno(e, "could not read \"%s\"", s->dir);
	for (const struct dirent *d; (d = readdir(dir));)
		if (!sweep_one(s, d->d_name, e))
			return false;
	return true;
}
