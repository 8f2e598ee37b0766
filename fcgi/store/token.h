/*
 * Tokens: credentials of programs. Only their hash is kept.
 */
#ifndef NAP_STORE_TOKEN_H
#define NAP_STORE_TOKEN_H

#include "store/credential.h"
#include "store/rows.h"

/* id, name, scopes, app, expires_at, last_used_at, created_at */
extern const struct row_field TOKEN_FIELDS[];
extern const size_t TOKEN_FIELDS_N;

/* newest first; below: only ids lower than it, 0: from the top. Not those of instances. */
NODISCARD bool token_list(
	struct db *db, int64_t tenant, int64_t below, int64_t limit, PGresult **ret, struct err *e);
/* ERR_NOT_FOUND "not_found" */
NODISCARD bool token_get(struct db *db, int64_t tenant, int64_t id, PGresult **ret, struct err *e);

struct token_new {
	int64_t tenant;
	const char *name, *scopes; /* "{read,deploy}" */
	const unsigned char *hash; /* CREDENTIAL_HASH bytes */
	const char *app;	   /* NULL: bound to none */
	int64_t expires_us;	   /* 0: never */
};
/* ERR_NOT_FOUND "not_found": there is no such app */
NODISCARD bool token_insert(
	struct db *db, const struct token_new *n, int64_t *ret_id, struct err *e);

NODISCARD bool token_delete(struct db *db, int64_t tenant, int64_t id, struct err *e);

#endif
