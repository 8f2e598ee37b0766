#include "collect/line.h"

#include "base/clock.h"
#include "base/limits.h"

struct pending {
	char stream[UNIT_NAME_SIZE], unit[UNIT_NAME_SIZE];
	struct unit_name name;
	char kind;
	int64_t time_us, touched_ms;
	struct buf text;
};

struct lines {
	line_fn *on_line;
	void *ctx;
	struct pending pending[LINE_MAX_PENDING];
	size_t n;
};

struct lines *lines_new(line_fn *on_line, void *ctx)
{
	struct lines *l = xcalloc(1, sizeof *l);

	l->on_line = on_line;
	l->ctx = ctx;
	return l;
}

void lines_restart(struct lines *l)
{
	while (l->n)
		buf_release(&l->pending[--l->n].text);
}

void lines_free(struct lines *l)
{
	if (!l)
		return;
	lines_restart(l);
	free(l);
}

/* the end of a control sequence whose ESC stands at i: ECMA-48 5.4 (CSI), 8.3.89 (OSC); of others two bytes */
static size_t skip_escape(const char *text, size_t n, size_t i)
{
	if (i + 1 < n && text[i + 1] == '[') {
		for (i += 2; i < n && (unsigned char)text[i] >= 0x20 && text[i] <= '?'; i++)
			;
		return i < n && text[i] >= '@' && text[i] <= '~' ? i + 1 : i;
	}
	if (i + 1 < n && text[i + 1] == ']') {
		for (i += 2; i < n && text[i] != '\a' && text[i] != '\x1b'; i++)
			;
		if (i + 1 < n && text[i] == '\x1b' && text[i + 1] == '\\')
			i++;
		return MIN(i + 1, n);
	}
	return MIN(i + 2, n);
}

size_t line_clean(char *ret, const char *text, size_t n)
{
	size_t m = 0;

	while (n && text[n - 1] == '\r')
		n--;
	for (size_t i = 0; i < n;) {
		if (text[i] == '\x1b')
			i = skip_escape(text, n, i);
		else
			ret[m++] = text[i++];
	}
	return m;
}

static bool emit_one(struct lines *l, struct log_line *line, struct slice text)
{
	auto_free char *clean = xmalloc(text.n + 1);

	line->text = (struct slice){ clean, line_clean(clean, text.p, text.n) };
	return l->on_line(l->ctx, line);
}

/* a message of several lines; its empty last one is none */
static bool emit(struct lines *l, struct log_line *line, struct slice text)
{
	struct slice one;
	bool ok = text.n > 0 || emit_one(l, line, text);

	while (ok && slice_line(&text, &one))
		ok = emit_one(l, line, one);
	return ok;
}

static bool flush(struct lines *l, size_t i)
{
	struct pending p = l->pending[i];
	bool ok;
	struct log_line line = {
		.unit = p.unit, .name = p.name, .time_us = p.time_us, .stream = p.kind
	};

	memmove(&l->pending[i], &l->pending[i + 1], (l->n - i - 1) * sizeof *l->pending);
	l->n--;
	ok = emit(l, &line, (struct slice){ p.text.data, p.text.len });
	buf_release(&p.text);
	return ok;
}

bool lines_flush(struct lines *l, int64_t ms)
{
	int64_t now = clock_mono_ms();
	bool ok = true;

	for (size_t i = 0; ok && i < l->n;) {
		if (now - l->pending[i].touched_ms >= ms)
			ok = flush(l, i);
		else
			i++;
	}
	return ok;
}

bool lines_pending(const struct lines *l)
{
	return l->n > 0;
}

/* an instance, or the build of a release: number 0 */
static bool parse_unit(const char *text, struct unit_name *ret)
{
	if (!unit_name_parse(text, ret) || ret->sidekick || ret->number == 0)
		return false;
	if (ret->build)
		ret->number = 0;
	return true;
}

/* whose entry it is, and of which kind; false: none of nap's apps' */
static bool belongs(const struct export_entry *entry, char unit[UNIT_NAME_SIZE],
	struct unit_name *ret_name, char *ret_kind)
{
	struct slice of = entry->field[EXPORT_OF], about = entry->field[EXPORT_ABOUT];
	bool engine = about.p && (!of.p || slice_eq(of, "init.scope"));
	struct slice name = engine ? about : of;

	if (!name.p || name.n >= UNIT_NAME_SIZE || memchr(name.p, '\0', name.n))
		return false;
	memcpy(unit, name.p, name.n);
	unit[name.n] = '\0';
	if (!parse_unit(unit, ret_name))
		return false;
	*ret_kind = engine || slice_eq(entry->field[EXPORT_COMMAND], "nap-node") ? 's' : 'o';
	return true;
}

static struct pending *find(struct lines *l, struct slice stream)
{
	for (size_t i = 0; stream.p && i < l->n; i++)
		if (slice_eq(stream, l->pending[i].stream))
			return &l->pending[i];
	return NULL;
}

static struct pending *wait_for_more(
	struct lines *l, const struct log_line *line, struct slice stream)
{
	struct pending *p = &l->pending[l->n++];

	*p = (struct pending){ .name = line->name, .kind = line->stream, .time_us = line->time_us };
	(void)snprintf(p->stream, sizeof p->stream, "%.*s", (int)stream.n, stream.p);
	(void)snprintf(p->unit, sizeof p->unit, "%s", line->unit);
	buf_init(&p->text, MAX_LOG_JOINED);
	return p;
}

/* "iwanna.web.v1@1.service: Failed with result 'exit-code'." → "Failed with result 'exit-code'." */
static struct slice without_name(struct slice text, const char *unit)
{
	size_t n = strlen(unit);

	if (text.n > n + 2 && memcmp(text.p, unit, n) == 0 && memcmp(text.p + n, ": ", 2) == 0)
		return (struct slice){ text.p + n + 2, text.n - n - 2 };
	return text;
}

bool lines_take(struct lines *l, const struct export_entry *entry)
{
	struct slice text = entry->field[EXPORT_MESSAGE], stream = entry->field[EXPORT_STREAM];
	bool more = slice_eq(entry->field[EXPORT_LINE_BREAK], "line-max");
	struct log_line line = { .time_us = entry->time_us };
	char unit[UNIT_NAME_SIZE];
	struct pending *p;

	if (!text.p || !belongs(entry, unit, &line.name, &line.stream))
		return true;
	line.unit = unit;
	if (!stream.p || stream.n >= sizeof p->stream)
		stream = slice_of(unit); /* nap-agent: a unit has one */
	p = line.stream == 'o' ? find(l, stream) : NULL;
	if (p && p->text.len + text.n > p->text.max) { /* a line without end */
		if (!flush(l, (size_t)(p - l->pending)))
			return false;
		p = NULL;
	}
	if (!p && (!more || line.stream != 'o'))
		return emit(l, &line, line.stream == 's' ? without_name(text, unit) : text);
	if (!p && l->n == LINE_MAX_PENDING && !flush(l, 0))
		return false;
	if (!p)
		p = wait_for_more(l, &line, stream);
	buf_add(&p->text, text.p, text.n);
	p->touched_ms = clock_mono_ms();
	return more || flush(l, (size_t)(p - l->pending));
}
