#include "agent/content.h"

#include <fnmatch.h>

#define CONTENT_TEXT_MAX (32 * 1024 * 1024)

/* every content in use, by its hash's first digits; the only thing in the agent that is shared */
static struct content *shared[4096];

static struct content **bucket(const char *hash)
{
	char first[4] = { hash[0], hash[1], hash[2], '\0' };

	return &shared[strtoul(first, NULL, 16)];
}

static const char *member(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void add_section(const json_t *options, size_t from, struct buf *b)
{
	const char *section = member(json_array_get(options, from), "section");

	buf_printf(b, "[%s]\n", section);
	for (size_t i = from; i < json_array_size(options); i++) {
		const json_t *o = json_array_get(options, i);

		if (streq(member(o, "section"), section))
			buf_printf(b, "%s=%s\n", member(o, "name"), member(o, "value"));
	}
}

static bool seen_before(const json_t *options, size_t i, const char **seen, size_t n)
{
	const char *section = member(json_array_get(options, i), "section");

	for (size_t k = 0; k < n; k++) {
		if (streq(seen[k], section))
			return true;
	}
	return false;
}

/* go-systemd's Serialize: sections in the order first seen, an empty line between them */
static void serialize(const json_t *options, struct buf *b)
{
	size_t n = json_array_size(options), sections = 0;
	auto_free const char **seen = xcalloc(n + 1, sizeof *seen);

	for (size_t i = 0; i < n; i++) {
		if (seen_before(options, i, seen, sections))
			continue;
		if (sections)
			buf_putc(b, '\n');
		seen[sections++] = member(json_array_get(options, i), "section");
		add_section(options, i, b);
	}
}

/* The reading back, as go-systemd's lexer does it: it works byte by byte and cuts the text in place. */
struct reader {
	char *p, *end;
	const char *section;
	struct content *c;
	size_t size;
};

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

static char *trim(char *s, char *end)
{
	while (s < end && blank(*s))
		s++;
	while (end > s && blank(end[-1]))
		end--;
	*end = '\0';
	return s;
}

static bool line_fits(const struct reader *r, struct err *e)
{
	if (r->end - r->p < CONTENT_LINE_MAX)
		return true;
	for (const char *p = r->p; p < r->p + CONTENT_LINE_MAX; p++) {
		if (*p == '\n' || *p == '\r')
			return true;
	}
	return err_set(
		e, ERR_INVALID, "bad_options", "line too long (max %d bytes)", CONTENT_LINE_MAX);
}

static char *line_end(const struct reader *r)
{
	char *nl = memchr(r->p, '\n', (size_t)(r->end - r->p));

	return nl ? nl : r->end;
}

static void skip_line(struct reader *r)
{
	bool more;

	do {
		char *end = line_end(r);
		char *last = end;

		if (last > r->p && last[-1] == ' ')
			last--;
		more = last > r->p && last[-1] == '\\' && end < r->end;
		r->p = MIN(end + 1, r->end);
	} while (more);
}

static bool read_section(struct reader *r, struct err *e)
{
	char *close = memchr(r->p, ']', (size_t)(r->end - r->p)), *end;

	if (!close)
		return err_set(e, ERR_INVALID, "bad_options", "unable to find end of section");
	r->section = r->p;
	*close = '\0';
	r->p = close + 1;
	end = line_end(r);
	for (const char *p = r->p; p < end; p++) {
		if (!blank(*p))
			return err_set(e, ERR_INVALID, "bad_options",
				"found garbage after section name %s", r->section);
	}
	r->p = MIN(end + 1, r->end);
	return true;
}

/* lines as long as one ends in a backslash; an empty one ends it too */
static char *value_end(struct reader *r, char **ret_next)
{
	char *end;

	for (;;) {
		char *from = r->p;
		bool empty = true;

		end = line_end(r);
		for (const char *p = from; p < end; p++)
			empty = empty && blank(*p);
		r->p = MIN(end + 1, r->end);
		if (empty || end[-1] != '\\' || end == r->end)
			break;
	}
	*ret_next = r->p;
	return end;
}

static bool read_option(struct reader *r, struct err *e)
{
	char *name = r->p, *eq = r->p, *value, *end, *next;
	struct content *c = r->c;

	while (eq < r->end && *eq != '=' && *eq != '\n' && *eq != '\r')
		eq++;
	if (eq == r->end)
		return err_set(e, ERR_INVALID, "bad_options", "EOF");
	if (*eq != '=')
		return err_set(e, ERR_INVALID, "bad_options",
			"unexpected newline encountered while parsing option name");
	r->p = value = eq + 1;
	end = value_end(r, &next);
	if (c->n == r->size) {
		r->size = MAX(r->size * 2, (size_t)16);
		c->options = xrealloc_array(c->options, r->size, sizeof *c->options);
	}
	c->options[c->n++] =
		(struct content_option){ r->section, trim(name, eq), trim(value, end) };
	return true;
}

static bool read_back(struct reader *r, struct err *e)
{
	while (r->p < r->end) {
		char first = *r->p;

		if (!line_fits(r, e))
			return false;
		if (first == '[') {
			r->p++;
			if (!read_section(r, e))
				return false;
		} else if (first == '#' || first == ';') {
			skip_line(r);
		} else if (!r->section || blank(first)) {
			r->p++;
		} else if (!read_option(r, e)) {
			return false;
		}
	}
	return true;
}

static void content_free(struct content *c)
{
	free(c->options);
	free(c->text);
	free(c);
}

bool content_make(const json_t *options, struct content **ret, struct err *e)
{
	auto_buf struct buf b = { 0 };
	struct content *c, **at;
	struct reader r = { 0 };
	char hash[SHA1_HEX_SIZE];

	buf_init(&b, CONTENT_TEXT_MAX);
	serialize(options, &b);
	if (b.failed)
		return err_set(e, ERR_INVALID, "bad_options", "options are larger than %d bytes",
			CONTENT_TEXT_MAX);
	/* fleet's hash is that of what it reads back, written again */
	c = xcalloc(1, sizeof *c);
	c->refs = 1;
	c->text = xstrndup(b.data, b.len);
	r = (struct reader){ .p = c->text, .end = c->text + b.len, .c = c };
	if (!read_back(&r, e)) {
		content_free(c);
		return false;
	}
	buf_clear(&b);
	content_text(c, &b);
	sha1_hex(hash, b.data, b.len);
	at = bucket(hash);
	for (struct content *old = *at; old; old = old->next) {
		if (streq(old->hash, hash)) {
			content_free(c);
			*ret = content_ref(old);
			return true;
		}
	}
	(void)snprintf(c->hash, sizeof c->hash, "%s", hash);
	c->conflicts = content_last(c, "X-Fleet", "Conflicts") != NULL;
	c->next = *at;
	*at = c;
	*ret = c;
	return true;
}

struct content *content_ref(struct content *c)
{
	c->refs++;
	return c;
}

void content_unref(struct content *c)
{
	if (!c || --c->refs)
		return;
	for (struct content **at = bucket(c->hash); *at; at = &(*at)->next) {
		if (*at == c) {
			*at = c->next;
			break;
		}
	}
	content_free(c);
}

void content_text(const struct content *c, struct buf *b)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct content_option *o = &c->options[i];

		if (i == 0 || o->section != o[-1].section)
			buf_printf(b, "%s[%s]\n", i ? "\n" : "", o->section);
		buf_printf(b, "%s=%s\n", o->name, o->value);
	}
}

static void add_member(struct buf *b, const char *key, const char *value, bool *first)
{
	if (!*value)
		return;
	buf_printf(b, "%s\"%s\":", *first ? "" : ",", key);
	put_json(b, value);
	*first = false;
}

void content_json(const struct content *c, struct buf *b)
{
	buf_putc(b, '[');
	for (size_t i = 0; i < c->n; i++) {
		bool first = true;

		buf_puts(b, i ? ",{" : "{");
		add_member(b, "name", c->options[i].name, &first);
		add_member(b, "section", c->options[i].section, &first);
		add_member(b, "value", c->options[i].value, &first);
		buf_putc(b, '}');
	}
	buf_putc(b, ']');
}

void put_json(struct buf *b, const char *s)
{
	auto_buf struct buf plain = { 0 };

	buf_init(&plain, CONTENT_TEXT_MAX);
	buf_json(&plain, s, strlen(s));
	for (const char *p = plain.data; *p; p++) {
		if (*p == '<' || *p == '>' || *p == '&')
			buf_printf(b, "\\u%04x", *p);
		else
			buf_putc(b, *p);
	}
}

static const char *fleet_word(const char *section, const char *name)
{
	if (streq(section, "X-Fleet") && starts_with(name, "X-Condition"))
		return name + 11;
	if (streq(section, "X-Fleet") && starts_with(name, "X-"))
		return name + 2;
	return name;
}

static bool is(const struct content_option *o, const char *section, const char *name)
{
	return streq(o->section, section) && streq(fleet_word(section, o->name), name);
}

void content_each(const struct content *c, const char *section, const char *name,
	void (*fn)(void *ctx, const char *value), void *ctx)
{
	for (size_t i = 0; i < c->n; i++) {
		if (is(&c->options[i], section, name))
			fn(ctx, c->options[i].value);
	}
}

const char *content_last(const struct content *c, const char *section, const char *name)
{
	const char *last = NULL;

	for (size_t i = 0; i < c->n; i++) {
		if (is(&c->options[i], section, name))
			last = c->options[i].value;
	}
	return last;
}

bool content_is_global(const struct content *c)
{
	static const char *const yes[] = { "true", "yes", "1", "on", "t" };
	const char *value = content_last(c, "X-Fleet", "Global");

	for (size_t i = 0; value && i < ARRAY_SIZE(yes); i++) {
		if (strcasecmp(value, yes[i]) == 0)
			return true;
	}
	return false;
}

/* no unit that it wants to be with matches a pattern of list */
static bool clash(const struct content *c, const char *list, const char *word, struct err *e)
{
	for (size_t i = 0; i < c->n; i++) {
		const char *peer = c->options[i].value;

		for (size_t k = 0; k < c->n && is(&c->options[i], "X-Fleet", "MachineOf"); k++) {
			if (is(&c->options[k], "X-Fleet", list) &&
				fnmatch(c->options[k].value, peer, FNM_PATHNAME) == 0)
				return err_set(e, ERR_INVALID, "bad_options",
					"unresolvable requirements: peer \"%s\" matches %s \"%s\"",
					peer, word, c->options[k].value);
		}
	}
	return true;
}

static bool both(bool a, bool b, const char *first, const char *second, struct err *e)
{
	if (!a || !b)
		return true;
	return err_set(e, ERR_INVALID, "bad_options", "%s cannot be used with %s", first, second);
}

bool content_check_fleet(const struct content *c, struct err *e)
{
	bool machine = content_last(c, "X-Fleet", "MachineID"),
	     peers = content_last(c, "X-Fleet", "MachineOf"),
	     conflicts = content_last(c, "X-Fleet", "Conflicts"),
	     replaces = content_last(c, "X-Fleet", "Replaces"), global = content_is_global(c);

	return clash(c, "Conflicts", "conflict", e) && clash(c, "Replaces", "replace", e) &&
	       both(machine, peers, "MachineID", "Peers", e) &&
	       both(machine, conflicts, "MachineID", "Conflicts", e) &&
	       both(machine, global, "MachineID", "Global", e) &&
	       both(machine, replaces, "MachineID", "Replaces", e) &&
	       both(global, peers, "Global", "Peers", e) &&
	       both(global, replaces, "Global", "Replaces", e) &&
	       both(conflicts, replaces, "Conflicts", "Replaces", e);
}
