/*
 * One error type, on the caller's stack, nothing to free.
 *
 * A fallible function returns bool, is NODISCARD and takes struct err *e last. On failure it has filled e,
 * so the failing line is one return:
 *
 *	return err_set(e, ERR_CONFLICT, "name_taken", "application \"%s\" exists already", name);
 *
 * kind    decides the HTTP status (serve/response.c alone maps it)
 * code    a stable snake_case word for clients: a literal, never built
 * msg     one sentence for people, PostgreSQL's error style: lower case, no full stop, quoted names
 * detail  for the log only: where it came from; err_add() puts context in front on the way up
 *
 * Both texts are cut at their size, on a UTF-8 border.
 */
#ifndef NAP_BASE_ERR_H
#define NAP_BASE_ERR_H

#include "base/base.h"

enum err_kind {
	ERR_NONE,
	ERR_INVALID,   /* 422, or 400 for what cannot be read at all (code "malformed") */
	ERR_AUTH,      /* 401 */
	ERR_FORBIDDEN, /* 403 */
	ERR_NOT_FOUND, /* 404 */
	ERR_CONFLICT,  /* 409 */
	ERR_TOO_LARGE, /* 413 */
	ERR_BUSY,      /* 429 or 503, with Retry-After */
	ERR_TIMEOUT,   /* 504 */
	ERR_UPSTREAM,  /* 502 or 503: database, engine, git host */
	ERR_INTERNAL,  /* 500 */
};

struct err {
	enum err_kind kind;
	const char *code;
	char msg[300];
	char detail[600];
};

/* Fills e and returns false. */
bool err_set(struct err *e, enum err_kind kind, const char *code, const char *fmt, ...)
	PRINTF(4, 5);

/* The same for a failed system call: "MSG: strerror(errno)", ERR_INTERNAL, code "internal". */
bool err_errno(struct err *e, const char *fmt, ...) PRINTF(2, 3);

/* Puts "CONTEXT: " in front of detail. Returns false, so that it can be returned. */
bool err_add(struct err *e, const char *fmt, ...) PRINTF(2, 3);

/* Prints e to stderr and returns 1: for main(). */
int die(const struct err *e);

#endif
