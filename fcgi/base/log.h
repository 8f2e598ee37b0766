/*
 * One line an event, to stderr, in one write:
 *
 *	LOG(INFO, "deploy.start", KV("app", name), KV("operation", id));
 *	<6>deploy.start app=web operation=17 req=…
 *
 * The number is syslog's severity (RFC 5424 section 6.2.1; sd-daemon(3)), so that journald files it. Values
 * are escaped: a newline in one never starts a line. Secrets never come here.
 */
#ifndef NAP_BASE_LOG_H
#define NAP_BASE_LOG_H

#include "base/base.h"

enum log_level { LOG_ERROR = 3, LOG_WARNING = 4, LOG_NOTICE = 5, LOG_INFO = 6, LOG_DEBUG = 7 };

struct log_kv {
	const char *key;
	const char *text; /* NULL: number */
	int64_t number;
};

static inline struct log_kv log_kv_text(const char *key, const char *text)
{
	return (struct log_kv){ key, text ? text : "(null)", 0 };
}

static inline struct log_kv log_kv_number(const char *key, int64_t number)
{
	return (struct log_kv){ key, NULL, number };
}

#define KV(key, value) \
	_Generic((value), char *: log_kv_text, const char *: log_kv_text, default: log_kv_number)(key, value)

#define LOG(level, ...) LOG_PICK(level, __VA_ARGS__, LOG_END)
#define LOG_END		((struct log_kv){ NULL, NULL, 0 })
#define LOG_PICK(level, event, ...) \
	log_write(LOG_##level, event, (const struct log_kv[]){ __VA_ARGS__, { NULL, NULL, 0 } })

void log_start(const char *program, enum log_level most);
/* "error", "warning", "notice", "debug"; all else is info */
enum log_level log_level_named(const char *word);
/* the request or operation that the lines from here on belong to; NULL: none. Copied. */
void log_context(const char *key, const char *value);
void log_write(enum log_level level, const char *event, const struct log_kv *kv);

#endif
