/*
 * Sign-ins: browser sessions. Failed ones are counted by name and address together, and slow that pair down; an account is never locked.
 */
#ifndef NAP_STORE_SESSION_H
#define NAP_STORE_SESSION_H

#include "store/credential.h"
#include "store/rows.h"

#define SESSION_FREE_FAILURES 5 /* then each further one doubles the pause */
#define SESSION_MAX_PAUSE_S   300

struct session_look {
	int64_t tenant;			  /* 0: there is none of that name, or it is disabled */
	const char *role, *password_hash; /* in memory of a; NULL */
	int pause_s;			  /* before the next try; 0: none */
};

/*
 * Looks, and compares the password; a wrong one is counted. Not inside a transaction: hashing takes its time, and the
 * count is to stay. Errors: ERR_BUSY "rate_limited" with ret->pause_s set, ERR_AUTH "sign_in_failed".
 */
NODISCARD bool session_password(struct db *db, struct arena *a, const char *name,
	const char *address, const char *password, struct session_look *ret, struct err *e);

/* forgets the failures and makes a session; *ret_id is its id */
NODISCARD bool session_make(struct db *db, const char *name, const char *address, int64_t tenant,
	const char *cookie, const char *csrf, const char *agent, int64_t hours, int64_t *ret_id,
	struct err *e);

/* id, address, user_agent, created_at, last_seen_at, expires_at, current: whether it is that of id own */
extern const struct row_field SESSION_FIELDS[];
extern const size_t SESSION_FIELDS_N;

/* those that last, newest first; below: only ids lower than it, 0: from the top */
NODISCARD bool session_list(struct db *db, int64_t tenant, int64_t own, int64_t below,
	int64_t limit, PGresult **ret, struct err *e);

/* ERR_NOT_FOUND "not_found" */
NODISCARD bool session_delete(struct db *db, int64_t tenant, int64_t id, struct err *e);

#endif
