/*
 * Tenants: who they are, what they may use, and what they use.
 */
#ifndef NAP_STORE_TENANT_H
#define NAP_STORE_TENANT_H

#include "store/rows.h"

/* name, role, disabled, created_at, updated_at and "quota": {"memory": {"used","limit"}, …} */
extern const struct row_field TENANT_FIELDS[];
extern const size_t TENANT_FIELDS_N;

/* The caller's own quota, for caller_ask: one row, column quota (JSON). */
struct db_ask tenant_ask_quota(void);

/* after: names above it; NULL: from the first. Row-level security shows an admin all of them. */
NODISCARD bool tenant_list(
	struct db *db, const char *after, int64_t limit, PGresult **ret, struct err *e);
/* columns TENANT_FIELDS and id; ERR_NOT_FOUND "not_found" */
NODISCARD bool tenant_get(struct db *db, const char *name, PGresult **ret, struct err *e);
NODISCARD bool tenant_count(struct db *db, int64_t *ret, struct err *e);

struct tenant_new {
	const char *name, *role; /* "tenant" or "admin" */
	const char *password_hash;
	int64_t memory, instances, apps, disk;
};
NODISCARD bool tenant_insert(
	struct db *db, const struct tenant_new *n, int64_t *ret_id, struct err *e);

struct tenant_change {
	const char *password_hash;	       /* NULL: as it is */
	int64_t memory, instances, apps, disk; /* -1: as it is */
	int disabled;			       /* -1: as it is */
};
NODISCARD bool tenant_update(
	struct db *db, int64_t id, const struct tenant_change *c, struct err *e);

/* name, role, language, created_at: what a tenant sees of itself */
extern const struct row_field ACCOUNT_FIELDS[];
extern const size_t ACCOUNT_FIELDS_N;

/* one row, of ACCOUNT_FIELDS */
NODISCARD bool tenant_account(struct db *db, int64_t id, PGresult **ret, struct err *e);
/* NULL: as it is. A new password ends all sessions but that of id keep. */
NODISCARD bool tenant_account_change(struct db *db, int64_t id, const char *language,
	const char *password_hash, int64_t keep, struct err *e);

/* ERR_CONFLICT "tenant_not_empty" while it has apps */
NODISCARD bool tenant_remove(struct db *db, int64_t id, struct err *e);

/* half of what the engine's machines have, as they were last seen; 0: unknown */
NODISCARD bool tenant_half_of_machines(struct db *db, int64_t *ret, struct err *e);

#endif
