#include "store/webhook.h"

static bool no_webhook(struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "not_found", "the app has no webhook");
}

SQL(WEBHOOK_GET, "SELECT id, " DB_US("last_used_at") " AS last_used_at, " DB_US(
			 "created_at") " AS created_at FROM webhook WHERE app_id = $1");

bool webhook_get(struct db *db, int64_t app, PGresult **ret, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!db_query(db, &r, e, WEBHOOK_GET, I64(app)))
		return false;
	if (db_rows(r) == 0)
		return no_webhook(e);
	*ret = steal(&r);
	return true;
}

SQL(WEBHOOK_MAKE, "SELECT nap_webhook_make($1, $2, $3)");

bool webhook_make(struct db *db, int64_t app, const char *id, const char *secret, struct err *e)
{
	return db_exec(db, NULL, e, WEBHOOK_MAKE, I64(app), id, secret);
}

SQL(WEBHOOK_DELETE, "DELETE FROM webhook WHERE app_id = $1");

bool webhook_delete(struct db *db, int64_t app, struct err *e)
{
	int64_t n;

	if (!db_exec(db, &n, e, WEBHOOK_DELETE, I64(app)))
		return false;
	return n == 1 || no_webhook(e);
}

SQL(WEBHOOK_AUTH,
	"SELECT tenant_id, tenant, app_id, app, ref, delivery FROM nap_auth_webhook($1, $2, $3, $4, $5)");

bool webhook_auth(struct db *db, struct arena *a, const struct webhook_visit *visit,
	struct webhook_visitor *ret, struct err *e)
{
	PGresult *r = NULL;

	if (!db_query(db, &r, e, WEBHOOK_AUTH, visit->id, visit->body, visit->signature,
		    visit->token, visit->name))
		return false;
	r = db_keep(a, &r);
	if (db_rows(r) == 0)
		return no_webhook(e);
	*ret = (struct webhook_visitor){ .tenant = db_i64(r, 0, "tenant_id"),
		.tenant_name = db_text(r, 0, "tenant"),
		.actor = arena_printf(a, "hook:%s", db_text(r, 0, "app_id")),
		.app = db_text(r, 0, "app"),
		.ref = db_text_null(r, 0, "ref"),
		.app_id = db_i64(r, 0, "app_id"),
		.delivery = db_text(r, 0, "delivery") };
	return true;
}

SQL(WEBHOOK_TAKE, "SELECT nap_webhook_take($1, $2)::integer");

bool webhook_take(struct db *db, const struct webhook_visitor *v, bool *ret_new, struct err *e)
{
	int64_t taken;

	if (!db_one_i64(db, &taken, e, WEBHOOK_TAKE, I64(v->app_id), v->delivery))
		return false;
	*ret_new = taken == 1;
	return true;
}
