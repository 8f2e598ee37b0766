/*
 * SSH public keys of tenants: whom nap's sshd lets in. lead/keys.h makes files of them.
 */
#ifndef NAP_STORE_SSH_KEY_H
#define NAP_STORE_SSH_KEY_H

#include "model/ssh_key.h"
#include "store/rows.h"

/* id, name, type, fingerprint, comment, key, last_used_at, created_at */
extern const struct row_field SSH_KEY_FIELDS[];
extern const size_t SSH_KEY_FIELDS_N;

/* newest first; below: only ids lower than it, 0: from the top */
NODISCARD bool ssh_key_list(
	struct db *db, int64_t tenant, int64_t below, int64_t limit, PGresult **ret, struct err *e);
/* ERR_NOT_FOUND "not_found" */
NODISCARD bool ssh_key_get(
	struct db *db, int64_t tenant, int64_t id, PGresult **ret, struct err *e);
/* Errors: ERR_CONFLICT "key_taken" (by any tenant), ERR_INVALID "too_many_keys" */
NODISCARD bool ssh_key_insert(struct db *db, int64_t tenant, const char *name,
	const struct ssh_key *key, int64_t *ret_id, struct err *e);
NODISCARD bool ssh_key_delete(struct db *db, int64_t tenant, int64_t id, struct err *e);

struct ssh_visitor {
	int64_t tenant;
	const char *name, *role, *actor; /* of the tenant; "key:7"; in memory of a */
};
/*
 * Who came by SSH as that tenant with that key; the transaction goes on as the tenant, and the key's use is noted.
 * ERR_NOT_FOUND: it is no longer the tenant's, or the tenant is shut out.
 */
NODISCARD bool ssh_key_visitor(struct db *db, struct arena *a, const char *tenant, int64_t key,
	struct ssh_visitor *ret, struct err *e);

/*
 * All keys of tenants that may come in, for the files: tenant, id, type, base64, by tenant and id. *ret_version: what
 * ssh_key_version said before; ret is written only where that differs from known.
 */
NODISCARD bool ssh_key_all(
	struct db *db, int64_t known, int64_t *ret_version, PGresult **ret, struct err *e);

#endif
