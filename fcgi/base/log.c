#include "base/log.h"
#include "base/buf.h"

/* the logger is the one place with state of its own (STYLE: mutable globals except the logger) */
static enum log_level threshold = LOG_INFO;
static char context_key[16], context_value[72];

void log_start(const char *program, enum log_level most)
{
	(void)program;
	threshold = most;
}

enum log_level log_level_named(const char *word)
{
	static const struct {
		const char *word;
		enum log_level level;
	} levels[] = { { "error", LOG_ERROR }, { "warning", LOG_WARNING }, { "notice", LOG_NOTICE },
		{ "debug", LOG_DEBUG } };

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (streq(levels[i].word, word))
			return levels[i].level;
	return LOG_INFO;
}

void log_context(const char *key, const char *value)
{
	(void)snprintf(context_key, sizeof context_key, "%s", value ? key : "");
	(void)snprintf(context_value, sizeof context_value, "%s", value ? value : "");
}

static void put_value(struct buf *b, const char *s)
{
	if (s[0] && strcspn(s, " \"=\\\n\r\t\x1b") == strlen(s)) {
		bool plain = true;

		for (const char *p = s; *p; p++)
			plain = plain && (unsigned char)*p >= 0x20 && *p != 0x7f;
		if (plain) {
			buf_puts(b, s);
			return;
		}
	}
	buf_json(b, s, strlen(s));
}

static void put_pair(struct buf *b, const struct log_kv *kv)
{
	buf_printf(b, " %s=", kv->key);
	if (kv->text)
		put_value(b, kv->text);
	else
		buf_i64(b, kv->number);
}

void log_write(enum log_level level, const char *event, const struct log_kv *kv)
{
	auto_buf struct buf b = { 0 };

	if (level > threshold)
		return;
	buf_init(&b, 64 * 1024);
	buf_printf(&b, "<%d>%s", level, event);
	for (; kv->key; kv++)
		put_pair(&b, kv);
	if (context_key[0])
		put_pair(&b, &(struct log_kv){ context_key, context_value, 0 });
	buf_putc(&b, '\n');
	(void)!write(2, b.data, b.len);
}
