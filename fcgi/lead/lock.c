#include "lead/lock.h"

/* one number for the whole database: each copy of nap has a database of its own */
SQL(LOCK_TRY, "SELECT pg_try_advisory_lock(7233904)::integer");
SQL(LOCK_EPOCH, "UPDATE installation SET epoch = epoch + 1 RETURNING epoch, id");
SQL(LOCK_HELD,
	"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() "
	"AND classid = 0 AND objid = 7233904 AND granted");

bool lock_try(struct lock *l, struct db *db, bool *ret_won, struct err *e)
{
	auto_result PGresult *r = NULL;
	int64_t won, connects;

	*ret_won = false;
	if (!db_one_i64(db, &won, e, LOCK_TRY))
		return false;
	connects = db->connects;
	if (!won)
		return true;
	if (!db_query(db, &r, e, LOCK_EPOCH) || db->connects != connects)
		return db->connects == connects ? false : true;
	*l = (struct lock){ .db = db, .connects = connects, .epoch = db_i64(r, 0, "epoch") };
	(void)snprintf(l->installation, sizeof l->installation, "%s", db_text(r, 0, "id"));
	*ret_won = true;
	return true;
}

static bool lost(struct err *e)
{
	return err_set(e, ERR_CONFLICT, "leadership_lost", "another worker leads");
}

bool lock_check(struct lock *l, struct err *e)
{
	int64_t held;

	if (!db_one_i64(l->db, &held, e, LOCK_HELD))
		return false;
	return (held > 0 && l->db->connects == l->connects) || lost(e);
}

bool lock_tx(struct lock *l, struct tx *tx, struct err *e)
{
	if (!tx_begin(l->db, tx, e))
		return false;
	if (l->db->connects == l->connects)
		return true;
	tx_rollback(tx);
	return lost(e);
}
