#include "agent/fleet_page.h"

#include "agent/content.h"
#include "agent/fleet_name.h"
#include "base/text.h"

void fleet_member(struct buf *b, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	if (b->data[b->len - 1] != '{')
		buf_putc(b, ',');
	buf_printf(b, "\"%s\":", key);
	put_json(b, value);
}

bool fleet_page_begin(struct http_in *in, struct fleet_page *p, const char *what)
{
	const char *token = http_query(in, "nextPageToken", 0);
	struct err e = { 0 };

	*p = (struct fleet_page){ .member = what, .number = 1 };
	if (token && http_query(in, "nextPageToken", 1)) {
		http_reply_error(in, 400, "too many values for page token");
		return false;
	}
	if (token && !fleet_token_parse(token, &p->number, &e)) {
		http_reply_error(in, 400, e.msg);
		return false;
	}
	p->first = (size_t)(p->number - 1) * FLEET_PAGE_LIMIT;
	buf_init(&p->b, FLEET_ANSWER_MAX);
	return true;
}

bool fleet_page_takes(struct fleet_page *p)
{
	size_t at = p->seen++;

	if (at < p->first || at >= p->first + FLEET_PAGE_LIMIT)
		return false;
	if (p->b.len)
		buf_putc(&p->b, ',');
	return true;
}

void fleet_page_reply(struct http_in *in, struct fleet_page *p)
{
	auto_buf struct buf b = { 0 };
	char token[FLEET_TOKEN_SIZE];
	/* a full last page still has a token: fleet looks at the page alone */
	bool full = p->seen >= p->first + FLEET_PAGE_LIMIT;

	buf_init(&b, FLEET_ANSWER_MAX);
	buf_putc(&b, '{');
	if (full) {
		fleet_token_print(token, p->number + 1);
		fleet_member(&b, "nextPageToken", token);
	}
	if (p->b.len) {
		buf_printf(&b, "%s\"%s\":[", full ? "," : "", p->member);
		buf_add(&b, p->b.data, p->b.len);
		buf_putc(&b, ']');
	}
	buf_putc(&b, '}');
	http_reply(in, 200, "application/json", b.data, b.len);
	buf_release(&p->b);
}
