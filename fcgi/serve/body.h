/*
 * JSON bodies, by one table each; the OpenAPI document describes the body from the same table.
 *
 *	struct scale_body { struct body_i64 instances; const char *why; };
 *	static const struct body_field SCALE[] = {
 *		{ "instances", BODY_I64, offsetof(struct scale_body, instances), BODY_REQUIRED | BODY_NULL, .max = 500,
 *			.help = "null: follow the profile again" },
 *		{ "why", BODY_STRING, offsetof(struct scale_body, why), .max = 200, .check = why_wrong },
 *	};
 *	struct scale_body body = { 0 };
 *	if (!body_decode(rq, SCALE, ARRAY_SIZE(SCALE), &body, e))
 *		return false;
 *
 * Kinds and what they fill:
 *	BODY_STRING   const char *            min..max bytes; NULL if absent. No NUL (JSON cannot bring one)
 *	BODY_I64      struct body_i64         min..max
 *	BODY_MEMORY   struct body_i64         bytes: "256m", or a number of bytes; min..max
 *	BODY_BOOL     struct body_bool
 *	BODY_STRINGS  struct body_strings     min..max items
 *	BODY_OBJECT   json_t *                an object, borrowed from rq->json; its fields are the handler's thought
 *
 * Flags: BODY_REQUIRED must be there; BODY_NULL may be null (else null is a wrong type).
 * Faults: "required", "unknown_field", "wrong_type", "out_of_range", "invalid_value" or the row's own code.
 */
#ifndef NAP_SERVE_BODY_H
#define NAP_SERVE_BODY_H

#include "serve/request.h"

enum body_kind { BODY_STRING, BODY_I64, BODY_MEMORY, BODY_BOOL, BODY_STRINGS, BODY_OBJECT };
enum body_flag { BODY_REQUIRED = 1, BODY_NULL = 2 };

struct body_i64 {
	bool given, null;
	int64_t n;
};
struct body_bool {
	bool given, on;
};
struct body_strings {
	bool given;
	const char **v;
	size_t n;
};

struct body_field {
	const char *name;
	enum body_kind kind;
	size_t offset;
	unsigned flags;
	int64_t min, max; /* both 0: no limits */
	const char *(*check)(
		const char *); /* of a string or each item: what is wrong with it, or NULL */
	const char *code;      /* of check's fault; NULL: "invalid_value" */
	const char *help;      /* for the OpenAPI document */
};

/* All faults at once, and ended: true means ret is whole. rq->json NULL is an empty object. */
NODISCARD bool body_decode(
	struct request *rq, const struct body_field *fields, size_t n, void *ret, struct err *e);

/* the same without ending the faults, to add the handler's own first; prefix NULL or "limits." for an inner object */
void body_decode_into(struct faults *f, struct arena *a, const json_t *object, const char *prefix,
	const struct body_field *fields, size_t n, void *ret);

#endif
