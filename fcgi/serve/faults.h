/*
 * What is wrong with a request, all of it at once (REST "Rules for every route": 422 with errors[]).
 *
 *	if (!body_decode(rq, FIELDS, ARRAY_SIZE(FIELDS), &body, e))    adds its own, and ends them
 *		return false;
 *	if (too_large(body.scale))
 *		fault_add(&rq->faults, "scale", "out_of_range", "at most %d", MAX_INSTANCES);
 *	if (!faults_end(&rq->faults, e))
 *		return false;
 */
#ifndef NAP_SERVE_FAULTS_H
#define NAP_SERVE_FAULTS_H

#include "base/arena.h"
#include "base/err.h"

struct fault {
	const char *field; /* "scale", "limits.memory", "commands[3]" */
	const char *code;  /* a literal */
	const char *detail;
	int line; /* of a profile; 0: none */
};

#define MAX_FAULTS 100 /* more are counted, not kept */

struct faults {
	struct arena *a;
	struct fault *v;
	size_t n, size, dropped;
};

void fault_add(struct faults *f, const char *field, const char *code, const char *fmt, ...)
	PRINTF(4, 5);
void fault_add_line(struct faults *f, const char *field, int line, const char *code,
	const char *fmt, ...) PRINTF(5, 6);

/* the errors of a profile, with their lines; field is "profile" */
struct profile;
void profile_faults(struct faults *f, const struct profile *p);

/* True if there are none; else e is ERR_INVALID "validation_failed", and the answer lists them. */
NODISCARD bool faults_end(const struct faults *f, struct err *e);

#endif
