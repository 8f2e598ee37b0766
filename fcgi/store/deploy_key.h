/*
 * The key by which nap fetches a tenant's git@host:path, and the keys of those hosts as they were first seen.
 */
#ifndef NAP_STORE_DEPLOY_KEY_H
#define NAP_STORE_DEPLOY_KEY_H

#include "model/ssh_key.h"
#include "store/rows.h"
#include "store/seal.h"

/* host, type, fingerprint, key, first_seen_at */
extern const struct row_field KNOWN_HOST_FIELDS[];
extern const size_t KNOWN_HOST_FIELDS_N;

/* The tenant's own, for the API: columns public_key, fingerprint, created_at; no row: it is not made yet. */
NODISCARD bool deploy_key_public(struct db *db, int64_t tenant, PGresult **ret, struct err *e);
/* columns KNOWN_HOST_FIELDS, by host */
NODISCARD bool known_host_list(struct db *db, int64_t tenant, PGresult **ret, struct err *e);
/* all keys of that host; ERR_NOT_FOUND */
NODISCARD bool known_host_forget(struct db *db, int64_t tenant, const char *host, struct err *e);

/* Makes it unless there is one. Two at once make one. */
NODISCARD bool deploy_key_make(
	struct db *db, const struct seal *seal, int64_t tenant, const char *name, struct err *e);
/* up to limit tenants without one, for deploy_key_make: id, name */
NODISCARD bool deploy_key_missing(struct db *db, int64_t limit, PGresult **ret, struct err *e);

/*
 * Its private file's text (wipe it with ssh_key_wipe) and its public line, in memory of a; it is made if there is none.
 * ERR_INTERNAL "sealed_by_another_key", "seal_broken".
 */
NODISCARD bool deploy_key_open(struct db *db, const struct seal *seal, struct arena *a,
	int64_t tenant, const char *name, char **ret_private, const char **ret_public,
	struct err *e);

/* The tenant's known_hosts (sshd(8)) as a text; and the lines of one taken back: what is new in it is kept. */
NODISCARD bool known_host_text(
	struct db *db, struct arena *a, int64_t tenant, const char **ret, struct err *e);
NODISCARD bool known_host_keep(struct db *db, int64_t tenant, const char *text, struct err *e);

#endif
