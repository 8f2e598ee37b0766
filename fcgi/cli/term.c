#include "cli/term.h"

#include "base/clock.h"
#include "base/text.h"

#include <sys/ioctl.h>
#include <wchar.h>

struct term term_of(FILE *file)
{
	struct term t = { .file = file, .tty = isatty(fileno(file)) == 1, .width = TERM_WIDTH };
	const char *no = getenv("NO_COLOR"), *kind = getenv("TERM");
	struct winsize size;

	t.colour = t.tty && !(no && *no) && kind && !streq(kind, "dumb");
	if (t.tty && ioctl(fileno(file), TIOCGWINSZ, &size) == 0 && size.ws_col)
		t.width = size.ws_col;
	return t;
}

void term_put(const struct term *t, enum colour colour, const char *text)
{
	static const char *const codes[] = { [RED] = "31",
		[GREEN] = "32",
		[YELLOW] = "33",
		[BLUE] = "34",
		[DIM] = "2",
		[BOLD] = "1" };

	if (t->colour && colour != PLAIN)
		(void)fprintf(t->file, "\033[%sm%s\033[0m", codes[colour], text);
	else
		(void)fputs(text, t->file);
}

enum colour term_state(const char *state)
{
	static const struct {
		const char *state;
		enum colour colour;
	} known[] = { { "running", GREEN }, { "ready", GREEN }, { "succeeded", GREEN },
		{ "live", GREEN }, { "ok", GREEN }, { "finished", BLUE }, { "starting", YELLOW },
		{ "degraded", YELLOW }, { "waiting", YELLOW }, { "queued", YELLOW },
		{ "restarting", YELLOW }, { "unhealthy", YELLOW }, { "warning", YELLOW },
		{ "failed", RED }, { "fault", RED }, { "cancelled", DIM }, { "stopped", DIM },
		{ "retired", DIM } };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (streq(known[i].state, state))
			return known[i].colour;
	return PLAIN;
}

const char *term_text(struct arena *a, const char *text)
{
	char *line = utf8_scrub(a, text, strlen(text));

	for (char *p = line; *p; p++)
		if (*p == '\n' || *p == '\t')
			*p = ' ';
	return line;
}

/* the next character's columns; *ret_n its bytes */
static size_t step(const char *text, size_t *ret_n)
{
	mbstate_t state = { 0 };
	wchar_t wide;
	size_t n = mbrtowc(&wide, text, strlen(text), &state);
	int columns;

	if (n == (size_t)-1 || n == (size_t)-2 || n == 0) {
		*ret_n = 1;
		return 1;
	}
	*ret_n = n;
	columns = wcwidth(wide);
	return columns < 0 ? 1 : (size_t)columns;
}

size_t term_columns(const char *text)
{
	size_t sum = 0, n;

	for (; *text; text += n)
		sum += step(text, &n);
	return sum;
}

size_t term_fit(const char *text, size_t columns)
{
	size_t sum = 0, at = 0, n;

	while (text[at]) {
		sum += step(text + at, &n);
		if (sum > columns)
			break;
		at += n;
	}
	return at;
}

const char *term_age(struct arena *a, const char *when, int64_t now_us)
{
	static const struct {
		int64_t seconds;
		const char *word;
	} units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
	int64_t us, age;

	if (!clock_parse_rfc3339(when, &us))
		return "";
	age = MAX((now_us - us) / 1000000, INT64_C(0));
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (age >= 2 * units[i].seconds || units[i].seconds == 1)
			return arena_printf(
				a, "%lld %s", (long long)(age / units[i].seconds), units[i].word);
	return "";
}

const char *term_seconds(struct arena *a, int64_t us)
{
	int64_t tenths = us / 100000;

	if (tenths < 600)
		return arena_printf(
			a, "%lld.%lld s", (long long)(tenths / 10), (long long)(tenths % 10));
	return arena_printf(
		a, "%lld min %02lld s", (long long)(tenths / 600), (long long)(tenths / 10 % 60));
}
