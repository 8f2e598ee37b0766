#include "store/app.h"

const struct row_field APP_FIELDS[] = {
	{ "name", ROW_TEXT },
	{ "group", ROW_TEXT },
	{ "parent", ROW_TEXT },
	{ "params", ROW_JSON },
	{ "wave", ROW_TEXT },
	{ "state", ROW_TEXT },
	{ "desired_instances", ROW_NUMBER },
	{ "running_instances", ROW_NUMBER },
	{ "scale_override", ROW_NUMBER },
	{ "scale_profile", ROW_NUMBER },
	{ "memory", ROW_NUMBER },
	{ "memory_override", ROW_NUMBER },
	{ "disk", ROW_NUMBER },
	{ "command", ROW_TEXT },
	{ "command_override", ROW_TEXT },
	{ "url", ROW_TEXT },
	{ "ref", ROW_TEXT },
	{ "branch", ROW_TEXT },
	{ "profile_given", ROW_BOOL },
	{ "release", ROW_NUMBER },
	{ "next_release", ROW_NUMBER },
	{ "commit", ROW_TEXT },
	{ "created_at", ROW_TIME },
	{ "updated_at", ROW_TIME },
};
const size_t APP_FIELDS_N = ARRAY_SIZE(APP_FIELDS);

/* clang-format off */
#define APP_COLUMNS \
	"SELECT a.name, a.group_name AS \"group\", a.parent, a.params, a.wave, a.state, a.instances AS desired_instances, a.running_instances, " \
	"a.scale_override, a.scale_profile, a.memory_bytes AS memory, a.memory_override, a.disk_bytes AS disk, " \
	"a.command, a.command_override, a.url, a.ref, a.branch, a.profile_text IS NOT NULL AS profile_given, r.number AS release, " \
	"n.number AS next_release, r.commit, " DB_US("a.created_at") " AS created_at, " \
	DB_US("a.updated_at") " AS updated_at, a.port, a.version " \
	"FROM app a LEFT JOIN release r ON r.id = a.release_id LEFT JOIN release n ON n.id = a.next_release_id "
/* clang-format on */

SQL(ASK_ONE, APP_COLUMNS "WHERE a.tenant_id = nap_tenant() AND a.name = $1");

struct db_ask app_ask_one(const char *name)
{
	return (struct db_ask){ ASK_ONE, { name }, 1 };
}

SQL(ASK_LIST, APP_COLUMNS
	"WHERE a.tenant_id = nap_tenant() AND a.name > $1 ORDER BY a.name LIMIT $2::integer");
/* clang-format off */
#define APP_FILTER \
	"a.name > $1 AND ($3::text IS NULL OR strpos(a.name, lower($3)) > 0 OR strpos(lower(a.url), lower($3)) > 0 " \
	"OR strpos(a.group_name, lower($3)) > 0) AND ($4::text IS NULL OR a.group_name = $4) " \
	"AND ($5::text IS NULL OR a.state = $5) "
/* clang-format on */
SQL(ASK_SOME, APP_COLUMNS "WHERE a.tenant_id = nap_tenant() AND " APP_FILTER
			  "ORDER BY a.name LIMIT $2::integer");
SQL(ASK_BOUND, APP_COLUMNS "WHERE a.tenant_id = nap_tenant() AND a.name = $2 AND " APP_FILTER);

struct db_ask app_ask_list(
	const char *after, const char *q, const char *group, const char *state, const char *limit)
{
	if (!after)
		after = "";
	if (!q && !group && !state)
		return (struct db_ask){ ASK_LIST, { after, limit }, 2 };
	return (struct db_ask){ ASK_SOME, { after, limit, q, group, state }, 5 };
}

struct db_ask app_ask_bound(
	const char *name, const char *after, const char *q, const char *group, const char *state)
{
	return (struct db_ask){ ASK_BOUND, { after ? after : "", name, q, group, state }, 5 };
}

SQL(GET_ALL, APP_COLUMNS "WHERE a.tenant_id = $1 AND a.id = ANY ($2::bigint[]) ORDER BY a.id");

bool app_get_all(struct db *db, int64_t tenant, const char *ids, PGresult **ret, struct err *e)
{
	return db_query(db, ret, e, GET_ALL, I64(tenant), ids);
}

SQL(GET, APP_COLUMNS "WHERE a.tenant_id = $1 AND a.name = $2");

bool app_get(struct db *db, int64_t tenant, const char *name, PGresult **ret, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!db_query(db, &r, e, GET, I64(tenant), name))
		return false;
	if (db_rows(r) == 0)
		return err_set(
			e, ERR_NOT_FOUND, "not_found", "application \"%s\" does not exist", name);
	*ret = steal(&r);
	return true;
}

/* clang-format off */
#define STATE_COLUMNS \
	"SELECT a.id, a.version, a.name, a.state, a.url, a.env, a.memory_bytes, a.memory_override, a.instances, " \
	"coalesce(a.scale_override, -1) AS scale_override, a.scale_profile, a.deleting, a.deployed, a.stopped, " \
	"r.number AS release FROM app a LEFT JOIN release r ON r.id = a.release_id " \
	"WHERE a.tenant_id = $1 AND a.name = $2 "
/* clang-format on */

SQL(FIND, STATE_COLUMNS);
SQL(LOCK, STATE_COLUMNS "FOR UPDATE OF a");

static bool find(struct db *db, struct arena *a, const char *sql, int64_t tenant, const char *name,
	struct app *ret, struct err *e)
{
	PGresult *r = NULL;

	if (!db_query(db, &r, e, sql, I64(tenant), name))
		return false;
	r = db_keep(a, &r);
	if (db_rows(r) == 0)
		return err_set(
			e, ERR_NOT_FOUND, "not_found", "application \"%s\" does not exist", name);
	*ret = (struct app){
		.id = db_i64(r, 0, "id"),
		.version = db_i64(r, 0, "version"),
		.name = db_text(r, 0, "name"),
		.state = db_text(r, 0, "state"),
		.url = db_text_null(r, 0, "url"),
		.env = db_text(r, 0, "env"),
		.release = db_i64(r, 0, "release"),
		.memory = db_i64(r, 0, "memory_bytes"),
		.memory_override = db_i64(r, 0, "memory_override"),
		.instances = (int)db_i64(r, 0, "instances"),
		.scale_override = (int)db_i64(r, 0, "scale_override"),
		.scale_profile = (int)db_i64(r, 0, "scale_profile"),
		.deleting = db_bool(r, 0, "deleting"),
		.deployed = db_bool(r, 0, "deployed"),
		.stopped = db_bool(r, 0, "stopped"),
	};
	return true;
}

bool app_find(struct db *db, struct arena *a, int64_t tenant, const char *name, struct app *ret,
	struct err *e)
{
	return find(db, a, FIND, tenant, name, ret, e);
}

bool app_lock(struct db *db, struct arena *a, int64_t tenant, const char *name, struct app *ret,
	struct err *e)
{
	return find(db, a, LOCK, tenant, name, ret, e);
}

SQL(INSERT,
	"INSERT INTO app (tenant_id, name, group_name, url, url_secret, ref, profile_text, command_override, "
	"memory_override, memory_bytes, scale_override, scale_profile, command, state, port) "
	"SELECT $1, $2, $2, $3, $4, $5, $6, $7, nullif($8::bigint, 0), $9, nullif($10::integer, -1), $11::integer, "
	"coalesce($12, ''), CASE WHEN $3::text IS NULL THEN 'empty' ELSE 'starting' END, "
	"CASE WHEN $13::integer > 0 THEN nap_app_port($13::integer, $14::integer) END "
	/* a group whose root is gone keeps its name */
	"WHERE NOT EXISTS (SELECT 1 FROM family WHERE tenant_id = $1 AND name = $2) ON CONFLICT DO NOTHING RETURNING id");
SQL(HOLDER, "SELECT name FROM app WHERE tenant_id = $1 AND label = replace($2, '_', '-')");

bool app_insert(struct db *db, const struct app_new *n, int64_t *ret_id, struct err *e)
{
	auto_result PGresult *r = NULL, *holder = NULL;

	if (!db_query(db, &r, e, INSERT, I64(n->tenant), n->name, n->url, n->url_secret, n->ref,
		    n->profile_text, n->command_override, I64(n->memory_override), I64(n->memory),
		    I64(n->scale_override), I64(n->scale_profile), n->command, I64(n->port_low),
		    I64(n->port_high)))
		return false;
	if (db_rows(r) == 1) {
		*ret_id = db_i64(r, 0, "id");
		return true;
	}
	if (!db_query(db, &holder, e, HOLDER, I64(n->tenant), n->name))
		return false;
	if (db_rows(holder) == 1 && !streq(db_text(holder, 0, "name"), n->name))
		return err_set(e, ERR_CONFLICT, "name_taken",
			"application \"%s\" has the same host name as \"%s\" would have",
			db_text(holder, 0, "name"), n->name);
	if (db_rows(holder) == 0)
		return err_set(e, ERR_CONFLICT, "name_taken",
			"the group \"%s\" has members, and keeps its name while one lives",
			n->name);
	return err_set(e, ERR_CONFLICT, "name_taken", "application \"%s\" exists already", n->name);
}

SQL(SUGGEST, "SELECT nap_name_suggestion($1, $2) AS name");

bool app_suggest(struct db *db, struct arena *a, const char *tenant, const char *name,
	const char **ret, struct err *e)
{
	PGresult *r = NULL;

	if (!db_query(db, &r, e, SUGGEST, tenant, name))
		return false;
	r = db_keep(a, &r);
	*ret = db_text_null(r, 0, "name");
	return true;
}

SQL(QUOTA_CHECK, "SELECT nap_quota_check($1, $2, $3::integer)");

bool app_quota_check(
	struct db *db, int64_t tenant, int64_t memory, int64_t instances, struct err *e)
{
	return db_exec(db, NULL, e, QUOTA_CHECK, I64(tenant), I64(memory), I64(instances));
}

SQL(CONFIGURE,
	"UPDATE app SET url = CASE WHEN $2::boolean THEN $3 ELSE url END, "
	"url_secret = CASE WHEN $2::boolean THEN $4 ELSE url_secret END, "
	"ref = CASE WHEN $5::boolean THEN $6 ELSE ref END, "
	"profile_text = CASE WHEN $7::boolean THEN $8 ELSE profile_text END, "
	"command_override = CASE WHEN $9::boolean THEN $10 ELSE command_override END, "
	"memory_override = CASE WHEN $11::boolean THEN nullif($12::bigint, 0) ELSE memory_override END, "
	"scale_override = CASE WHEN $13::boolean THEN nullif($14::integer, -1) ELSE scale_override END, "
	"routed_release_id = CASE WHEN instances > 0 OR NOT $13::boolean THEN routed_release_id END WHERE id = $1");

bool app_configure(struct db *db, int64_t id, const struct app_settings *s, struct err *e)
{
	return db_exec(db, NULL, e, CONFIGURE, I64(id), BOOL(s->url_given), s->url, s->url_secret,
		BOOL(s->ref_given), s->ref, BOOL(s->profile_given), s->profile_text,
		BOOL(s->command_given), s->command, BOOL(s->memory_given), I64(s->memory),
		BOOL(s->scale_given), I64(s->scale));
}

SQL(SAME_GROUP,
	"SELECT count(*) FROM app a JOIN app b ON b.tenant_id = a.tenant_id AND b.group_name = a.group_name "
	"WHERE a.id = $1 AND b.id = $2");

bool app_same_group(struct db *db, int64_t one, int64_t other)
{
	int64_t n = 0;
	struct err e;

	return db_one_i64(db, &n, &e, SAME_GROUP, I64(one), I64(other)) && n > 0;
}

/* what comes back from nothing has its route yet to come: the operation waits for it */
SQL(SET_SCALE,
	"UPDATE app SET scale_override = nullif($2::integer, -1), "
	"routed_release_id = CASE WHEN instances > 0 THEN routed_release_id END WHERE id = $1");

bool app_set_scale(struct db *db, int64_t id, int n, struct err *e)
{
	return db_exec(db, NULL, e, SET_SCALE, I64(id), I64(n));
}

SQL(SET_STARTING, "UPDATE app SET state = 'starting' WHERE id = $1 AND release_id IS NULL");

bool app_set_starting(struct db *db, int64_t id, struct err *e)
{
	return db_exec(db, NULL, e, SET_STARTING, I64(id));
}

SQL(SET_STOPPED,
	"UPDATE app SET stopped = $2::boolean, routed_release_id = CASE WHEN $2::boolean THEN routed_release_id END "
	"WHERE id = $1");

bool app_set_stopped(struct db *db, int64_t id, bool stopped, struct err *e)
{
	return db_exec(db, NULL, e, SET_STOPPED, I64(id), BOOL(stopped));
}

SQL(SET_ENV, "UPDATE app SET env = $2::jsonb WHERE id = $1");

bool app_set_env(struct db *db, int64_t id, const char *env, struct err *e)
{
	return db_exec(db, NULL, e, SET_ENV, I64(id), env);
}

SQL(SET_DELETING, "UPDATE app SET deleting = true, state = 'deleting' WHERE id = $1");

bool app_set_deleting(struct db *db, int64_t id, struct err *e)
{
	return db_exec(db, NULL, e, SET_DELETING, I64(id));
}

SQL(ASK_LOG,
	"(SELECT id, name, 1 AS rank FROM app WHERE tenant_id = nap_tenant() AND name = $1) UNION ALL "
	"(SELECT app_id, app, 2 FROM operation WHERE tenant_id = nap_tenant() AND app = $1 AND kind = 'destroy' "
	"AND state = 'succeeded' AND ended_at > now() - make_interval(hours => $2::integer) ORDER BY id DESC LIMIT 1) "
	"ORDER BY rank LIMIT 1");

struct db_ask app_ask_log(const char *name, const char *keep_hours)
{
	return (struct db_ask){ ASK_LOG, { name, keep_hours }, 2 };
}
