#include "store/push.h"

SQL(ASK_APP,
	"SELECT a.id, coalesce(a.deleting, false) AS deleting, a.family_id IS NOT NULL AS borrows, t.quota_apps - t.used_apps AS apps_left "
	"FROM tenant t LEFT JOIN app a ON a.tenant_id = t.id AND a.name = $1 WHERE t.id = nap_tenant()");

struct db_ask push_ask_app(const char *name)
{
	return (struct db_ask){ ASK_APP, { name }, 1 };
}

SQL(ID, "SELECT nap_push_id($1, $2)");

bool push_id(struct db *db, int64_t tenant, const char *name, int64_t *ret, struct err *e)
{
	return db_one_i64(db, ret, e, ID, I64(tenant), name);
}

SQL(OWNER,
	"SELECT o.tenant_id, o.tenant, o.role, o.app, o.made, set_config('nap.tenant', o.tenant_id::text, true), "
	"set_config('nap.role', o.role, true), set_config('nap.actor', $2, true) FROM nap_push_owner($1) o");

bool push_owner(struct db *db, struct arena *a, int64_t repo, const char *actor,
	struct push_owner *ret, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!db_query(db, &r, e, OWNER, I64(repo), actor))
		return false;
	if (db_rows(r) == 0)
		return err_set(e, ERR_NOT_FOUND, "not_found", "the application does not exist");
	*ret = (struct push_owner){ .tenant = db_i64(r, 0, "tenant_id"),
		.name = arena_strdup(a, db_text(r, 0, "tenant")),
		.role = arena_strdup(a, db_text(r, 0, "role")),
		.app = arena_strdup(a, db_text(r, 0, "app")),
		.made = db_bool(r, 0, "made") };
	return true;
}

SQL(WAS_USED, "SELECT count(*) FROM app_counter WHERE tenant = $1 AND app = $2 AND release_no > 0");

bool push_name_was_used(
	struct db *db, const char *tenant, const char *app, bool *ret, struct err *e)
{
	int64_t n;

	if (!db_one_i64(db, &n, e, WAS_USED, tenant, app))
		return false;
	*ret = n > 0;
	return true;
}

SQL(APP_INSERT,
	"INSERT INTO app (id, tenant_id, name, group_name, memory_bytes, port) OVERRIDING SYSTEM VALUE "
	"VALUES ($1, $2, $3, $3, $4, CASE WHEN $5::integer > 0 THEN nap_app_port($5, $6::integer) END)");

bool push_app_insert(struct db *db, const struct push_app *n, struct err *e)
{
	return db_exec(db, NULL, e, APP_INSERT, I64(n->id), I64(n->tenant), n->name, I64(n->memory),
		I64(n->port_low), I64(n->port_high));
}

SQL(TARGET,
	"SELECT a.deleting, a.deployed, a.stopped, a.profile_text, a.memory_bytes, a.memory_override, "
	"coalesce(a.scale_override, -1) AS scale_override, a.instances, t.quota_disk - t.used_disk AS disk_left "
	"FROM app a JOIN tenant t ON t.id = a.tenant_id WHERE a.id = $1 FOR UPDATE OF a");

bool push_target(
	struct db *db, struct arena *a, int64_t app, struct push_target *ret, struct err *e)
{
	auto_result PGresult *r = NULL;
	const char *text;

	if (!db_query(db, &r, e, TARGET, I64(app)))
		return false;
	if (db_rows(r) == 0)
		return err_set(e, ERR_NOT_FOUND, "not_found", "the application does not exist");
	text = db_text_null(r, 0, "profile_text");
	*ret = (struct push_target){ .deleting = db_bool(r, 0, "deleting"),
		.deployed = db_bool(r, 0, "deployed"),
		.stopped = db_bool(r, 0, "stopped"),
		.profile_text = text ? arena_strdup(a, text) : NULL,
		.memory = db_i64(r, 0, "memory_bytes"),
		.memory_override = db_i64(r, 0, "memory_override"),
		.scale_override = (int)db_i64(r, 0, "scale_override"),
		.instances = (int)db_i64(r, 0, "instances"),
		.disk_left = db_i64(r, 0, "disk_left") };
	return true;
}

SQL(OPERATION,
	"SELECT id, args FROM operation WHERE app_id = $1 AND kind = 'push' AND args->>'push' = $2 "
	"ORDER BY id DESC LIMIT 1");

bool push_operation(struct db *db, struct arena *a, int64_t app, const char *push, int64_t *ret_id,
	const char **ret_args, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!db_query(db, &r, e, OPERATION, I64(app), push))
		return false;
	*ret_id = db_rows(r) ? db_i64(r, 0, "id") : 0;
	*ret_args = db_rows(r) ? arena_strdup(a, db_text(r, 0, "args")) : "{}";
	return true;
}

SQL(QUEUE, "UPDATE operation SET state = 'queued' WHERE id = $1 AND state = 'receiving'");

bool push_operation_queue(struct db *db, int64_t id, struct err *e)
{
	return db_exec(db, NULL, e, QUEUE, I64(id));
}
