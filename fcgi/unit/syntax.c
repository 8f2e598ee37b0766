#include "unit/syntax.h"
#include "base/buf.h"
#include "base/text.h"

#include <signal.h>
#include <sys/utsname.h>

#define MAX_TEXT (8 * 1024 * 1024)

void unit_words_add(struct unit_words *w, struct arena *a, const char *word)
{
	if (w->n + 1 >= w->size) {
		size_t size = MAX(w->size * 2, (size_t)8);
		const char **bigger = arena_alloc(a, size * sizeof *bigger);

		for (size_t i = 0; i < w->n; i++)
			bigger[i] = w->v[i];
		w->v = bigger;
		w->size = size;
	}
	w->v[w->n++] = word;
	w->v[w->n] = NULL;
}

/* ---- specifiers ---- */

/* systemd's unescaping of names: - is /, \xHH is a byte (systemd-escape(1)) */
static void put_unescaped(struct buf *b, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char byte;

		if (s[i] == '\\' && i + 3 < n && s[i + 1] == 'x' &&
			hex_decode(&byte, 1, (char[]){ s[i + 2], s[i + 3], '\0' })) {
			buf_putc(b, byte);
			i += 3;
		} else {
			buf_putc(b, s[i] == '-' ? '/' : s[i]);
		}
	}
}

struct name_parts {
	size_t whole, prefix, instance, instance_len,
		last; /* lengths; where the instance and %j begin */
};

static struct name_parts cut_name(const char *name)
{
	const char *dot = strrchr(name, '.'), *at = strchr(name, '@');
	struct name_parts p = { .whole = dot ? (size_t)(dot - name) : strlen(name) };

	p.prefix = p.whole;
	if (at && (size_t)(at - name) < p.whole) {
		p.prefix = (size_t)(at - name);
		p.instance = p.prefix + 1;
		p.instance_len = p.whole - p.instance;
	}
	for (p.last = p.prefix; p.last > 0 && name[p.last - 1] != '-'; p.last--)
		;
	return p;
}

static void put_machine(struct buf *b, char c)
{
	struct utsname u;

	if (uname(&u) < 0)
		return;
	if (c == 'l')
		u.nodename[strcspn(u.nodename, ".")] = '\0';
	buf_puts(b, c == 'v' ? u.release : u.nodename);
}

static bool put_specifier(struct buf *b, const struct unit_place *w, char c)
{
	struct name_parts p = cut_name(w->name);

	switch (c) {
	case '%':
		buf_putc(b, '%');
		return true;
	case 'n':
		buf_puts(b, w->name);
		return true;
	case 'N':
		buf_add(b, w->name, p.whole);
		return true;
	case 'p':
		buf_add(b, w->name, p.prefix);
		return true;
	case 'P':
		put_unescaped(b, w->name, p.prefix);
		return true;
	case 'i':
		buf_add(b, w->name + p.instance, p.instance_len);
		return true;
	case 'I':
		put_unescaped(b, w->name + p.instance, p.instance_len);
		return true;
	case 'j':
		buf_add(b, w->name + p.last, p.prefix - p.last);
		return true;
	case 'J':
		put_unescaped(b, w->name + p.last, p.prefix - p.last);
		return true;
	case 'f':
		buf_putc(b, '/');
		if (p.instance_len)
			put_unescaped(b, w->name + p.instance, p.instance_len);
		else
			put_unescaped(b, w->name, p.prefix);
		return true;
	case 'E':
		buf_puts(b, w->etc);
		return true;
	case 'S':
		buf_puts(b, w->lib);
		return true;
	case 't':
		buf_puts(b, w->run);
		return true;
	case 'T':
		buf_puts(b, "/tmp");
		return true;
	case 'V':
		buf_puts(b, "/var/tmp");
		return true;
	case 'h':
		buf_puts(b, "/");
		return true;
	case 's':
		buf_puts(b, "/bin/sh");
		return true;
	case 'u':
	case 'U':
	case 'g':
	case 'G':
		buf_i64(b, w->uid);
		return true;
	case 'm':
	case 'b':
		if (!(c == 'm' ? w->machine_id : w->boot_id))
			return false;
		buf_puts(b, c == 'm' ? w->machine_id : w->boot_id);
		return true;
	case 'H':
	case 'l':
	case 'v':
		put_machine(b, c);
		return true;
	default:
		return false;
	}
}

char *unit_specifiers(const struct unit_place *place, const char *text, struct arena *a)
{
	auto_buf struct buf b = { 0 };

	buf_init(&b, MAX_TEXT);
	for (; *text; text++) {
		if (*text == '%' && text[1] && put_specifier(&b, place, text[1]))
			text++;
		else
			buf_putc(&b, *text);
	}
	return arena_strndup(a, b.data, b.len);
}

/* ---- words ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void put_utf8(struct buf *b, uint32_t c)
{
	if (c < 0x80) {
		buf_putc(b, (char)c);
	} else if (c < 0x800) {
		buf_putc(b, (char)(0xc0 | c >> 6));
		buf_putc(b, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_putc(b, (char)(0xe0 | c >> 12));
		buf_putc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_putc(b, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_putc(b, (char)(0xf0 | c >> 18));
		buf_putc(b, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_putc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_putc(b, (char)(0x80 | (c & 0x3f)));
	}
}

/* exactly n digits of the base; NUL is refused, as systemd does */
static bool digits(const char *s, size_t n, uint32_t base, uint32_t *ret)
{
	uint32_t value = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t d = s[i] >= '0' && s[i] <= '9'	  ? (uint32_t)(s[i] - '0')
			     : s[i] >= 'a' && s[i] <= 'f' ? (uint32_t)(s[i] - 'a' + 10)
			     : s[i] >= 'A' && s[i] <= 'F' ? (uint32_t)(s[i] - 'A' + 10)
							  : 99;

		if (d >= base)
			return false;
		value = value * base + d;
	}
	*ret = value;
	return value != 0;
}

/* what follows a backslash; the number of bytes taken, 0: no escape that is known */
static size_t escape(struct buf *b, const char *s)
{
	static const char from[] = "abfnrtv\\\"'s", to[] = "\a\b\f\n\r\t\v\\\"' ";
	const char *at = *s ? strchr(from, *s) : NULL;
	uint32_t c;

	if (at) {
		buf_putc(b, to[at - from]);
		return 1;
	}
	if (*s == 'x' && digits(s + 1, 2, 16, &c)) {
		buf_putc(b, (char)c);
		return 3;
	}
	if (*s == 'u' && digits(s + 1, 4, 16, &c) && (c < 0xd800 || c > 0xdfff)) {
		put_utf8(b, c);
		return 5;
	}
	if (*s == 'U' && digits(s + 1, 8, 16, &c) && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff)) {
		put_utf8(b, c);
		return 9;
	}
	if (*s >= '0' && *s <= '3' && digits(s, 3, 8, &c)) {
		buf_putc(b, (char)c);
		return 3;
	}
	return 0;
}

bool unit_word(const char **text, struct arena *a, char **ret)
{
	auto_buf struct buf b = { 0 };
	const char *s = *text;
	char quote = 0;

	buf_init(&b, MAX_TEXT);
	while (is_blank(*s))
		s++;
	if (!*s) {
		*text = s;
		*ret = NULL;
		return true;
	}
	for (; *s && (quote || !is_blank(*s)); s++) {
		if (*s == '\\') {
			size_t taken = escape(&b, s + 1);

			if (!s[1])
				return false;
			if (taken == 0)
				buf_putc(&b, '\\');
			s += taken;
		} else if (quote ? *s == quote : *s == '"' || *s == '\'') {
			quote = quote ? 0 : *s;
		} else {
			buf_putc(&b, *s);
		}
	}
	*text = s;
	*ret = arena_strndup(a, b.data, b.len);
	return quote == 0;
}

/* ---- variables ---- */

static bool name_char(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (!first && c >= '0' && c <= '9');
}

static size_t name_len(const char *s)
{
	size_t n = 0;

	while (name_char(s[n], n == 0))
		n++;
	return n;
}

static const char *lookup(const struct unit_words *env, const char *name, size_t n)
{
	for (size_t i = 0; i < env->n; i++)
		if (strncmp(env->v[i], name, n) == 0 && env->v[i][n] == '=')
			return env->v[i] + n + 1;
	return NULL;
}

const char *unit_env_get(const struct unit_words *env, const char *name)
{
	return lookup(env, name, strlen(name));
}

bool unit_env_set(struct unit_words *env, struct arena *a, const char *pair)
{
	size_t n = name_len(pair);

	if (n == 0 || pair[n] != '=')
		return false;
	for (size_t i = 0; i < env->n; i++)
		if (strncmp(env->v[i], pair, n + 1) == 0) {
			env->v[i] = pair;
			return true;
		}
	unit_words_add(env, a, pair);
	return true;
}

void unit_env_unset(struct unit_words *env, const char *name)
{
	size_t n = strlen(name), kept = 0;

	for (size_t i = 0; i < env->n; i++)
		if (strncmp(env->v[i], name, n) != 0 || env->v[i][n] != '=')
			env->v[kept++] = env->v[i];
	if (env->v)
		env->v[kept] = NULL;
	env->n = kept;
}

/* ${X} only, as systemd does: ${X:-y} is for a shell. The length of what was taken, 0: it stays */
static size_t put_variable(struct buf *b, const char *s, const struct unit_words *env)
{
	size_t n = name_len(s + 2);
	const char *value = lookup(env, s + 2, n);

	if (n == 0 || s[2 + n] != '}')
		return 0;
	buf_puts(b, value ? value : "");
	return n + 3;
}

static char *expand_word(const char *s, const struct unit_words *env, struct arena *a)
{
	auto_buf struct buf b = { 0 };

	buf_init(&b, MAX_TEXT);
	while (*s) {
		size_t taken = s[0] == '$' && s[1] == '{' ? put_variable(&b, s, env) : 0;

		if (taken) {
			s += taken;
			continue;
		}
		if (s[0] == '$' && s[1] == '$')
			s++;
		buf_putc(&b, *s++);
	}
	return arena_strndup(a, b.data, b.len);
}

struct unit_words unit_expand(
	const struct unit_words *words, const struct unit_words *env, struct arena *a)
{
	struct unit_words out = { 0 };

	for (size_t i = 0; i < words->n; i++) {
		const char *word = words->v[i];
		size_t n = word[0] == '$' ? name_len(word + 1) : 0;

		if (n && !word[n + 1]) {
			const char *value = lookup(env, word + 1, n);
			char *part;

			while (value && unit_word(&value, a, &part) && part)
				unit_words_add(&out, a, part);
		} else {
			unit_words_add(&out, a, expand_word(word, env, a));
		}
	}
	return out;
}

/* ---- values ---- */

/* digits, and a fraction: n counts whole, part millionths */
static bool number(const char **text, int64_t *ret_whole, int64_t *ret_millionths)
{
	const char *s = *text;
	int64_t n = 0, part = 0, weight = 100000;

	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *s - '0', &n))
			return false;
	if (*s == '.')
		for (s++; *s >= '0' && *s <= '9'; s++, weight /= 10)
			part += (*s - '0') * weight;
	*text = s;
	*ret_whole = n;
	*ret_millionths = part;
	return true;
}

static bool scaled(int64_t whole, int64_t millionths, int64_t unit, int64_t *ret)
{
	int64_t n, part;

	if (__builtin_mul_overflow(whole, unit, &n))
		return false;
	part = (int64_t)((__int128)millionths * unit / 1000000);
	return !__builtin_add_overflow(n, part, ret);
}

bool unit_parse_time(const char *text, int64_t *ret_us)
{
	static const struct {
		const char *name;
		int64_t us;
	} units[] = { { "usec", 1 }, { "us", 1 }, { "msec", 1000 }, { "ms", 1000 },
		{ "seconds", 1000000 }, { "second", 1000000 }, { "sec", 1000000 }, { "s", 1000000 },
		{ "minutes", 60000000 }, { "minute", 60000000 }, { "min", 60000000 },
		{ "m", 60000000 }, { "hours", 3600000000 }, { "hour", 3600000000 },
		{ "hr", 3600000000 }, { "h", 3600000000 }, { "days", 86400000000 },
		{ "day", 86400000000 }, { "d", 86400000000 }, { "weeks", 604800000000 },
		{ "week", 604800000000 }, { "w", 604800000000 }, { "", 1000000 } };
	int64_t sum = 0;
	bool any = false;

	if (streq(text, "infinity")) {
		*ret_us = UNIT_INFINITY;
		return true;
	}
	for (;;) {
		int64_t whole, part, us = 0;
		size_t n = 0, i;

		while (is_blank(*text))
			text++;
		if (!*text)
			break;
		if (!number(&text, &whole, &part))
			return false;
		while (is_blank(*text))
			text++;
		while ((text[n] >= 'a' && text[n] <= 'z') || (text[n] >= 'A' && text[n] <= 'Z'))
			n++;
		for (i = 0; i < ARRAY_SIZE(units); i++)
			if (strlen(units[i].name) == n && memcmp(units[i].name, text, n) == 0)
				break;
		if (i == ARRAY_SIZE(units) || !scaled(whole, part, units[i].us, &us) ||
			__builtin_add_overflow(sum, us, &sum))
			return false;
		text += n;
		any = true;
	}
	if (any)
		*ret_us = sum;
	return any;
}

bool unit_parse_size(const char *text, int64_t *ret)
{
	static const char letters[] = "BKMGTPE";
	int64_t whole, part;
	const char *at;

	if (streq(text, "infinity")) {
		*ret = UNIT_INFINITY;
		return true;
	}
	if (!number(&text, &whole, &part))
		return false;
	while (is_blank(*text))
		text++;
	at = *text ? strchr(letters, *text) : letters;
	if (!at || (*text && text[1]))
		return false;
	return scaled(whole, part, INT64_C(1) << (10 * (at - letters)), ret);
}

bool unit_parse_bool(const char *text, bool *ret)
{
	static const char *const yes[] = { "1", "yes", "y", "true", "t", "on" };
	static const char *const no[] = { "0", "no", "n", "false", "f", "off" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
			*ret = strcasecmp(text, yes[i]) == 0;
			return true;
		}
	}
	return false;
}

int unit_signal(const char *name)
{
	int64_t n;

	if (parse_i64(name, 1, 64, &n))
		return (int)n;
	if (starts_with(name, "SIG"))
		name += 3;
	for (int i = 1; i < 32; i++) {
		const char *abbreviation = sigabbrev_np(i);

		if (abbreviation && streq(abbreviation, name))
			return i;
	}
	return 0;
}

const char *unit_signal_name(int number_of)
{
	const char *name = sigabbrev_np(number_of);

	return name ? name : "";
}

/* ---- environment files ---- */

/* the value from s on, to the end of its line, which may lie several lines on; moves *rest behind it */
static char *file_value(const char **rest, struct arena *a)
{
	auto_buf struct buf b = { 0 };
	const char *s = *rest;
	char quote = 0;
	size_t solid = 0; /* up to here nothing is trailing blank */

	buf_init(&b, MAX_TEXT);
	while (*s == ' ' || *s == '\t')
		s++;
	for (; *s && (quote || *s != '\n'); s++) {
		if (*s == '\\' && quote != '\'') {
			if (!s[1])
				break;
			s++;
			if (*s == '\n')
				continue;
			if (quote == '"' && !strchr("\"\\`$", *s))
				buf_putc(&b, '\\');
			buf_putc(&b, *s);
			solid = b.len;
		} else if (quote ? *s == quote : (*s == '"' || *s == '\'')) {
			quote = quote ? 0 : *s;
			solid = b.len;
		} else {
			buf_putc(&b, *s);
			if (quote || !is_blank(*s))
				solid = b.len;
		}
	}
	*rest = s;
	return arena_strndup(a, b.data, solid);
}

void unit_environment_file(const char *text, struct arena *a, struct unit_words *env)
{
	while (*text) {
		size_t n;

		while (is_blank(*text))
			text++;
		n = name_len(text);
		if (n && text[n] == '=') {
			const char *name = text;

			text += n + 1;
			(void)unit_env_set(env, a,
				arena_printf(a, "%.*s=%s", (int)n, name, file_value(&text, a)));
		} else {
			/* a comment goes on over a continued line, as systemd reads it */
			for (; *text && *text != '\n'; text++)
				if (*text == '\\' && text[1])
					text++;
		}
	}
}
