#include "store/session.h"

#include "base/clock.h"

SQL(LOOK, "SELECT tenant_id, role, password_hash, failures, " DB_US(
		  "last_at") " AS last_us FROM nap_login_look($1, $2)");

static int pause_of(int64_t failures, int64_t last_us)
{
	int64_t pause, over = failures - SESSION_FREE_FAILURES;

	if (over < 0)
		return 0;
	pause = over > 8 ? SESSION_MAX_PAUSE_S : MIN(INT64_C(1) << over, SESSION_MAX_PAUSE_S);
	pause -= (clock_now_us() - last_us) / 1000000;
	return pause > 0 ? (int)pause : 0;
}

static bool look(struct db *db, struct arena *a, const char *name, const char *address,
	struct session_look *ret, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!db_query(db, &r, e, LOOK, name, address))
		return false;
	*ret = (struct session_look){ .tenant = db_i64(r, 0, "tenant_id") };
	if (ret->tenant) {
		ret->role = arena_strdup(a, db_text(r, 0, "role"));
		ret->password_hash = arena_strdup(a, db_text(r, 0, "password_hash"));
	}
	ret->pause_s = pause_of(db_i64(r, 0, "failures"), db_i64(r, 0, "last_us"));
	return true;
}

SQL(FAILED, "SELECT nap_login_failed($1, $2)");

bool session_password(struct db *db, struct arena *a, const char *name, const char *address,
	const char *password, struct session_look *ret, struct err *e)
{
	if (!look(db, a, name, address, ret, e))
		return false;
	if (ret->pause_s)
		return err_set(e, ERR_BUSY, "rate_limited",
			"too many failed sign-ins from this address: try again in %d s",
			ret->pause_s);
	if (password_is(ret->password_hash, password))
		return true;
	return db_exec(db, NULL, e, FAILED, name, address) &&
	       err_set(e, ERR_AUTH, "sign_in_failed", "tenant or password is wrong");
}

SQL(DONE, "SELECT nap_login_done($1, $2, $3, $4::bytea, $5::bytea, $6, $7)");

bool session_make(struct db *db, const char *name, const char *address, int64_t tenant,
	const char *cookie, const char *csrf, const char *agent, int64_t hours, int64_t *ret_id,
	struct err *e)
{
	unsigned char cookie_hash[CREDENTIAL_HASH], csrf_hash[CREDENTIAL_HASH];

	credential_hash(cookie, cookie_hash);
	credential_hash(csrf, csrf_hash);
	return db_one_i64(db, ret_id, e, DONE, name, address, I64(tenant),
		BYTES(cookie_hash, CREDENTIAL_HASH), BYTES(csrf_hash, CREDENTIAL_HASH), agent,
		I64(hours));
}

const struct row_field SESSION_FIELDS[] = {
	{ "id", ROW_ID },
	{ "address", ROW_TEXT },
	{ "user_agent", ROW_TEXT },
	{ "current", ROW_BOOL },
	{ "created_at", ROW_TIME },
	{ "last_seen_at", ROW_TIME },
	{ "expires_at", ROW_TIME },
};
const size_t SESSION_FIELDS_N = ARRAY_SIZE(SESSION_FIELDS);

/* clang-format off */
SQL(LIST,
	"SELECT id, address, user_agent, id = $2 AS current, " DB_US("created_at") " AS created_at, "
	DB_US("last_seen_at") " AS last_seen_at, " DB_US("expires_at") " AS expires_at FROM session "
	"WHERE tenant_id = $1 AND expires_at > now() AND ($3::bigint = 0 OR id < $3) ORDER BY id DESC LIMIT $4");
/* clang-format on */

bool session_list(struct db *db, int64_t tenant, int64_t own, int64_t below, int64_t limit,
	PGresult **ret, struct err *e)
{
	return db_query(db, ret, e, LIST, I64(tenant), I64(own), I64(below), I64(limit));
}

SQL(DELETE, "DELETE FROM session WHERE tenant_id = $1 AND id = $2");

bool session_delete(struct db *db, int64_t tenant, int64_t id, struct err *e)
{
	int64_t n;

	if (!db_exec(db, &n, e, DELETE, I64(tenant), I64(id)))
		return false;
	return n == 1 || err_set(e, ERR_NOT_FOUND, "not_found", "the session does not exist");
}
