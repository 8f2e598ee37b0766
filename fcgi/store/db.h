/*
 * PostgreSQL: the only door. No other file calls PQ*.
 *
 *	auto_result PGresult *r = NULL;
 *	if (!db_query(db, &r, e, APP_BY_NAME, I64(tenant), name))
 *		return false;
 *	... db_text(r, 0, "name") ...
 *
 * Parameters are texts, $1 first; NULL is SQL's NULL. I64(n), BOOL(b) and BYTES(p, n) make texts
 * that live as long as the block. Nothing is ever pasted into SQL. Columns are read by name; an
 * unknown name is an assert.
 *
 * The connection speaks UTC, has a statement_timeout, lock_timeout and
 * idle_in_transaction_session_timeout, and comes back by itself: a query outside a transaction that
 * finds it dead is tried once more on a new one. Inside a transaction a dead connection fails the
 * whole (ERR_UPSTREAM "database_unavailable").
 *
 * Errors: a violated constraint is named by its name (one table in db.c: to add a constraint, add a
 * row), 40001 and 40P01 are ERR_BUSY "retry" (repeat the whole transaction), 57014 is ERR_TIMEOUT,
 * no connection is ERR_UPSTREAM "database_unavailable", all else ERR_INTERNAL with the server's text
 * in detail.
 */
#ifndef NAP_STORE_DB_H
#define NAP_STORE_DB_H

#include "base/arena.h"
#include "base/err.h"

#include <libpq-fe.h>

/*
 * A statement: SQL(APP_BY_NAME, "SELECT …"); makes the constant and lists it, so that a test
 * PREPAREs every one on the migrated schema (tests/unit/test_sql.c). It stands right above the
 * function that reads its columns.
 */
struct db_sql {
	const char *name, *text;
};
#define SQL(constant, sql) \
	static const char constant[] = sql; \
	static const struct db_sql constant##_listed \
		__attribute__((used, section("nap_sql"), aligned(16))) = { #constant, constant }

struct db_options {
	const char *host;	  /* folder of the socket: $NAP_STATE/run/db */
	const char *user;	  /* nap_api, nap_worker, nap_owner */
	const char *dbname;	  /* NULL: nap */
	const char *program;	  /* application_name */
	int statement_timeout_ms; /* 0: 15000 */
};

#define DB_MAX_PREPARED 64

struct db {
	PGconn *conn;
	struct db_options options; /* texts are the caller's and live as long as db */
	bool in_tx;
	int64_t connects; /* grows with each new connection: what was LISTENed or locked on an old
			     one is gone */
	const char *prepared[DB_MAX_PREPARED]; /* by address of the SQL constant */
	size_t prepared_n;
	const char *channels[8]; /* listened to, again after a reconnect */
	size_t channels_n;
};

NODISCARD bool db_open(struct db *db, const struct db_options *options, struct err *e);
void db_close(struct db *db);

static inline void cleanup_result(PGresult **r)
{
	PQclear(*r);
}
#define auto_result __attribute__((cleanup(cleanup_result)))

/* ret is written on success only; free it with auto_result or give it to an arena by db_keep */
#define db_query(db, ret, e, ...) \
	db_query_params(db, ret, e, (const char *const[]){ __VA_ARGS__ }, \
		sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))
/* sql_and_params[0] is the SQL */
NODISCARD bool db_query_params(
	struct db *db, PGresult **ret, struct err *e, const char *const *sql_and_params, size_t n);

/* for a statement whose rows do not matter; ret_count (may be NULL) is what its tag says: rows
 * changed */
#define db_exec(db, ret_count, e, ...) \
	db_exec_params(db, ret_count, e, (const char *const[]){ __VA_ARGS__ }, \
		sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))
NODISCARD bool db_exec_params(struct db *db, int64_t *ret_count, struct err *e,
	const char *const *sql_and_params, size_t n);

/* a one-value question; no row, or NULL, is ERR_NOT_FOUND "not_found" */
#define db_one_i64(db, ret, e, ...) \
	db_one_i64_params(db, ret, e, (const char *const[]){ __VA_ARGS__ }, \
		sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))
NODISCARD bool db_one_i64_params(
	struct db *db, int64_t *ret, struct err *e, const char *const *sql_and_params, size_t n);

/* several statements at once, separated by ';', without parameters: migrations, settings */
NODISCARD bool db_script(struct db *db, const char *sql, struct err *e);

const char *db_param_i64(char *buf, int64_t n);
const char *db_param_bytes(char *buf, const void *p, size_t n);
#define I64(n)	    db_param_i64((char[24]){ 0 }, (n))
#define BOOL(b)	    ((b) ? "t" : "f")
#define BYTES(p, n) db_param_bytes((char[2 *(n) + 3]){ 0 }, (p), (n)) /* bytea; n a constant */

/* Results. A text of a NULL is "" (db_text) or NULL (db_text_null). Times are microseconds since
 * 1970: ask for DB_US(column) AS name in the SQL, which is cheaper than PostgreSQL's text. */
#define DB_US(column) "(extract(epoch from " column ") * 1000000)::bigint"
int db_rows(const PGresult *r);
int db_column(const PGresult *r, const char *name);
bool db_is_null(const PGresult *r, int row, const char *column);
const char *db_text(const PGresult *r, int row, const char *column);
const char *db_text_null(const PGresult *r, int row, const char *column);
int64_t db_i64(const PGresult *r, int row, const char *column); /* 0 for NULL */
bool db_bool(const PGresult *r, int row, const char *column);
/* for long lists, where looking a column up by name in each row is dear; column of db_column. NULL for a NULL. */
const char *db_cell(const PGresult *r, int row, int column, size_t *ret_len);
/* r now belongs to a: its texts live as long */
PGresult *db_keep(struct arena *a, PGresult **r);

/*
 * A transaction: rolled back when its block ends unless tx_commit said true.
 *
 *	auto_tx struct tx tx = { 0 };
 *	if (!tx_begin(db, &tx, e) || !…(db, …, e))
 *		return false;
 *	return tx_commit(&tx, e);
 *
 * tx_commit fails also where the server turned COMMIT into ROLLBACK. No network and no child
 * process inside one.
 */
struct tx {
	struct db *db;
};
NODISCARD bool tx_begin(struct db *db, struct tx *tx, struct err *e);
/* the same as a tenant: row-level security shows that tenant's rows; role "admin" or "tenant";
 * actor is kept with events */
NODISCARD bool tx_begin_as(struct db *db, struct tx *tx, int64_t tenant, const char *role,
	const char *actor, struct err *e);
NODISCARD bool tx_commit(struct tx *tx, struct err *e);
void tx_rollback(struct tx *tx);
#define auto_tx __attribute__((cleanup(tx_rollback)))

/*
 * Prepared statements in one round trip, all in one implicit transaction (or in the open one). sql
 * must be a constant: its address is the statement's name. ret[i] are all set on success, none on
 * failure; statements after a failed one did not run. n at most 8. Outside a transaction a dead
 * connection is tried once more.
 */
struct db_ask {
	const char *sql;
	const char *params[12];
	int n;
};
NODISCARD bool db_pipeline(
	struct db *db, const struct db_ask *ask, size_t n, PGresult **ret, struct err *e);

/*
 * BEGIN and the statements of ask in one round trip; n at most 7. On success tx is open, whatever they answered.
 */
NODISCARD bool tx_begin_ask(struct db *db, struct tx *tx, const struct db_ask *ask, size_t n,
	PGresult **ret, struct err *e);

/*
 * Notifications: a hint, not a queue; look at the tables every 30 s anyway.
 * db_listen   now and after each reconnect; channel is a constant
 * db_fd       to poll for POLLIN
 * db_notice   takes one that has arrived, without waiting: false if there is none (or the
 * connection is gone). channel and payload are copied, and cut.
 */
NODISCARD bool db_listen(struct db *db, const char *channel, struct err *e);
int db_fd(const struct db *db);
bool db_notice(struct db *db, char ret_channel[64], char ret_payload[256]);
/* waits until one has arrived, at most timeout_ms; all that have arrived are taken and dropped.
 * True: one came. */
bool db_wait(struct db *db, int timeout_ms);

#endif
