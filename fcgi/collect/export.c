#include "collect/export.h"

#include "base/limits.h"

static const char *const NAMES[EXPORT_FIELDS] = {
	[EXPORT_CURSOR] = "__CURSOR",
	[EXPORT_TIME] = "__REALTIME_TIMESTAMP",
	[EXPORT_OF] = "_SYSTEMD_UNIT",
	[EXPORT_ABOUT] = "UNIT",
	[EXPORT_MESSAGE] = "MESSAGE",
	[EXPORT_STREAM] = "_STREAM_ID",
	[EXPORT_LINE_BREAK] = "_LINE_BREAK",
	[EXPORT_COMMAND] = "_COMM",
};

void export_init(struct export *x, export_fn *on_entry, void *ctx)
{
	*x = (struct export){ .on_entry = on_entry, .ctx = ctx };
	for (int i = 0; i < EXPORT_FIELDS; i++)
		buf_init(&x->value[i], i == EXPORT_MESSAGE ? MAX_LOG_LINE : EXPORT_MAX_VALUE);
	export_restart(x);
}

void export_release(struct export *x)
{
	for (int i = 0; i < EXPORT_FIELDS; i++)
		buf_release(&x->value[i]);
}

static void next_field(struct export *x)
{
	x->at = EXPORT_NAME;
	x->name_n = x->size_n = 0;
	x->left = 0;
	x->field = -1;
}

void export_restart(struct export *x)
{
	for (int i = 0; i < EXPORT_FIELDS; i++) {
		buf_clear(&x->value[i]);
		x->has[i] = false;
	}
	next_field(x);
}

/* a value begins: is it one that is kept? */
static void choose(struct export *x)
{
	for (int i = 0; i < EXPORT_FIELDS; i++)
		if (slice_eq((struct slice){ x->name, x->name_n }, NAMES[i]) && !x->has[i]) {
			x->has[i] = true;
			x->field = i;
		}
}

static void keep(struct export *x, const char *p, size_t n)
{
	struct buf *b;

	if (x->field < 0)
		return;
	b = &x->value[x->field];
	buf_add(b, p, MIN(n, b->max - b->len));
}

static bool end_entry(struct export *x, struct err *e)
{
	struct export_entry entry = { 0 };
	bool ok = true;

	for (int i = 0; i < EXPORT_FIELDS; i++)
		if (x->has[i])
			entry.field[i] = (struct slice){ x->value[i].data, x->value[i].len };
	if (!parse_slice_i64(entry.field[EXPORT_TIME], 0, INT64_MAX, &entry.time_us))
		entry.time_us = 0;
	if (x->has[EXPORT_CURSOR])
		ok = x->on_entry(x->ctx, &entry);
	export_restart(x);
	return ok || err_set(e, ERR_CONFLICT, "stopped", "the reader has enough");
}

/* each of these takes what it can of p and says how much that was */
static size_t read_name(struct export *x, const char *p, size_t n, bool *ret_ended)
{
	size_t i = 0;

	for (; i < n && p[i] != '=' && p[i] != '\n'; i++)
		if (x->name_n < sizeof x->name)
			x->name[x->name_n++] = p[i];
	if (i == n)
		return n;
	*ret_ended = p[i] == '\n' && x->name_n == 0;
	if (!*ret_ended) {
		if (x->name_n < sizeof x->name) /* a longer one is none of ours */
			choose(x);
		x->at = p[i] == '=' ? EXPORT_TEXT : EXPORT_SIZE;
	}
	return i + 1;
}

static size_t read_text(struct export *x, const char *p, size_t n)
{
	const char *end = memchr(p, '\n', n);

	keep(x, p, end ? (size_t)(end - p) : n);
	if (!end)
		return n;
	next_field(x);
	return (size_t)(end - p) + 1;
}

static size_t read_size(struct export *x, const char *p)
{
	x->left |= (uint64_t)(unsigned char)*p << (8 * x->size_n++);
	if (x->size_n == 8)
		x->at = x->left ? EXPORT_BYTES : EXPORT_END;
	return 1;
}

static size_t read_bytes(struct export *x, const char *p, size_t n)
{
	size_t some = x->left < n ? (size_t)x->left : n;

	keep(x, p, some);
	x->left -= some;
	if (x->left == 0)
		x->at = EXPORT_END;
	return some;
}

bool export_feed(struct export *x, const char *p, size_t n, struct err *e)
{
	while (n) {
		size_t took = 1;
		bool ended = false;

		if (x->at == EXPORT_NAME)
			took = read_name(x, p, n, &ended);
		else if (x->at == EXPORT_TEXT)
			took = read_text(x, p, n);
		else if (x->at == EXPORT_SIZE)
			took = read_size(x, p);
		else if (x->at == EXPORT_BYTES)
			took = read_bytes(x, p, n);
		else if (*p == '\n')
			next_field(x);
		else
			return err_set(e, ERR_UPSTREAM, "malformed",
				"a journal field does not end where its length says");
		if (x->at == EXPORT_BYTES && x->left > EXPORT_MAX_FIELD)
			return err_set(e, ERR_UPSTREAM, "malformed",
				"a journal field claims %ju bytes", (uintmax_t)x->left);
		if (ended && !end_entry(x, e))
			return false;
		p += took;
		n -= took;
	}
	return true;
}
