#include "model/template.h"

#include "base/buf.h"

#include <ctype.h>

#define MAX_PARAM_NAME 32
#define MAX_NUMBER     INT64_C(1000000000000000)

static bool is_name_start(char c)
{
	return isalpha((unsigned char)c) || c == '_';
}

static bool is_name(struct slice s)
{
	if (s.n == 0 || s.n > MAX_PARAM_NAME || !is_name_start(s.p[0]))
		return false;
	for (size_t i = 1; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '_')
			return false;
	return true;
}

static bool is_item(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && !strchr("._+-", s.p[i]))
			return false;
	return s.n > 0;
}

/* an optional '-' and digits */
static bool is_number(struct slice s, int64_t *ret)
{
	return s.n > 0 && s.p[0] != '+' && parse_slice_i64(s, -MAX_NUMBER, MAX_NUMBER, ret);
}

static bool has_leading_zero(struct slice s)
{
	if (s.n && s.p[0] == '-') {
		s.p++;
		s.n--;
	}
	return s.n > 1 && s.p[0] == '0';
}

static const char *find_dots(struct slice s)
{
	return memmem(s.p, s.n, "..", 2);
}

static bool bad_range(const struct template *t, size_t at, const char *what, struct err *e)
{
	size_t line = 1, column = 1;

	for (size_t i = 0; i < at; i++) {
		line += t->text[i] == '\n';
		column = t->text[i] == '\n' ? 1 : column + 1;
	}
	return err_set(e, ERR_INVALID, "template_invalid",
		"the brace at line %zu, column %zu %s; \"literal\": true takes braces as they are",
		line, column, what);
}

static bool too_many(struct err *e)
{
	return err_set(e, ERR_INVALID, "too_many_members",
		"the template makes more than %d commands", TEMPLATE_MAX);
}

static bool read_range(struct arena *a, struct template *t, struct slice body,
	struct template_param *p, struct err *e)
{
	const char *dots = find_dots(body), *more;
	struct slice first = { body.p, (size_t)(dots - body.p) };
	struct slice last = { dots + 2, body.n - first.n - 2 }, step = { "1", 1 };
	int64_t from, to, by;
	int width = 0;

	more = find_dots(last);
	if (more) {
		step = (struct slice){ more + 2, last.n - (size_t)(more - last.p) - 2 };
		last.n = (size_t)(more - last.p);
	}
	if (!is_number(first, &from) || !is_number(last, &to) || !is_number(step, &by))
		return bad_range(t, p->from, "holds \"..\" and is no range of whole numbers", e);
	if (by == 0)
		return bad_range(t, p->from, "is a range with the step 0", e);
	by = by < 0 ? -by : by;
	p->n = (from < to ? to - from : from - to) / by + 1;
	if (p->n > TEMPLATE_MAX)
		return too_many(e);
	if (has_leading_zero(first) || has_leading_zero(last))
		width = (int)MAX(first.n, last.n);
	p->values = arena_alloc(a, (size_t)p->n * sizeof *p->values);
	for (int64_t i = 0; i < p->n; i++)
		p->values[i] = arena_printf(
			a, "%0*lld", width, (long long)(from < to ? from + i * by : from - i * by));
	return true;
}

/* false: it is no list, and stays as it is */
static bool read_list(struct arena *a, struct slice body, struct template_param *p)
{
	size_t n = 1;

	for (size_t i = 0; i < body.n; i++)
		n += body.p[i] == ',';
	if (n < 2 || n > TEMPLATE_MAX)
		return false;
	p->values = arena_alloc(a, n * sizeof *p->values);
	for (p->n = 0; p->n < (int64_t)n; p->n++) {
		const char *comma = memchr(body.p, ',', body.n);
		struct slice item = { body.p, comma ? (size_t)(comma - body.p) : body.n };

		if (!is_item(item))
			return false;
		p->values[p->n] = arena_strndup(a, item.p, item.n);
		body.n -= MIN(item.n + 1, body.n);
		body.p += item.n + 1;
	}
	return true;
}

/* "--seed " and "seed=" before the brace name what is in it */
static const char *name_before(struct arena *a, const char *text, size_t at)
{
	size_t end = at, start;
	bool equal = end > 0 && text[end - 1] == '=';

	while (end > 0 && (text[end - 1] == ' ' || (equal && text[end - 1] == '=')))
		end--;
	for (start = end; start > 0 && (isalnum((unsigned char)text[start - 1]) ||
					       text[start - 1] == '_' || text[start - 1] == '-');)
		start--;
	if (!equal && (start == end || text[start] != '-'))
		return NULL;
	while (start < end && text[start] == '-')
		start++;
	if (start < end && is_name_start(text[start]) && end - start <= MAX_PARAM_NAME) {
		char *name = arena_strndup(a, text + start, end - start);

		for (char *p = name; *p; p++)
			if (*p == '-')
				*p = '_';
		return name;
	}
	return NULL;
}

static bool name_is_taken(const struct template *t, const char *name)
{
	for (size_t i = 0; i < t->params_n; i++)
		if (strcasecmp(t->params[i].name, name) == 0)
			return true;
	return false;
}

static bool take(struct arena *a, struct template *t, struct template_param *p, struct err *e)
{
	if (t->params_n == TEMPLATE_MAX_PARAMS)
		return err_set(e, ERR_INVALID, "template_invalid",
			"the template has more than %d parameters", TEMPLATE_MAX_PARAMS);
	if (p->name && name_is_taken(t, p->name))
		return bad_range(t, p->from, "has a name that stands before it already", e);
	if (!p->name) {
		p->name = name_before(a, t->text, p->from);
		if (!p->name || name_is_taken(t, p->name))
			p->name = arena_printf(a, "p%zu", t->params_n + 1);
		/* an option called p2 may have it */
		while (name_is_taken(t, p->name))
			p->name = arena_printf(a, "%s_", p->name);
	}
	t->count *= p->n;
	if (t->count > TEMPLATE_MAX)
		return too_many(e);
	t->params[t->params_n++] = *p;
	return true;
}

/* the brace that opens at: its inside, without braces; false: there is none such */
static bool inside(const char *text, size_t at, struct slice *ret)
{
	size_t n = strcspn(text + at + 1, "{}");

	*ret = (struct slice){ text + at + 1, n };
	return text[at + 1 + n] == '}' && !(at > 0 && text[at - 1] == '$');
}

bool template_parse(
	struct arena *a, const char *text, bool literal, struct template *ret, struct err *e)
{
	struct template t = { .text = text, .count = 1 };
	struct slice body;

	for (size_t i = 0; !literal && text[i]; i++) {
		struct template_param p = { .from = i };
		const char *colon;

		if (text[i] != '{' || !inside(text, i, &body))
			continue;
		p.to = i + body.n + 2;
		colon = memchr(body.p, ':', body.n);
		if (colon && is_name((struct slice){ body.p, (size_t)(colon - body.p) })) {
			p.name = arena_strndup(a, body.p, (size_t)(colon - body.p));
			body.n -= (size_t)(colon + 1 - body.p);
			body.p = colon + 1;
		}
		if (find_dots(body) ? !read_range(a, &t, body, &p, e) : !read_list(a, body, &p)) {
			if (find_dots(body))
				return false;
			continue;
		}
		if (!take(a, &t, &p, e))
			return false;
		i = p.to - 1;
	}
	*ret = t;
	return true;
}

const char *template_expand(
	struct arena *a, const struct template *t, int64_t i, json_t **ret_params)
{
	const char *values[TEMPLATE_MAX_PARAMS];
	json_t *params = json_object();
	auto_buf struct buf b;
	size_t at = 0;

	for (size_t k = t->params_n; k-- > 0; i /= t->params[k].n)
		values[k] = t->params[k].values[i % t->params[k].n];
	buf_init(&b, 16 * 1024 * 1024);
	for (size_t k = 0; k < t->params_n; k++) {
		const struct template_param *p = &t->params[k];

		buf_add(&b, t->text + at, p->from - at);
		buf_puts(&b, values[k]);
		at = p->to;
		(void)json_object_set_new(params, p->name, json_string(values[k]));
	}
	buf_puts(&b, t->text + at);
	*ret_params = params;
	return arena_strdup(a, b.data);
}

const char *template_variable(struct arena *a, const char *name)
{
	char *text = arena_printf(a, "NAP_PARAM_%s", name);

	for (char *p = text; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	return text;
}
