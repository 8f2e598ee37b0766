/*
 * Webhooks in: by which a git host says that something was pushed. One for each app, at most.
 *
 * Its secret is never read here: PostgreSQL says whether a delivery knows it (sql/0080_webhook.sql says why).
 */
#ifndef NAP_STORE_WEBHOOK_H
#define NAP_STORE_WEBHOOK_H

#include "base/arena.h"
#include "store/db.h"

/* columns id, last_used_at, created_at; ERR_NOT_FOUND "not_found" */
NODISCARD bool webhook_get(struct db *db, int64_t app, PGresult **ret, struct err *e);
/* Makes it, or gives the one that is there another id and secret. The app is the caller's. */
NODISCARD bool webhook_make(
	struct db *db, int64_t app, const char *id, const char *secret, struct err *e);
/* ERR_NOT_FOUND "not_found" */
NODISCARD bool webhook_delete(struct db *db, int64_t app, struct err *e);

/* What came to an address. */
struct webhook_visit {
	const char *id, *body;
	const char *signature; /* HMAC-SHA-256 of body, in hex; NULL: none */
	const char *token;     /* the secret itself, looked at without a signature; NULL: none */
	const char *name;      /* that the host gave the delivery; NULL: none */
};
struct webhook_visitor {
	int64_t tenant;
	const char *tenant_name, *actor; /* "hook:7", of the app's id */
	const char *app, *ref;		 /* ref NULL: the remote's default branch */
	int64_t app_id;
	const char *delivery; /* for webhook_take */
};			      /* in memory of a */
/* Whose it is; the transaction goes on as that tenant. ERR_NOT_FOUND: an unknown id, or who sent it knows no secret. */
NODISCARD bool webhook_auth(struct db *db, struct arena *a, const struct webhook_visit *visit,
	struct webhook_visitor *ret, struct err *e);

/* Remembers the delivery for a day; *ret_new false: it came before. */
NODISCARD bool webhook_take(
	struct db *db, const struct webhook_visitor *v, bool *ret_new, struct err *e);

#endif
