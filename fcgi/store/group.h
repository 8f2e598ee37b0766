/*
 * Groups of similar apps: families, members, and what is done to all of one. Every function stands inside the caller's
 * transaction, in which row-level security knows the tenant.
 */
#ifndef NAP_STORE_GROUP_H
#define NAP_STORE_GROUP_H

#include "store/rows.h"

/* what similar apps are made from: an app and one of its releases */
struct similar_source {
	int64_t app_id, release_id, release; /* release: its number */
	const char *app, *group, *branch;
	int64_t memory; /* bytes of one instance of a member */
	int scale;	/* instances of a member: the profile's */
};

/*
 * The release of the app that similar ones start from: number, or (0) the one that serves, else the last good one.
 * ERR_NOT_FOUND, ERR_CONFLICT "app_empty".
 */
NODISCARD bool similar_source_of(struct db *db, struct arena *a, int64_t tenant, const char *app,
	int64_t number, struct similar_source *ret, struct err *e);

/* what the tenant has left; the row is locked until the transaction ends, so that it stays so */
struct quota_left {
	int64_t memory, instances, apps, memory_limit, instances_limit, apps_limit;
};
NODISCARD bool quota_lock(
	struct db *db, int64_t tenant, bool lock, struct quota_left *ret, struct err *e);

/* the next n names of the sequence of app, not taken: column name */
NODISCARD bool similar_preview(struct db *db, const char *tenant, const char *app, int64_t n,
	PGresult **ret, struct err *e);

/*
 * Makes the apps: members is JSON text, [{"command", "params", "name"?}, …] in order, all with a name or none.
 * parallel 0: as the group is. Columns id and name, in order.
 * Errors: quota_*, "name_too_long"; ERR_CONFLICT "name_taken": the transaction goes on, ret_taken is the name.
 */
NODISCARD bool similar_insert(struct db *db, struct arena *a, int64_t tenant,
	const struct similar_source *s, const char *members, int64_t n, bool named,
	int64_t parallel, PGresult **ret, const char **ret_taken, struct err *e);

/* the groups, by name: families, and apps of which none was made yet are no groups. Columns GROUP_FIELDS. */
extern const struct row_field GROUP_FIELDS[];
extern const size_t GROUP_FIELDS_N;
NODISCARD bool group_list(struct db *db, int64_t tenant, const char *after, int64_t limit,
	PGresult **ret, struct err *e);
/* one of them; ERR_NOT_FOUND */
NODISCARD bool group_get(
	struct db *db, int64_t tenant, const char *name, PGresult **ret, struct err *e);

/* the members, the root first, then by their turn; columns MEMBER_FIELDS, place (opaque, for after), id */
extern const struct row_field MEMBER_FIELDS[];
extern const size_t MEMBER_FIELDS_N;
NODISCARD bool group_members(struct db *db, int64_t tenant, const char *name, int64_t after,
	int64_t limit, PGresult **ret, struct err *e);

/* What is done to all members that are not being destroyed; each returns how many changed. */
NODISCARD bool group_set_stopped(struct db *db, int64_t tenant, const char *name, bool stopped,
	int64_t *ret_n, struct err *e);
NODISCARD bool group_set_scale(
	struct db *db, int64_t tenant, const char *name, int n, int64_t *ret_n, struct err *e);
NODISCARD bool group_set_deleting(
	struct db *db, int64_t tenant, const char *name, int64_t *ret_n, struct err *e);
/* runs again: failed ones only, or all that have ended. Members of a group with turns wait for theirs. */
NODISCARD bool group_rerun(struct db *db, int64_t tenant, const char *name, bool failed_only,
	int64_t *ret_n, struct err *e);
NODISCARD bool group_set_parallel(
	struct db *db, int64_t tenant, const char *name, int64_t parallel, struct err *e);

#endif
