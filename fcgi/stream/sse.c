#include "stream/sse.h"

#include "base/text.h"

#define FCGI_VERSION	 1
#define FCGI_END_REQUEST 3
#define FCGI_STDOUT	 6
#define RECORD_MAX	 32768

static void field(struct buf *b, const char *name, const char *value, size_t n)
{
	buf_puts(b, name);
	buf_add(b, value, n);
	buf_putc(b, '\n');
}

void sse_message(struct buf *b, const char *id, const char *event, const char *data, size_t n)
{
	struct slice rest = { data, n }, line;

	if (event)
		field(b, "event: ", event, strlen(event));
	if (id)
		field(b, "id: ", id, strlen(id));
	while (data && slice_line(&rest, &line))
		field(b, "data: ", line.p, line.n);
	buf_putc(b, '\n');
}

void sse_comment(struct buf *b)
{
	buf_puts(b, ":\n\n");
}

static void record(struct buf *b, int type, int request, const void *content, size_t n)
{
	const unsigned char head[8] = { FCGI_VERSION, (unsigned char)type,
		(unsigned char)(request >> 8), (unsigned char)request, (unsigned char)(n >> 8),
		(unsigned char)n };

	buf_add(b, head, sizeof head);
	buf_add(b, content, n);
}

void fcgi_output(struct buf *b, int request, const char *text, size_t n)
{
	/* an empty record would be the end */
	for (size_t some; n; text += some, n -= some) {
		some = MIN(n, (size_t)RECORD_MAX);
		record(b, FCGI_STDOUT, request, text, some);
	}
}

void fcgi_end(struct buf *b, int request)
{
	static const char complete[8] = { 0 };

	record(b, FCGI_STDOUT, request, "", 0);
	record(b, FCGI_END_REQUEST, request, complete, sizeof complete);
}
