/*
 * Pushes, as nap-hook and git's authentication ask about them (push/push_hook.h tells the whole story).
 *
 * A name whose app does not exist yet has an id all the same, kept in push_name: git needs a repository to put the
 * objects into before the push can be judged. The app's row is made with that id once the push is good.
 */
#ifndef NAP_STORE_PUSH_H
#define NAP_STORE_PUSH_H

#include "store/db.h"

/* columns id, deleting, borrows of the caller's app of that name, and apps_left; for caller_token. One row; id NULL: no such app */
struct db_ask push_ask_app(const char *name);

/* the id of that app's repository, kept for it if the app does not exist */
NODISCARD bool push_id(
	struct db *db, int64_t tenant, const char *name, int64_t *ret, struct err *e);

struct push_owner {
	int64_t tenant;
	const char *name, *role; /* of the tenant; in memory of a */
	const char *app;
	bool made; /* the app exists */
};
/* Whose repository that is; the transaction goes on as that tenant, with actor. ERR_NOT_FOUND */
NODISCARD bool push_owner(struct db *db, struct arena *a, int64_t repo, const char *actor,
	struct push_owner *ret, struct err *e);

/* a name that had an app, which was destroyed: its release numbers go on */
NODISCARD bool push_name_was_used(
	struct db *db, const char *tenant, const char *app, bool *ret, struct err *e);

struct push_app {
	int64_t id, tenant;
	const char *name;
	int64_t memory;
	int64_t port_low, port_high; /* its address is a port of these; 0: addresses are names */
};
/* Errors: quota_apps, ERR_CONFLICT "name_taken" (the host label) */
NODISCARD bool push_app_insert(struct db *db, const struct push_app *n, struct err *e);

/* what a push is judged by; the row is locked */
struct push_target {
	bool deleting, deployed, stopped;
	const char *profile_text; /* NULL: none was given */
	int64_t memory, memory_override;
	int scale_override, instances; /* override -1: none */
	int64_t disk_left;
};
NODISCARD bool push_target(
	struct db *db, struct arena *a, int64_t app, struct push_target *ret, struct err *e);

/* the operation of a push, by its random word; *ret_id 0: there is none. args in memory of a. */
NODISCARD bool push_operation(struct db *db, struct arena *a, int64_t app, const char *push,
	int64_t *ret_id, const char **ret_args, struct err *e);

/* receiving → queued; already queued is fine */
NODISCARD bool push_operation_queue(struct db *db, int64_t id, struct err *e);

#endif
