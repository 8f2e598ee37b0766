#include "store/first_login.h"

#include "base/file.h"

#include <sys/sysinfo.h>

SQL(ADMIN_FIND,
	"SELECT id FROM tenant WHERE role = 'admin' AND disabled_at IS NULL ORDER BY id LIMIT 1");
SQL(ADMIN_INSERT,
	"INSERT INTO tenant (name, role, password_hash, quota_memory, quota_instances, quota_apps, quota_disk) "
	"VALUES ('admin', 'admin', $1, $2, $3, $4, $5) RETURNING id");
SQL(ADMIN_TOKEN, "INSERT INTO token (tenant_id, name, hash, scopes) "
		 "VALUES ($1, 'operator', $2, '{read,deploy,manage}') RETURNING id");

/* half of this machine's, which at a first start is the only one */
static int64_t default_memory(void)
{
	struct sysinfo info;

	if (sysinfo(&info) < 0)
		return 1LL << 30;
	return (int64_t)(info.totalram / 2) * info.mem_unit;
}

static bool make_admin(struct db *db, const struct config *cfg, int64_t *ret_id,
	char ret_password[CREDENTIAL_SIZE], struct err *e)
{
	char hash[PASSWORD_HASH_SIZE];

	credential_secret(ret_password);
	return password_hash(ret_password, hash, e) &&
	       db_one_i64(db, ret_id, e, ADMIN_INSERT, hash,
		       I64(cfg->quota_memory ? cfg->quota_memory : default_memory()),
		       I64(cfg->quota_instances), I64(cfg->quota_apps), I64(cfg->quota_disk));
}

bool first_login(struct db *db, const struct config *cfg, const char *file,
	char ret_password[CREDENTIAL_SIZE], struct err *e)
{
	auto_tx struct tx tx = { 0 };
	unsigned char hash[CREDENTIAL_HASH];
	char token[CREDENTIAL_SIZE], password[CREDENTIAL_SIZE] = "";
	int64_t admin, id;

	if (!tx_begin(db, &tx, e))
		return false;
	if (!db_one_i64(db, &admin, e, ADMIN_FIND) &&
		(e->kind != ERR_NOT_FOUND || !make_admin(db, cfg, &admin, password, e)))
		return false;
	credential_token(token);
	credential_hash(token, hash);
	if (!db_one_i64(db, &id, e, ADMIN_TOKEN, I64(admin), BYTES(hash, sizeof hash)) ||
		!file_replace(file, token, strlen(token), 0600, e))
		return false;
	if (!tx_commit(&tx, e)) {
		(void)unlink(file);
		return false;
	}
	(void)snprintf(ret_password, CREDENTIAL_SIZE, "%s", password);
	return true;
}
