/*
 * Apps: rows of the table app and how they change. Every function stands inside the caller's transaction, in which
 * row-level security knows the tenant; the tenant is in each WHERE too.
 */
#ifndef NAP_STORE_APP_H
#define NAP_STORE_APP_H

#include "store/rows.h"

/* The members of an app's body that are columns; app_body (api/app.h) adds the addresses. */
extern const struct row_field APP_FIELDS[];
extern const size_t APP_FIELDS_N;

/*
 * Statements for one pipeline with the look-up of the credential (caller_ask), as the tenant that it finds. Columns:
 * APP_FIELDS, name, port, version.
 */
struct db_ask app_ask_one(const char *name);
/* after: names above it, NULL: from the first; q: part of name, group or URL; NULL: all. limit lives with the ask. */
struct db_ask app_ask_list(
	const char *after, const char *q, const char *group, const char *state, const char *limit);

/* the same list where the caller may see the app name only */
struct db_ask app_ask_bound(
	const char *name, const char *after, const char *q, const char *group, const char *state);

/* The same columns in a transaction. ERR_NOT_FOUND "not_found". */
NODISCARD bool app_get(
	struct db *db, int64_t tenant, const char *name, PGresult **ret, struct err *e);

/* the same of many: ids is a PostgreSQL array, "{1,2}"; by id */
NODISCARD bool app_get_all(
	struct db *db, int64_t tenant, const char *ids, PGresult **ret, struct err *e);

/* What a handler must know of an app before it changes it. */
struct app {
	int64_t id, version;
	const char *name, *state;
	const char *url;			      /* NULL: it is pushed to */
	const char *env;			      /* JSON text */
	int64_t release;			      /* number of the one that serves; 0: none */
	int64_t memory, memory_override;	      /* bytes of one instance; override 0: none */
	int instances, scale_override, scale_profile; /* override -1: the profile is followed */
	bool deleting, deployed, stopped;
};

/* The row, in memory of a; app_lock locks it until the transaction ends. ERR_NOT_FOUND "not_found". */
NODISCARD bool app_find(struct db *db, struct arena *a, int64_t tenant, const char *name,
	struct app *ret, struct err *e);
NODISCARD bool app_lock(struct db *db, struct arena *a, int64_t tenant, const char *name,
	struct app *ret, struct err *e);

struct app_new {
	int64_t tenant;
	const char *name;
	const char *url, *url_secret, *ref;	     /* NULL: it waits for a push */
	const char *profile_text, *command_override; /* NULL: none */
	const char *command;		   /* to show until there is a release; NULL: none */
	int64_t memory, memory_override;   /* override 0: none */
	int scale_override, scale_profile; /* override -1: none */
	int64_t port_low, port_high; /* its address is a port of these; 0: addresses are names */
};

/*
 * Makes an app; the transaction goes on after ERR_CONFLICT "name_taken" (the name, or its host label: told apart in
 * the message). An app with a URL starts as 'starting', else as 'empty'. Errors: quota_apps.
 */
NODISCARD bool app_insert(struct db *db, const struct app_new *n, int64_t *ret_id, struct err *e);

/* the next free NAME_NO, not taken; NULL: none */
NODISCARD bool app_suggest(struct db *db, struct arena *a, const char *tenant, const char *name,
	const char **ret, struct err *e);

/* refuses what would be over quota, without taking it; growth in bytes and instances. Errors: quota_memory, … */
NODISCARD bool app_quota_check(
	struct db *db, int64_t tenant, int64_t memory, int64_t instances, struct err *e);

/* Settings that the next release is made with. A given NULL, 0 or empty text takes the setting away. */
struct app_settings {
	bool url_given, ref_given, profile_given, command_given, memory_given, scale_given;
	const char *url, *url_secret, *ref, *profile_text, *command;
	int64_t memory;
	int scale; /* -1: follow the profile */
};
NODISCARD bool app_configure(
	struct db *db, int64_t id, const struct app_settings *s, struct err *e);

/* both are of one family; also false when it cannot be known */
bool app_same_group(struct db *db, int64_t one, int64_t other);

/* n -1: follow the profile again. Errors: quota_memory, quota_instances */
NODISCARD bool app_set_scale(struct db *db, int64_t id, int n, struct err *e);
/* a deploy is on its way: what has no release yet is starting */
NODISCARD bool app_set_starting(struct db *db, int64_t id, struct err *e);
NODISCARD bool app_set_stopped(struct db *db, int64_t id, bool stopped, struct err *e);
NODISCARD bool app_set_env(struct db *db, int64_t id, const char *env, struct err *e);
/* marks it as being destroyed; the row goes when the job has ended */
NODISCARD bool app_set_deleting(struct db *db, int64_t id, struct err *e);

/* id of an app whose log can be read: it is there, or was destroyed less than keep_hours ago. Columns id, name. */
struct db_ask app_ask_log(const char *name, const char *keep_hours);

#endif
