/*
 * What a unit says: its options, as fleet keeps them.
 *
 * fleet stores the text of a unit file and reads it back, so what is kept is what the text says, not what was sent:
 * blanks around a value are lost, a newline in a value begins another line. Options of one section come together, the
 * sections in the order in which they were first seen. The content's name is the SHA-1 of that text; units of equal
 * content share one struct (a thousand instances, one text), which is why it is counted.
 */
#ifndef NAP_AGENT_CONTENT_H
#define NAP_AGENT_CONTENT_H

#include "agent/sha1.h"
#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>

#define CONTENT_LINE_MAX 2048

struct content_option {
	const char *section, *name, *value;
};

struct content {
	char hash[SHA1_HEX_SIZE];
	size_t refs;
	struct content_option *options; /* strings live in text */
	size_t n;
	char *text; /* parsed in place: not readable as a whole */
	struct content *next;
	bool conflicts; /* [X-Fleet] Conflicts= is there: few have it, and each is compared with all */
};

/*
 * From options as the API takes them: [{"section","name","value"}, …], each member a string or missing (checked by
 * the caller). ERR_INVALID with fleet's words where the text cannot be read back: "line too long (max 2048 bytes)".
 * The caller owns one reference.
 */
NODISCARD bool content_make(const json_t *options, struct content **ret, struct err *e);

struct content *content_ref(struct content *c);
void content_unref(struct content *c); /* NULL is fine */

/* "[Section]\nName=Value\n…" as a unit file */
void content_text(const struct content *c, struct buf *b);
/* [{"name","section","value"},…] as the API prints it, empty members left out */
void content_json(const struct content *c, struct buf *b);

/* The options that fleet itself obeys do not contradict each other; the message is fleet's. */
NODISCARD bool content_check_fleet(const struct content *c, struct err *e);

/* Calls fn for each value of section's option name, in order. For X-Fleet the old prefixes X- and X-Condition count too. */
void content_each(const struct content *c, const char *section, const char *name,
	void (*fn)(void *ctx, const char *value), void *ctx);
const char *content_last(
	const struct content *c, const char *section, const char *name); /* NULL: none */
bool content_is_global(const struct content *c);

/* s as a JSON string as Go writes it: < > & escaped too */
void put_json(struct buf *b, const char *s);

#endif
