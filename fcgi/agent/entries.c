#include "agent/entries.h"

#include "agent/usage.h"
#include "base/clock.h"
#include "base/text.h"

#include <poll.h>
#include <time.h>

#define OUT_MAX	       (1024 * 1024)
#define OUT_ENOUGH     (64 * 1024)
#define JSON_THRESHOLD 4096 /* journald's: a longer value is null */
#define FILTERS_MAX    64
#define BACK_MAX       1000000

enum form { FORM_SHORT, FORM_JSON, FORM_SSE, FORM_EXPORT };

static const char *const FORM_TYPE[] = { "text/plain", "application/json", "text/event-stream",
	"application/vnd.fdo.journal" };

struct filter {
	char *field, *value;
};

struct answer {
	struct entries *en;
	struct MHD_Connection *connection;
	struct journal_reader *reader;
	enum form form;
	bool follow, suspended, ended;
	uint64_t left; /* entries still to be given */
	struct filter filter[FILTERS_MAX];
	size_t filters;
	struct buf out;
	size_t sent;
	struct answer *next;
};

struct entries {
	struct agent *ag;
	struct answer *answers;
	size_t followers;
	int64_t hangup_at;
	int64_t boot_us; /* when the machine was started */
};

struct entries *entries_new(struct agent *ag)
{
	struct entries *en = xcalloc(1, sizeof *en);
	struct timespec up;

	en->ag = ag;
	(void)clock_gettime(CLOCK_BOOTTIME, &up);
	en->boot_us = clock_now_us() - up.tv_sec * 1000000 - up.tv_nsec / 1000;
	return en;
}

void entries_free(struct entries *en)
{
	free(en);
}

/* Fields of an entry, in the order they are written */

struct field {
	const char *name;
	struct slice value;
};

struct fields {
	struct field f[24];
	size_t n;
	struct arena a;
};

static void put(struct fields *fs, const char *name, const char *value)
{
	assert(fs->n < ARRAY_SIZE(fs->f));
	fs->f[fs->n++] = (struct field){ name, slice_of(value) };
}

static void put_number(struct fields *fs, const char *name, int64_t n)
{
	put(fs, name, arena_printf(&fs->a, "%lld", (long long)n));
}

static void output_fields(
	const struct entries *en, const struct journal_entry *e, struct fields *fs)
{
	put(fs, "_TRANSPORT", "stdout");
	put(fs, "SYSLOG_IDENTIFIER", e->unit);
	put_number(fs, "_UID", e->uid);
	put_number(fs, "_GID", e->uid);
	put(fs, "_SYSTEMD_UNIT", e->unit);
	put(fs, "_SYSTEMD_CGROUP",
		arena_printf(&fs->a, "/nap-%d/%s", en->ag->cfg.block_port, e->unit));
	if (e->more)
		put(fs, "_LINE_BREAK", "line-max");
}

static void event_fields(const struct journal_entry *e, struct fields *fs)
{
	put(fs, "_TRANSPORT", "journal");
	put(fs, "SYSLOG_IDENTIFIER", "systemd");
	put(fs, "_PID", "1");
	put(fs, "_UID", "0");
	put(fs, "_GID", "0");
	put(fs, "_SYSTEMD_UNIT", "init.scope");
	put(fs, "UNIT", e->unit);
}

static void make_fields(const struct entries *en, const struct journal_entry *e, struct fields *fs)
{
	const struct machine *m = &en->ag->machine;
	bool now = e->time_us >= en->boot_us;

	put(fs, "__CURSOR", e->cursor);
	put_number(fs, "__REALTIME_TIMESTAMP", e->time_us);
	put_number(fs, "__MONOTONIC_TIMESTAMP", now ? e->time_us - en->boot_us : 0);
	put(fs, "_BOOT_ID", now ? m->boot_id : "00000000000000000000000000000000");
	put_number(fs, "PRIORITY", e->priority);
	put(fs, "SYSLOG_FACILITY", "3");
	put(fs, "_MACHINE_ID", m->id);
	put(fs, "_HOSTNAME", m->hostname);
	put(fs, "_RUNTIME_SCOPE", "system");
	if (e->event)
		event_fields(e, fs);
	else
		output_fields(en, e, fs);
	fs->f[fs->n++] = (struct field){ "MESSAGE", e->message };
}

/* text, as journald sees it: UTF-8 without control characters other than tab and newline */
static bool printable(struct slice s)
{
	for (size_t i = 0; i < s.n;) {
		unsigned char c = (unsigned char)s.p[i];
		size_t step = utf8_step(s.p + i, s.n - i);

		if (!step || (c < 0x20 && c != '\t' && c != '\n') || c == 0x7f)
			return false;
		if (c == 0xc2 && (unsigned char)s.p[i + 1] < 0xa0)
			return false;
		i += step;
	}
	return true;
}

static void json_value(struct buf *b, const struct field *f)
{
	if (strlen(f->name) + 1 + f->value.n >= JSON_THRESHOLD) {
		buf_puts(b, "null");
		return;
	}
	if (printable(f->value)) {
		buf_json(b, f->value.p, f->value.n);
		return;
	}
	buf_putc(b, '[');
	for (size_t i = 0; i < f->value.n; i++)
		buf_printf(b, "%s%u", i ? "," : "", (unsigned char)f->value.p[i]);
	buf_putc(b, ']');
}

static void write_json(struct buf *b, const struct fields *fs)
{
	for (size_t i = 0; i < fs->n; i++) {
		buf_printf(b, "%s\"%s\":", i ? "," : "{", fs->f[i].name);
		json_value(b, &fs->f[i]);
	}
	buf_putc(b, '}');
}

static void write_export(struct buf *b, const struct fields *fs)
{
	for (size_t i = 0; i < fs->n; i++) {
		const struct field *f = &fs->f[i];
		uint64_t n = f->value.n;

		buf_puts(b, f->name);
		if (printable(f->value) && !memchr(f->value.p, '\n', f->value.n)) {
			buf_putc(b, '=');
		} else {
			unsigned char size[8];

			for (int k = 0; k < 8; k++)
				size[k] = (unsigned char)(n >> (8 * k));
			buf_putc(b, '\n');
			buf_add(b, size, sizeof size);
		}
		buf_add(b, f->value.p, f->value.n);
		buf_putc(b, '\n');
	}
	buf_putc(b, '\n');
}

static void write_short(struct buf *b, const struct entries *en, const struct journal_entry *e)
{
	time_t t = e->time_us / 1000000;
	char when[32] = "";
	struct tm tm;

	if (gmtime_r(&t, &tm))
		(void)strftime(when, sizeof when, "%b %d %H:%M:%S", &tm);
	buf_printf(
		b, "%s %s %s: ", when, en->ag->machine.hostname, e->event ? "systemd[1]" : e->unit);
	if (printable(e->message))
		buf_add(b, e->message.p, e->message.n);
	else
		buf_printf(b, "[%zuB blob data]", e->message.n);
	buf_putc(b, '\n');
}

static void write_entry(struct answer *an, const struct journal_entry *e, const struct fields *fs)
{
	switch (an->form) {
	case FORM_SHORT:
		write_short(&an->out, an->en, e);
		return;
	case FORM_EXPORT:
		write_export(&an->out, fs);
		return;
	case FORM_SSE:
		buf_puts(&an->out, "data: ");
		write_json(&an->out, fs);
		buf_puts(&an->out, "\n\n");
		return;
	case FORM_JSON:
		write_json(&an->out, fs);
		buf_putc(&an->out, '\n');
		return;
	}
}

/* Values of one field are alternatives, fields come together: sd_journal_add_match(3) */
static bool field_matches(const struct answer *an, const struct fields *fs, const char *field)
{
	for (size_t i = 0; i < an->filters; i++) {
		if (!streq(an->filter[i].field, field))
			continue;
		for (size_t k = 0; k < fs->n; k++) {
			if (streq(fs->f[k].name, field) &&
				slice_eq(fs->f[k].value, an->filter[i].value))
				return true;
		}
	}
	return false;
}

static bool matches(const struct answer *an, const struct fields *fs)
{
	for (size_t i = 0; i < an->filters; i++) {
		if (!field_matches(an, fs, an->filter[i].field))
			return false;
	}
	return true;
}

/* more text for the client; false: nothing (now) */
static bool produce(struct answer *an)
{
	struct journal_entry e;

	if (an->sent == an->out.len) {
		buf_clear(&an->out);
		an->sent = 0;
	}
	while (an->left && an->out.len < OUT_ENOUGH && journal_next(an->reader, &e)) {
		struct fields fs = { .n = 0 };

		make_fields(an->en, &e, &fs);
		if (matches(an, &fs)) {
			write_entry(an, &e, &fs);
			an->left--;
		}
		arena_clear(&fs.a);
	}
	return an->out.len > an->sent;
}

static ssize_t read_answer(void *cls, uint64_t pos, char *to, size_t max)
{
	struct answer *an = cls;
	size_t n;

	(void)pos;
	if (an->out.len == an->sent && !produce(an)) {
		if (!an->follow || an->ended || !an->left)
			return MHD_CONTENT_READER_END_OF_STREAM;
		an->suspended = true;
		MHD_suspend_connection(an->connection);
		return 0;
	}
	n = MIN(max, an->out.len - an->sent);
	memcpy(to, an->out.data + an->sent, n);
	an->sent += n;
	return (ssize_t)n;
}

static void free_answer(void *cls)
{
	struct answer *an = cls;

	for (struct answer **at = &an->en->answers; *at; at = &(*at)->next) {
		if (*at == an) {
			*at = an->next;
			break;
		}
	}
	an->en->followers -= an->follow;
	for (size_t i = 0; i < an->filters; i++) {
		free(an->filter[i].field);
		free(an->filter[i].value);
	}
	journal_reader_free(an->reader);
	buf_release(&an->out);
	free(an);
}

static void resume(struct answer *an)
{
	if (!an->suspended)
		return;
	an->suspended = false;
	MHD_resume_connection(an->connection);
}

void entries_end(struct entries *en)
{
	for (struct answer *an = en->answers; an; an = an->next) {
		an->ended = true;
		resume(an);
	}
}

/* a suspended connection is not looked at by the library: has its client gone? */
static bool hung_up(const struct answer *an)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(an->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct pollfd p = { info ? info->connect_fd : -1, POLLRDHUP, 0 };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

void entries_tick(struct entries *en)
{
	int64_t now = clock_mono_ms();
	bool look = now >= en->hangup_at;

	(void)journal_look(en->ag->journal);
	if (look)
		en->hangup_at = now + 2000;
	for (struct answer *an = en->answers, *next; an; an = next) {
		next = an->next;
		if (!an->suspended)
			continue;
		if (look && hung_up(an))
			an->ended = true;
		if (an->ended || produce(an))
			resume(an);
	}
}

bool entries_waiting(const struct entries *en)
{
	return en->followers > 0;
}

/* Requests */

struct range {
	char *cursor; /* "": none */
	int64_t skip;
	uint64_t count;
};

/* "entries=[CURSOR][:SKIP[:COUNT]]" */
static bool range_parse(struct arena *a, const char *header, struct range *ret)
{
	const char *colon, *second;
	int64_t count = INT64_MAX, skip = 0;

	*ret = (struct range){ arena_strdup(a, ""), 0, UINT64_MAX };
	if (!header || !starts_with(header, "entries="))
		return true;
	header += 8;
	colon = strchr(header, ':');
	ret->cursor = arena_strndup(a, header, colon ? (size_t)(colon - header) : strlen(header));
	if (!colon)
		return true;
	second = strchr(colon + 1, ':');
	if (second && !parse_i64(second + 1, 1, INT64_MAX, &count))
		return false;
	if (!parse_i64(arena_strndup(a, colon + 1,
			       second ? (size_t)(second - colon - 1) : strlen(colon + 1)),
		    -INT64_MAX, INT64_MAX, &skip) &&
		(second ? second != colon + 1 : colon[1] != '\0'))
		return false;
	ret->skip = skip;
	ret->count = second ? (uint64_t)count : UINT64_MAX;
	return true;
}

static void seek(struct journal_reader *r, const struct range *range, bool *ret_ok)
{
	struct journal_entry e;

	*ret_ok = !*range->cursor || journal_seek_cursor(r, range->cursor);
	if (!*ret_ok)
		return;
	if (range->skip < 0) {
		journal_seek_back(r, (size_t)MIN(-range->skip, (int64_t)BACK_MAX), !*range->cursor);
		return;
	}
	for (int64_t i = 0; i < range->skip; i++) {
		/* the first one to skip is the cursor's own, if it is still there */
		if (!journal_next(r, &e))
			return;
	}
}

static enum form form_of(struct http_in *in)
{
	const char *accept = http_header(in, "Accept", NULL);

	for (size_t i = 1; accept && i < ARRAY_SIZE(FORM_TYPE); i++) {
		if (streq(accept, FORM_TYPE[i]))
			return (enum form)i;
	}
	return FORM_SHORT;
}

struct query {
	struct http_in *in;
	struct answer *an;
	const char *output[FILTERS_MAX], *events[FILTERS_MAX];
	size_t n_output, n_events;
	bool boot, failed;
};

static bool truth(const char *value)
{
	static const char *const no[] = { "0", "no", "n", "false", "f", "off" };

	for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
		if (strcasecmp(value, no[i]) == 0)
			return false;
	}
	return true;
}

static void add_filter(struct query *q, const char *field, const char *value)
{
	struct answer *an = q->an;

	if (an->filters == FILTERS_MAX || q->n_output == FILTERS_MAX ||
		q->n_events == FILTERS_MAX) {
		q->failed = true;
		return;
	}
	an->filter[an->filters++] = (struct filter){ xstrdup(field), xstrdup(value) };
	if (streq(field, "_SYSTEMD_UNIT"))
		q->output[q->n_output++] = arena_strdup(&q->in->a, value);
	if (streq(field, "UNIT"))
		q->events[q->n_events++] = arena_strdup(&q->in->a, value);
}

static enum MHD_Result each_argument(
	void *cls, enum MHD_ValueKind kind, const char *key, const char *text)
{
	struct query *q = cls;
	const char *value = http_decode(q->in, text ? text : ""), *name = http_decode(q->in, key);

	(void)kind;
	if (!value || !name)
		q->failed = true;
	else if (streq(name, "follow"))
		q->an->follow = truth(value);
	else if (streq(name, "boot"))
		q->boot = truth(value);
	else if (!streq(name, "discrete"))
		add_filter(q, name, value);
	return MHD_YES;
}

static void plain(struct http_in *in, unsigned int status, const char *text)
{
	http_reply(in, status, "text/plain", text, strlen(text));
}

static void open_reader(struct query *q)
{
	/* UNIT and _SYSTEMD_UNIT are never in one entry together with the same name, except init.scope's */
	struct journal_match m = { q->output, q->events, q->n_output, q->n_events,
		q->n_output + q->n_events == 0 };

	if (q->n_output && q->n_events)
		m.all = false;
	for (size_t i = 0; i < q->n_output; i++)
		m.all = m.all || streq(q->output[i], "init.scope");
	if (q->an->follow)
		q->an->en->followers++;
	q->an->reader = journal_read(q->an->en->ag->journal, &m, q->an->follow);
}

static void respond(struct answer *an, struct http_in *in)
{
	struct MHD_Response *r = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, OUT_ENOUGH, read_answer, an, free_answer);

	if (!r)
		abort();
	(void)MHD_add_response_header(r, "Content-Type", FORM_TYPE[an->form]);
	http_reply_with(in, 200, r);
}

static void entries_get(struct entries *en, struct http_in *in)
{
	struct answer *an = xcalloc(1, sizeof *an);
	struct query q = { .in = in, .an = an };
	struct range range;
	bool ok;

	an->en = en;
	an->connection = in->connection;
	an->form = form_of(in);
	an->next = en->answers;
	en->answers = an;
	buf_init(&an->out, OUT_MAX);
	if (!range_parse(&in->a, http_header(in, "Range", NULL), &range)) {
		plain(in, 400, "Failed to parse Range header.\n");
		free_answer(an);
		return;
	}
	an->left = range.count;
	(void)MHD_get_connection_values(in->connection, MHD_GET_ARGUMENT_KIND, each_argument, &q);
	if (q.failed || (an->follow && en->followers >= ENTRIES_FOLLOWERS)) {
		plain(in, q.failed ? 400 : 503,
			q.failed ? "Failed to parse URL arguments.\n" : "Too many followers.\n");
		an->follow = false;
		free_answer(an);
		return;
	}
	(void)journal_look(en->ag->journal);
	open_reader(&q);
	if (q.boot && !*range.cursor && range.skip >= 0)
		journal_seek_time(an->reader, en->boot_us);
	seek(an->reader, &range, &ok);
	if (!ok) {
		plain(in, 400, "Failed to seek in journal.\n");
		free_answer(an);
		return;
	}
	respond(an, in);
}

static void machine_get_json(const struct entries *en, struct http_in *in)
{
	auto_buf struct buf b = { 0 };
	const struct machine *m = &en->ag->machine;

	buf_init(&b, 64 * 1024);
	buf_printf(&b, "{ \"machine_id\" : \"%s\",\"boot_id\" : \"%s\",\"hostname\" : ", m->id,
		m->boot_id);
	buf_json(&b, m->hostname, strlen(m->hostname));
	buf_printf(&b,
		",\"os_pretty_name\" : \"Linux\",\"virtualization\" : \"bare\",\"usage\" : \"%lld\","
		"\"cutoff_from_realtime\" : \"%lld\",\"cutoff_to_realtime\" : \"%lld\" }\n",
		(long long)usage_log_bytes(en->ag), (long long)en->boot_us,
		(long long)clock_now_us());
	http_reply(in, 200, "application/json", b.data, b.len);
}

void entries_http(void *ctx, struct http_in *in)
{
	struct entries *en = ctx;

	if (!streq(in->method, "GET"))
		plain(in, 406, "Unsupported method.\n");
	else if (streq(in->path, "/entries"))
		entries_get(en, in);
	else if (streq(in->path, "/machine"))
		machine_get_json(en, in);
	else if (streq(in->path, "/nap/v1/usage"))
		usage_json(en->ag, in);
	else if (streq(in->path, "/nap/v1/history"))
		usage_history(en->ag, in);
	else if (streq(in->path, "/metrics"))
		usage_metrics(en->ag, in);
	else
		plain(in, 404, "Not found.\n");
}
