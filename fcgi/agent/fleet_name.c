#include "agent/fleet_name.h"

static bool one_of(const char *word, const char *const *list)
{
	for (; *list; list++) {
		if (streq(word, *list))
			return true;
	}
	return false;
}

static bool type_known(const char *type, bool with_at)
{
	static const char *const all[] = { "automount", "busname", "device", "mount", "path",
		"scope", "service", "slice", "snapshot", "socket", "swap", "target", "timer",
		NULL };
	static const char *const instances[] = { "path", "service", "socket", "target", "timer",
		NULL };

	return one_of(type, with_at ? instances : all);
}

static bool letter_ok(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr(":-_.\\@", c));
}

static bool bad_character(const char *at, size_t n, struct err *e)
{
	size_t step = MAX(utf8_step(at, n), (size_t)1);
	unsigned char c = (unsigned char)*at;

	if (c < 0x20 || c == 0x7f)
		return err_set(
			e, ERR_INVALID, "bad_name", "invalid character '\\x%02x' in unit name", c);
	if (c >= 0x80 && step == 1)
		return err_set(e, ERR_INVALID, "bad_name",
			"invalid character '\xef\xbf\xbd' in unit name");
	return err_set(e, ERR_INVALID, "bad_name", "invalid character '%s%.*s' in unit name",
		c == '\'' ? "\\" : "", (int)step, at);
}

bool fleet_name_check(const char *name, struct err *e)
{
	size_t n = strlen(name);
	const char *dot = strrchr(name, '.');

	if (n == 0)
		return err_set(e, ERR_INVALID, "bad_name", "unit name cannot be empty");
	if (n > FLEET_NAME_MAX)
		return err_set(e, ERR_INVALID, "bad_name", "unit name exceeds maximum length (%d)",
			FLEET_NAME_MAX);
	if (!dot)
		return err_set(e, ERR_INVALID, "bad_name", "unit name must contain \".\"");
	if (!dot[1])
		return err_set(e, ERR_INVALID, "bad_name", "unit name cannot end in \".\"");
	if (!type_known(dot + 1, strchr(name, '@')))
		return err_set(e, ERR_INVALID, "bad_name", "invalid unit type: \"%s\"", dot + 1);
	for (const char *p = name; p < dot; p++) {
		if (!letter_ok((unsigned char)*p))
			return bad_character(p, (size_t)(dot - p), e);
	}
	if (name[0] == '@')
		return err_set(e, ERR_INVALID, "bad_name", "unit name cannot start in \"@\"");
	return true;
}

bool fleet_name_is_template(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && dot > name && dot[-1] == '@' && strchr(name, '@') == dot - 1;
}

bool fleet_specifier(const char *name, char c, struct slice *ret)
{
	const char *dot = strrchr(name, '.'), *at = strchr(name, '@');
	size_t all = strlen(name), base = dot ? (size_t)(dot - name) : all;

	if (c == 'n')
		*ret = (struct slice){ name, all };
	else if (c == 'N')
		*ret = (struct slice){ name, base };
	else if (c == 'p')
		*ret = (struct slice){ name, at ? (size_t)(at - name) : base };
	else if (c == 'i')
		*ret = at ? (struct slice){ at + 1, base - (size_t)(at + 1 - name) }
			  : (struct slice){ name, 0 };
	else
		return false;
	return true;
}

static const char BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void fleet_token_print(char ret[FLEET_TOKEN_SIZE], unsigned int page)
{
	unsigned int b[6] = { FLEET_PAGE_LIMIT & 255, FLEET_PAGE_LIMIT >> 8, page & 255,
		page >> 8 };

	for (int i = 0; i < 2; i++) {
		unsigned int v = b[3 * i] << 16 | b[3 * i + 1] << 8 | b[3 * i + 2];

		for (int k = 0; k < 4; k++)
			ret[4 * i + k] = BASE64[v >> (18 - 6 * k) & 63];
	}
	ret[6] = ret[7] = '=';
	ret[8] = '\0';
}

static bool illegal(size_t at, struct err *e)
{
	return err_set(e, ERR_INVALID, "bad_token", "illegal base64 data at input byte %zu", at);
}

/* as Go's base64.StdEncoding: whole groups of four, = only at the end */
static bool base64_decode(
	const char *text, unsigned char *out, size_t size, size_t *ret_n, struct err *e)
{
	size_t len = strlen(text), n = 0;

	for (size_t i = 0; i < len; i += 4) {
		unsigned int v = 0;
		int used = 4;

		for (int k = 0; k < 4; k++) {
			const char *p =
				text[i + (size_t)k] ? strchr(BASE64, text[i + (size_t)k]) : NULL;

			if (!p && text[i + (size_t)k] == '=' && k >= 2 && i + 4 == len &&
				(k == 3 || text[i + 3] == '=')) {
				used = k;
				v <<= 6 * (4 - k);
				break;
			}
			if (!p)
				/* a group cut short is at fault from its first byte */
				return illegal(text[i + (size_t)k] ? i + (size_t)k : i, e);
			v = v << 6 | (unsigned int)(p - BASE64);
		}
		for (int k = 0; k < used - 1; k++) {
			if (n < size)
				out[n] = (unsigned char)(v >> (16 - 8 * k));
			n++;
		}
	}
	*ret_n = n;
	return true;
}

bool fleet_token_parse(const char *token, unsigned int *ret_page, struct err *e)
{
	unsigned char b[4] = { 0 };
	size_t n = 0;

	if (!base64_decode(token, b, sizeof b, &n, e))
		return false;
	if (n < sizeof b) /* binary.Read's words */
		return err_set(e, ERR_INVALID, "bad_token", "%s",
			n == 0 || n == 2 ? "EOF" : "unexpected EOF");
	if ((b[0] | b[1] << 8) != FLEET_PAGE_LIMIT)
		return err_set(
			e, ERR_INVALID, "bad_token", "token limit must be %d", FLEET_PAGE_LIMIT);
	*ret_page = (unsigned int)(b[2] | b[3] << 8);
	if (*ret_page == 0)
		return err_set(e, ERR_INVALID, "bad_token", "token page must be greater than zero");
	return true;
}
