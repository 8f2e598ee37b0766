#include "model/profile.h"

#include "base/buf.h"
#include "base/limits.h"
#include "model/name.h"

#include <stdarg.h>

struct parser {
	struct arena *a;
	struct profile *p;
	struct buf command, build;
	size_t faults_size;
	int line; /* of the key being read */
	int memory_line, scale_line;
};

static PRINTF(5, 6) void fault(
	struct parser *in, bool error, const char *key, const char *code, const char *fmt, ...)
{
	struct profile *p = in->p;
	char text[400];
	va_list ap;

	/* a file of a million wrong lines is told by its first thousand */
	if (p->faults_n >= 1000 && !(error && p->errors_n == 0))
		return;
	if (p->faults_n == in->faults_size) {
		struct profile_fault *bigger;

		in->faults_size = MAX(in->faults_size * 2, (size_t)8);
		bigger = arena_alloc(in->a, in->faults_size * sizeof *bigger);
		if (p->faults_n)
			memcpy(bigger, p->faults, p->faults_n * sizeof *bigger);
		p->faults = bigger;
	}
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	p->faults[p->faults_n++] = (struct profile_fault){ in->line, key, code, error,
		utf8_scrub(in->a, text, strlen(text)) };
	p->errors_n += error;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct slice first_word(struct slice s, bool *ret_more)
{
	size_t n = 0;

	while (n < s.n && !is_blank(s.p[n]))
		n++;
	*ret_more = n < s.n;
	return (struct slice){ s.p, n };
}

/* the first word counts, a repeated key is said; false: there is no word */
static bool one_word(
	struct parser *in, const char *key, struct slice value, int *seen, struct slice *ret)
{
	bool more;

	*ret = first_word(value, &more);
	if (ret->n == 0) {
		fault(in, true, key, "value_missing", "%s: has no value", key);
		return false;
	}
	if (more)
		fault(in, false, key, "words_ignored", "%s: only the first word \"%.*s\" counts",
			key, (int)MIN(ret->n, (size_t)60), ret->p);
	if (*seen)
		fault(in, false, key, "repeated", "%s: stands also in line %d; the last one counts",
			key, *seen);
	*seen = in->line;
	return true;
}

static void key_memory(struct parser *in, struct slice value)
{
	struct slice word;
	const char *wrong;

	if (!one_word(in, "memory", value, &in->memory_line, &word))
		return;
	wrong = memory_parse(word, &in->p->memory);
	if (!wrong && in->p->memory < MIN_MEMORY_BYTES)
		wrong = "is less than 6m";
	if (wrong)
		fault(in, true, "memory", "memory_invalid", "memory: \"%.*s\" %s",
			(int)MIN(word.n, (size_t)60), word.p, wrong);
}

static void key_scale(struct parser *in, struct slice value)
{
	struct slice word;
	int64_t n;

	if (!one_word(in, "scale", value, &in->scale_line, &word))
		return;
	if (parse_slice_i64(word, 0, MAX_INSTANCES, &n))
		in->p->scale = (int)n;
	else
		fault(in, true, "scale", "scale_invalid",
			"scale: \"%.*s\" is not a whole number from 0 to %d",
			(int)MIN(word.n, (size_t)60), word.p, MAX_INSTANCES);
}

static void key_lines(struct parser *in, const char *key, struct buf *to, struct slice value)
{
	/* a script's first line begins with its first word; what follows is kept as it is, here documents among it */
	while (to->len == 0 && value.n > 0 && is_blank(value.p[0])) {
		value.p++;
		value.n--;
	}
	if (value.n == 0 && to->len == 0) {
		fault(in, false, key, "value_missing", "%s: is empty", key);
		return;
	}
	buf_add(to, value.p, value.n);
	buf_putc(to, '\n');
	if (to->failed || to->len > MAX_COMMAND_BYTES + 1) /* the newline is ours */
		fault(in, true, key, "too_long", "%s: has more than %d bytes in all", key,
			MAX_COMMAND_BYTES);
}

static void key_command(struct parser *in, struct slice value)
{
	key_lines(in, "command", &in->command, value);
}

static void key_build(struct parser *in, struct slice value)
{
	key_lines(in, "build", &in->build, value);
}

static void key_image(struct parser *in, struct slice value)
{
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] <= ' ' || value.p[i] == 0x7f || (i == 0 && value.p[i] == '-')) {
			fault(in, true, "image", "image_invalid",
				"image: \"%.*s\" is not the name of an image",
				(int)MIN(value.n, (size_t)60), value.p);
			return;
		}
	}
	if (value.n == 0 || value.n > 255)
		fault(in, true, "image", "image_invalid",
			"image: a name of 1 to 255 characters is expected");
	else
		in->p->image = arena_strndup(in->a, value.p, value.n);
}

static void key_port(struct parser *in, struct slice value)
{
	int64_t n;

	if (parse_slice_i64(value, 1, 65535, &n))
		in->p->port = (int)n;
	else if (!slice_eq(value, "$PORT"))
		fault(in, true, "port", "port_invalid",
			"port: \"%.*s\" is not a number from 1 to 65535, nor $PORT",
			(int)MIN(value.n, (size_t)60), value.p);
}

static bool is_path(struct slice s)
{
	if (s.n == 0 || s.n > 201 || s.p[0] != '/')
		return false;
	for (size_t i = 1; i < s.n; i++)
		if (s.p[i] < '!' || s.p[i] > '~')
			return false;
	return true;
}

static void key_health(struct parser *in, struct slice value)
{
	if (slice_eq(value, "none")) {
		in->p->health = HEALTH_NONE;
	} else if (is_path(value)) {
		in->p->health = HEALTH_PATH;
		in->p->health_path = arena_strndup(in->a, value.p, value.n);
	} else {
		fault(in, true, "health", "health_invalid",
			"health: \"%.*s\" is not \"none\", nor a path that begins with / and has at most 200 "
			"visible ASCII characters behind it",
			(int)MIN(value.n, (size_t)60), value.p);
	}
}

static const char *const RESTART_WORDS[] = {
	[RESTART_AUTO] = "auto",
	[RESTART_ALWAYS] = "always",
	[RESTART_ON_FAILURE] = "on-failure",
	[RESTART_NO] = "no",
};

static void key_restart(struct parser *in, struct slice value)
{
	for (size_t i = 0; i < ARRAY_SIZE(RESTART_WORDS); i++) {
		if (slice_eq(value, RESTART_WORDS[i])) {
			in->p->restart = (enum profile_restart)i;
			return;
		}
	}
	fault(in, true, "restart", "restart_invalid",
		"restart: \"%.*s\" is not auto, always, on-failure or no",
		(int)MIN(value.n, (size_t)60), value.p);
}

static const struct {
	const char *key;
	void (*read)(struct parser *in, struct slice value);
	bool whole; /* blanks of its value count, but for the one behind the colon */
} KEYS[] = {
	{ "command", key_command, true },
	{ "memory", key_memory, false },
	{ "scale", key_scale, false },
	{ "build", key_build, true },
	{ "image", key_image, false },
	{ "port", key_port, false },
	{ "health", key_health, false },
	{ "restart", key_restart, false },
};

static void read_entry(struct parser *in, struct slice line)
{
	const char *colon, *end = line.p + line.n;
	struct slice key, value, whole;

	line = slice_trim(line);
	if (line.n == 0)
		return;
	colon = memchr(line.p, ':', line.n);
	key = slice_trim((struct slice){ line.p, colon ? (size_t)(colon - line.p) : 0 });
	if (key.n == 0 || memchr(key.p, ' ', key.n)) {
		fault(in, false, "", "not_a_setting", "\"%.*s\" is no \"key: value\"",
			(int)MIN(line.n, (size_t)60), line.p);
		return;
	}
	whole = (struct slice){ colon + 1, (size_t)(end - colon - 1) };
	value = slice_trim(whole);
	if (whole.n && is_blank(whole.p[0])) {
		whole.p++;
		whole.n--;
	}
	for (size_t i = 0; i < ARRAY_SIZE(KEYS); i++) {
		if (slice_eq(key, KEYS[i].key)) {
			KEYS[i].read(in, KEYS[i].whole ? whole : value);
			return;
		}
	}
	fault(in, false, arena_strndup(in->a, key.p, MIN(key.n, (size_t)60)), "unknown_key",
		"key \"%.*s\" is not known", (int)MIN(key.n, (size_t)60), key.p);
}

static bool goes_on(struct slice line)
{
	return line.n > 0 && line.p[line.n - 1] == '\\' &&
	       !(line.n > 1 && line.p[line.n - 2] == '\\');
}

static void read_lines(struct parser *in, struct slice rest)
{
	auto_buf struct buf joined;
	struct slice line;
	int number = 0;

	buf_init(&joined, MAX_PROFILE_BYTES);
	while (slice_line(&rest, &line)) {
		number++;
		in->line = number;
		if (line.n > 0 && line.p[0] == '#')
			continue;
		buf_clear(&joined);
		while (goes_on(line)) {
			buf_add(&joined, line.p, line.n - 1);
			if (!slice_line(&rest, &line)) {
				line = (struct slice){ "", 0 };
				break;
			}
			number++;
			line = slice_trim(line);
		}
		buf_add(&joined, line.p, line.n);
		read_entry(in, (struct slice){ joined.data, joined.len });
	}
}

/* line and column of byte at */
static void place(const char *text, size_t at, int *ret_line, int *ret_column)
{
	*ret_line = 1;
	*ret_column = 1;
	for (size_t i = 0; i < at; i++) {
		if (text[i] == '\n') {
			++*ret_line;
			*ret_column = 1;
		} else {
			++*ret_column;
		}
	}
}

static bool is_text(struct parser *in, const char *text, size_t n)
{
	int column;

	if (n > MAX_PROFILE_BYTES) {
		fault(in, true, "", "profile_too_large",
			"the profile has %zu bytes; at most %d are allowed", n, MAX_PROFILE_BYTES);
		return false;
	}
	for (size_t i = 0; i < n;) {
		size_t step = utf8_step(text + i, n - i);

		if (step == 0 || text[i] == '\0') {
			place(text, i, &in->line, &column);
			if (step)
				fault(in, true, "", "nul_byte",
					"a NUL byte at column %d; a text file is expected", column);
			else
				fault(in, true, "", "not_utf8",
					"byte 0x%02x at column %d is not UTF-8",
					(unsigned char)text[i], column);
			return false;
		}
		i += step;
	}
	return true;
}

bool profile_parse(const char *text, size_t n, struct arena *a, struct profile *ret, struct err *e)
{
	struct parser in = { .a = a, .p = ret };

	*ret = (struct profile){
		.command = "", .build = "", .image = "", .health_path = "", .scale = -1
	};
	buf_init(&in.command, MAX_PROFILE_BYTES);
	buf_init(&in.build, MAX_PROFILE_BYTES);
	if (is_text(&in, text, n)) {
		if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
			text += 3;
			n -= 3;
		}
		read_lines(&in, (struct slice){ text, n });
	}
	ret->command = arena_strdup(a, in.command.data);
	ret->build = arena_strdup(a, in.build.data);
	buf_release(&in.command);
	buf_release(&in.build);
	for (size_t i = 0; i < ret->faults_n; i++)
		if (ret->faults[i].error)
			return err_set(e, ERR_INVALID, "profile_invalid", "profile, line %d: %s",
				ret->faults[i].line, ret->faults[i].text);
	return true;
}

/* the physical lines of an entry: those that end in one '\\' go on in the next */
static struct slice next_entry(struct slice *rest)
{
	struct slice line, entry = { rest->p, 0 };
	bool comment = rest->n && rest->p[0] == '#';

	while (slice_line(rest, &line))
		if (comment || !goes_on(line))
			break;
	entry.n = (size_t)(rest->p - entry.p);
	return entry;
}

static bool is_command(struct slice entry)
{
	const char *colon = memchr(entry.p, ':', entry.n);

	return colon && entry.p[0] != '#' &&
	       slice_eq(
		       slice_trim((struct slice){ entry.p, (size_t)(colon - entry.p) }), "command");
}

static void put_command(struct buf *b, const char *command, bool crlf)
{
	struct slice rest = slice_of(command), line;

	while (slice_line(&rest, &line)) {
		buf_puts(b, "command: ");
		buf_add(b, line.p, line.n);
		buf_puts(b, crlf ? "\r\n" : "\n");
	}
}

char *profile_with_command(
	struct arena *a, const char *text, size_t n, const char *command, size_t *ret_n)
{
	struct slice rest = { text, n };
	bool put = false, crlf = memmem(text, n, "\r\n", 2) != NULL;
	auto_buf struct buf b;
	char *copy;

	buf_init(&b, 2 * MAX_PROFILE_BYTES);
	if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		buf_add(&b, text, 3);
		rest = (struct slice){ text + 3, n - 3 };
	}
	while (rest.n) {
		struct slice entry = next_entry(&rest);

		if (!is_command(entry)) {
			buf_add(&b, entry.p, entry.n);
		} else if (!put) {
			put_command(&b, command, crlf);
			put = true;
		}
	}
	if (!put) {
		if (b.len && b.data[b.len - 1] != '\n')
			buf_puts(&b, crlf ? "\r\n" : "\n");
		put_command(&b, command, crlf);
	}
	*ret_n = b.len;
	copy = arena_alloc(a, b.len + 1);
	memcpy(copy, b.data, b.len);
	return copy;
}

const char *profile_command_wrong(struct arena *a, const char *command)
{
	struct slice rest = slice_of(command), line;
	struct profile p;
	struct err e;
	char *text;
	size_t n;

	if (command[strspn(command, " \t\r\n")] == '\0')
		return "is blank";
	if (!utf8_valid(command, strlen(command)))
		return "is not UTF-8";
	if (strlen(command) > MAX_COMMAND_BYTES)
		return arena_printf(a, "has more than %d bytes", MAX_COMMAND_BYTES);
	for (int number = 1; slice_line(&rest, &line); number++) {
		if (goes_on(line))
			return arena_printf(
				a, "line %d ends in a backslash: write it as one line", number);
		if (line.p[line.n] == '\r')
			return arena_printf(a, "line %d ends in a carriage return", number);
	}
	text = profile_with_command(a, "", 0, command, &n);
	n = strlen(command);
	while (n && command[n - 1] == '\n')
		n--;
	if (!profile_parse(text, strlen(text), a, &p, &e) || strncmp(p.command, command, n) != 0)
		return "cannot be written as lines of a profile";
	return NULL;
}

const char *profile_restart_word(enum profile_restart r)
{
	return RESTART_WORDS[r];
}

const char *profile_health_word(const struct profile *p)
{
	return p->health == HEALTH_NONE ? "none" : p->health == HEALTH_PATH ? p->health_path : "";
}

static json_t *faults_json(const struct profile *p, bool error)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->faults_n; i++) {
		const struct profile_fault *f = &p->faults[i];

		if (f->error == error)
			(void)json_array_append_new(
				list, json_pack("{s:i, s:s, s:s, s:s}", "line", f->line, "key",
					      f->key, "code", f->code, "detail", f->text));
	}
	return list;
}

static json_t *text_or_null(const char *s)
{
	return s[0] ? json_string(s) : json_null();
}

json_t *profile_json(const struct profile *p)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "command",
		text_or_null(p->command), "memory",
		p->memory ? json_integer(p->memory) : json_null(), "scale",
		p->scale >= 0 ? json_integer(p->scale) : json_null(), "build",
		text_or_null(p->build), "image", text_or_null(p->image), "port",
		p->port ? json_integer(p->port) : json_null(), "health",
		text_or_null(profile_health_word(p)), "restart", RESTART_WORDS[p->restart],
		"warnings", faults_json(p, false), "errors", faults_json(p, true));
}
