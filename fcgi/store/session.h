/*
 * Sign-ins. Failed ones are counted by name and address together, and slow that pair down; an account is never locked.
 */
#ifndef NAP_STORE_SESSION_H
#define NAP_STORE_SESSION_H

#include "store/credential.h"
#include "store/db.h"

#define SESSION_FREE_FAILURES 5 /* then each further one doubles the pause */
#define SESSION_MAX_PAUSE_S   300

struct session_look {
	int64_t tenant;			  /* 0: there is none of that name, or it is disabled */
	const char *role, *password_hash; /* in memory of a; NULL */
	int pause_s;			  /* before the next try; 0: none */
};

NODISCARD bool session_look(struct db *db, struct arena *a, const char *name, const char *address,
	struct session_look *ret, struct err *e);
NODISCARD bool session_failed(struct db *db, const char *name, const char *address, struct err *e);

/* forgets the failures and makes a session; *ret_id is its id */
NODISCARD bool session_make(struct db *db, const char *name, const char *address, int64_t tenant,
	const char *cookie, const char *csrf, const char *agent, int64_t hours, int64_t *ret_id,
	struct err *e);

NODISCARD bool session_delete(struct db *db, int64_t tenant, int64_t id, struct err *e);

#endif
