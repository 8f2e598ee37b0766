#include "store/db.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <poll.h>

/* constraint → what a person is told; the last validator of every rule (STYLE 9) */
static const struct {
	const char *constraint;
	enum err_kind kind;
	const char *code, *msg;
} constraints[] = {
	{ "app_name_key", ERR_CONFLICT, "name_taken", "an app of this name exists already" },
	{ "app_label_key", ERR_CONFLICT, "name_taken",
		"an app with this host label exists already" },
	{ "app_name_grammar", ERR_INVALID, "name_invalid", "the app's name breaks the grammar" },
	{ "app_similar_name_length", ERR_INVALID, "name_too_long",
		"a name of the sequence and the tenant's together would have more than 62 characters" },
	{ "family_parallel_range", ERR_INVALID, "out_of_range", "parallel is from 1 to 1000" },
	{ "app_instances_range", ERR_INVALID, "instances_out_of_range",
		"an app has 0 to 500 instances" },
	{ "app_memory_range", ERR_INVALID, "memory_out_of_range",
		"memory must be from 6m to 1024g" },
	{ "app_port_key", ERR_BUSY, "retry", "the app's port was taken meanwhile" },
	{ "app_tenant_fkey", ERR_CONFLICT, "tenant_not_empty", "the tenant still has apps" },
	{ "instance_tenant_fkey", ERR_CONFLICT, "tenant_not_empty",
		"the tenant still has instances" },
	{ "operation_tenant_fkey", ERR_CONFLICT, "tenant_not_empty",
		"the tenant still has operations" },
	{ "tenant_name_key", ERR_CONFLICT, "name_taken", "a tenant of this name exists already" },
	{ "tenant_name_grammar", ERR_INVALID, "name_invalid",
		"a tenant's name is a lower-case letter and up to 23 letters and digits" },
	{ "tenant_quota_memory_sign", ERR_INVALID, "out_of_range", "a quota cannot be negative" },
	{ "tenant_quota_instances_sign", ERR_INVALID, "out_of_range",
		"a quota cannot be negative" },
	{ "tenant_quota_apps_sign", ERR_INVALID, "out_of_range", "a quota cannot be negative" },
	{ "tenant_quota_disk_sign", ERR_INVALID, "out_of_range", "a quota cannot be negative" },
	{ "ssh_key_name_length", ERR_INVALID, "out_of_range",
		"a key's name has 1 to 100 characters" },
	{ "ssh_key_fingerprint_key", ERR_CONFLICT, "key_taken",
		"the key is registered already; each person has a key of their own" },
	{ "ssh_key_count", ERR_INVALID, "too_many_keys", "a tenant has at most 100 keys" },
	{ "token_name_length", ERR_INVALID, "out_of_range",
		"a token's name has 1 to 100 characters" },
	{ "token_scopes", ERR_INVALID, "invalid_value",
		"scopes are one to three of read, deploy and manage" },
	{ "release_number_key", ERR_BUSY, "retry", "the release number was taken meanwhile" },
	{ "operation_one_running", ERR_BUSY, "retry",
		"another operation of this app runs already" },
	{ "instance_unit_key", ERR_BUSY, "retry", "the unit exists already" },
	{ "instance_release_number_key", ERR_BUSY, "retry", "the instance exists already" },
};

/* "1.2" for a number of bytes in GiB, without a needless ".0" */
static void gib(char ret[32], int64_t bytes)
{
	int64_t tenths = (MAX(bytes, 0) * 10 + (1 << 29)) >> 30;

	if (bytes > 0 && tenths == 0)
		(void)snprintf(ret, 32, "%.2f", (double)bytes / (1 << 30));
	else if (tenths % 10)
		(void)snprintf(
			ret, 32, "%jd.%jd", (intmax_t)(tenths / 10), (intmax_t)(tenths % 10));
	else
		(void)snprintf(ret, 32, "%jd", (intmax_t)(tenths / 10));
}

/* the trigger app_quota tells "used-after quota growth" */
static bool quota_error(struct err *e, const char *constraint, const char *detail)
{
	intmax_t used = 0, quota = 0, growth = 0;
	char left[32], all[32], need[32];

	if (!detail || sscanf(detail, "%jd %jd %jd", &used, &quota, &growth) < 2)
		used = quota = 0;
	used = MAX(quota - (used - growth), 0); /* left before */
	if (streq(constraint, "tenant_quota_memory")) {
		gib(left, used);
		gib(all, quota);
		gib(need, growth);
		return err_set(e, ERR_INVALID, "quota_memory",
			"this needs %s GiB more memory: %s of %s GiB left", need, left, all);
	}
	if (streq(constraint, "tenant_quota_instances"))
		return err_set(e, ERR_INVALID, "quota_instances",
			"this needs %jd more instances: %jd of %jd left", growth, used, quota);
	if (streq(constraint, "tenant_quota_disk")) {
		gib(all, quota);
		return err_set(e, ERR_INVALID, "quota_disk",
			"the disk quota of %s GiB is used up; destroyed apps and old data make room",
			all);
	}
	return err_set(e, ERR_INVALID, "quota_apps", "this needs %jd more apps: %jd of %jd left",
		growth, used, quota);
}

static bool connection_lost(struct db *db)
{
	return !db->conn || PQstatus(db->conn) == CONNECTION_BAD;
}

/* fills e from a failed result, or from the connection where r is NULL; returns false */
static bool db_failed(struct db *db, const PGresult *r, struct err *e)
{
	const char *state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
	const char *constraint = r ? PQresultErrorField(r, PG_DIAG_CONSTRAINT_NAME) : NULL;
	const char *detail = r ? PQresultErrorField(r, PG_DIAG_MESSAGE_DETAIL) : NULL;
	const char *text = r	      ? PQresultErrorMessage(r)
			   : db->conn ? PQerrorMessage(db->conn)
				      : "not connected";

	if (!state || connection_lost(db) || starts_with(state, "08") || starts_with(state, "57P"))
		(void)err_set(
			e, ERR_UPSTREAM, "database_unavailable", "the database cannot be reached");
	else if (streq(state, "40001") || streq(state, "40P01"))
		(void)err_set(e, ERR_BUSY, "retry", "another request changed the same rows");
	else if (streq(state, "57014"))
		(void)err_set(e, ERR_TIMEOUT, "database_timeout", "the database took too long");
	else if (streq(state, "55P03"))
		(void)err_set(e, ERR_BUSY, "locked", "another request holds the same rows");
	else if (starts_with(state, "53"))
		(void)err_set(e, ERR_BUSY, "database_busy", "%s",
			streq(state, "53400") ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY)
					      : "the database has no room left");
	else if (constraint && starts_with(constraint, "tenant_quota_") &&
		 !ends_with(constraint, "_sign"))
		(void)quota_error(e, constraint, detail);
	else if (constraint && constraint[0]) {
		(void)err_set(e, ERR_INTERNAL, "internal", "the database refused this");
		for (size_t i = 0; i < ARRAY_SIZE(constraints); i++)
			if (streq(constraints[i].constraint, constraint))
				(void)err_set(e, constraints[i].kind, constraints[i].code, "%s",
					constraints[i].msg);
	} else
		(void)err_set(e, ERR_INTERNAL, "internal", "the database refused this");
	return err_add(e, "%s %s", state ? state : "-", text);
}

static void quiet(void *arg, const PGresult *r)
{
	(void)arg;
	(void)r;
}

static bool db_connect(struct db *db, struct err *e)
{
	char timeout[128];
	const char *const keys[] = { "host", "user", "dbname", "application_name",
		"connect_timeout", "options", "client_encoding", NULL };
	const char *const values[] = { db->options.host, db->options.user,
		db->options.dbname ? db->options.dbname : "nap", db->options.program, "5", timeout,
		"UTF8", NULL };
	int ms = db->options.statement_timeout_ms ? db->options.statement_timeout_ms : 15000;

	(void)snprintf(timeout, sizeof timeout,
		"-c statement_timeout=%d -c lock_timeout=10000 -c "
		"idle_in_transaction_session_timeout=60000 -c TimeZone=UTC",
		ms);
	PQfinish(db->conn);
	db->prepared_n = 0;
	db->in_tx = false;
	db->conn = PQconnectdbParams(keys, values, 0);
	if (PQstatus(db->conn) != CONNECTION_OK)
		return db_failed(db, NULL, e);
	PQsetNoticeReceiver(db->conn, quiet, NULL);
	db->connects++;
	for (size_t i = 0; i < db->channels_n; i++) {
		char sql[80];
		auto_result PGresult *r = NULL;

		(void)snprintf(sql, sizeof sql, "LISTEN %s", db->channels[i]);
		r = PQexec(db->conn, sql);
		if (PQresultStatus(r) != PGRES_COMMAND_OK)
			return db_failed(db, r, e);
	}
	return true;
}

bool db_open(struct db *db, const struct db_options *options, struct err *e)
{
	*db = (struct db){ .options = *options };
	return db_connect(db, e);
}

void db_close(struct db *db)
{
	PQfinish(db->conn);
	db->conn = NULL;
	db->in_tx = false;
}

static bool succeeded(const PGresult *r)
{
	ExecStatusType s = PQresultStatus(r);

	return s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK;
}

bool db_query_params(
	struct db *db, PGresult **ret, struct err *e, const char *const *sql_and_params, size_t n)
{
	for (int attempt = 0;; attempt++) {
		auto_result PGresult *r = NULL;

		if (connection_lost(db) && !db->in_tx && !db_connect(db, e))
			return false;
		r = PQexecParams(db->conn, sql_and_params[0], (int)n - 1, NULL, sql_and_params + 1,
			NULL, NULL, 0);
		if (succeeded(r)) {
			*ret = steal(&r);
			return true;
		}
		if (attempt == 0 && !db->in_tx && connection_lost(db))
			continue;
		return db_failed(db, r, e);
	}
}

bool db_exec_params(struct db *db, int64_t *ret_count, struct err *e,
	const char *const *sql_and_params, size_t n)
{
	auto_result PGresult *r = NULL;

	if (!db_query_params(db, &r, e, sql_and_params, n))
		return false;
	if (ret_count && !parse_i64(PQcmdTuples(r), 0, INT64_MAX, ret_count))
		*ret_count = 0;
	return true;
}

bool db_one_i64_params(
	struct db *db, int64_t *ret, struct err *e, const char *const *sql_and_params, size_t n)
{
	auto_result PGresult *r = NULL;

	if (!db_query_params(db, &r, e, sql_and_params, n))
		return false;
	if (PQntuples(r) == 0 || PQgetisnull(r, 0, 0))
		return err_set(e, ERR_NOT_FOUND, "not_found", "there is no such thing");
	if (!parse_i64(PQgetvalue(r, 0, 0), INT64_MIN, INT64_MAX, ret))
		return err_set(e, ERR_INTERNAL, "internal", "the database answered no number");
	return true;
}

bool db_script(struct db *db, const char *sql, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (connection_lost(db) && !db->in_tx && !db_connect(db, e))
		return false;
	r = PQexec(db->conn, sql);
	return succeeded(r) || db_failed(db, r, e);
}

const char *db_param_i64(char *buf, int64_t n)
{
	(void)snprintf(buf, 24, "%jd", (intmax_t)n);
	return buf;
}

const char *db_param_bytes(char *buf, const void *p, size_t n)
{
	buf[0] = '\\';
	buf[1] = 'x';
	hex_encode(buf + 2, p, n);
	return buf;
}

int db_rows(const PGresult *r)
{
	return PQntuples(r);
}

int db_column(const PGresult *r, const char *name)
{
	int column = PQfnumber(r, name);

	assert(column >= 0);
	return column;
}

bool db_is_null(const PGresult *r, int row, const char *column)
{
	return PQgetisnull(r, row, db_column(r, column));
}

const char *db_text(const PGresult *r, int row, const char *column)
{
	return PQgetvalue(r, row, db_column(r, column));
}

const char *db_text_null(const PGresult *r, int row, const char *column)
{
	return db_is_null(r, row, column) ? NULL : db_text(r, row, column);
}

int64_t db_i64(const PGresult *r, int row, const char *column)
{
	int64_t n = 0;
	const char *text = db_text(r, row, column);

	if (text[0] && !parse_i64(text, INT64_MIN, INT64_MAX, &n))
		assert(!"a column that is no whole number was asked for as one");
	return n;
}

bool db_bool(const PGresult *r, int row, const char *column)
{
	return db_text(r, row, column)[0] == 't';
}

const char *db_cell(const PGresult *r, int row, int column, size_t *ret_len)
{
	if (PQgetisnull(r, row, column))
		return NULL;
	*ret_len = (size_t)PQgetlength(r, row, column);
	return PQgetvalue(r, row, column);
}

static void clear_result(void *r)
{
	PQclear(r);
}

PGresult *db_keep(struct arena *a, PGresult **r)
{
	PGresult *kept = steal(r);

	arena_defer(a, clear_result, kept);
	return kept;
}

bool tx_begin(struct db *db, struct tx *tx, struct err *e)
{
	assert(!db->in_tx);
	if (!db_exec(db, NULL, e, "BEGIN"))
		return false;
	db->in_tx = true;
	tx->db = db;
	return true;
}

bool tx_begin_as(struct db *db, struct tx *tx, int64_t tenant, const char *role, const char *actor,
	struct err *e)
{
	static const char AS[] =
		"SELECT set_config('nap.tenant', $1, true), set_config('nap.role', $2, true), "
		"set_config('nap.actor', $3, true)";

	return tx_begin(db, tx, e) && db_exec(db, NULL, e, AS, I64(tenant), role, actor);
}

bool tx_commit(struct tx *tx, struct err *e)
{
	struct db *db = tx->db;
	auto_result PGresult *r = PQexec(db->conn, "COMMIT");

	db->in_tx = false;
	tx->db = NULL;
	if (PQresultStatus(r) != PGRES_COMMAND_OK)
		return db_failed(db, r, e);
	/* COMMIT of a failed transaction succeeds, with this tag */
	if (!streq(PQcmdStatus(r), "COMMIT"))
		return err_set(e, ERR_INTERNAL, "internal",
			"the transaction had failed before its commit");
	return true;
}

void tx_rollback(struct tx *tx)
{
	struct db *db = tx->db;
	auto_result PGresult *r = NULL;

	if (!db)
		return;
	r = PQexec(db->conn, "ROLLBACK");
	db->in_tx = false;
	tx->db = NULL;
}

/* the statement's name, and whether it has to be prepared first */
static bool prepared_name(struct db *db, const char *sql, char ret[16])
{
	size_t i = 0;

	while (i < db->prepared_n && db->prepared[i] != sql)
		i++;
	(void)snprintf(ret, 16, "s%zu", i);
	return i < db->prepared_n;
}

static bool pipeline_send(struct db *db, const struct db_ask *ask, size_t n, bool fresh[8])
{
	size_t known = db->prepared_n;
	bool ok = true;

	for (size_t i = 0; i < n && ok; i++) {
		char name[16];

		fresh[i] = !prepared_name(db, ask[i].sql, name);
		if (fresh[i]) {
			assert(db->prepared_n < DB_MAX_PREPARED);
			db->prepared[db->prepared_n++] = ask[i].sql;
			ok = PQsendPrepare(db->conn, name, ask[i].sql, ask[i].n, NULL) == 1;
		}
		ok = ok && PQsendQueryPrepared(
				   db->conn, name, ask[i].n, ask[i].params, NULL, NULL, 0) == 1;
	}
	ok = ok && PQpipelineSync(db->conn) == 1;
	if (!ok)
		db->prepared_n = known;
	return ok;
}

/* one statement's result up to the NULL that ends it */
static PGresult *pipeline_next(struct db *db)
{
	PGresult *r = PQgetResult(db->conn);
	PGresult *more;

	while (r && (more = PQgetResult(db->conn)))
		PQclear(more);
	return r;
}

static bool pipeline_once(
	struct db *db, const struct db_ask *ask, size_t n, PGresult **ret, struct err *e)
{
	bool fresh[8] = { false }, failed = false, synced = false;
	size_t known = db->prepared_n; /* those of them that the server really prepared */

	assert(n <= ARRAY_SIZE(fresh));
	if (PQenterPipelineMode(db->conn) != 1 || !pipeline_send(db, ask, n, fresh)) {
		(void)db_failed(db, NULL, e);
		PQfinish(steal(&db->conn)); /* half a pipeline cannot be taken back */
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		for (int part = fresh[i] ? 0 : 1; part < 2; part++) {
			PGresult *r = pipeline_next(db);

			if (!failed && !succeeded(r)) {
				failed = true;
				(void)db_failed(db, r, e);
			}
			if (part == 0 && !failed)
				known++;
			if (part == 1 && !failed)
				ret[i] = r;
			else
				PQclear(r);
		}
	}
	for (PGresult *r; !synced && (r = PQgetResult(db->conn)); PQclear(r))
		synced = PQresultStatus(r) == PGRES_PIPELINE_SYNC;
	if (failed) {
		for (size_t i = 0; i < n; i++) {
			PQclear(ret[i]);
			ret[i] = NULL;
		}
	}
	db->prepared_n = known;
	if (PQexitPipelineMode(db->conn) != 1 && !failed)
		return db_failed(db, NULL, e);
	return !failed;
}

bool db_pipeline(struct db *db, const struct db_ask *ask, size_t n, PGresult **ret, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		ret[i] = NULL;
	for (int attempt = 0;; attempt++) {
		if (connection_lost(db) && !db->in_tx && !db_connect(db, e))
			return false;
		if (pipeline_once(db, ask, n, ret, e))
			return true;
		if (attempt > 0 || db->in_tx || !connection_lost(db) ||
			!streq(e->code, "database_unavailable"))
			return false;
	}
}

bool tx_begin_ask(struct db *db, struct tx *tx, const struct db_ask *ask, size_t n, PGresult **ret,
	struct err *e)
{
	static const char BEGIN[] = "BEGIN";
	struct db_ask all[8] = { { BEGIN, { NULL }, 0 } };
	PGresult *got[8];

	assert(!db->in_tx && n < ARRAY_SIZE(all));
	for (size_t i = 0; i < n; i++)
		all[i + 1] = ask[i];
	if (!db_pipeline(db, all, n + 1, got, e)) {
		if (!connection_lost(db) && PQtransactionStatus(db->conn) != PQTRANS_IDLE)
			PQclear(PQexec(db->conn, "ROLLBACK"));
		return false;
	}
	PQclear(got[0]);
	for (size_t i = 0; i < n; i++)
		ret[i] = got[i + 1];
	db->in_tx = true;
	tx->db = db;
	return true;
}

bool db_listen(struct db *db, const char *channel, struct err *e)
{
	char sql[80];

	assert(db->channels_n < ARRAY_SIZE(db->channels));
	db->channels[db->channels_n++] = channel;
	(void)snprintf(sql, sizeof sql, "LISTEN %s", channel);
	return db_exec(db, NULL, e, sql);
}

int db_fd(const struct db *db)
{
	return db->conn ? PQsocket(db->conn) : -1;
}

bool db_notice(struct db *db, char ret_channel[64], char ret_payload[256])
{
	PGnotify *n;

	if (connection_lost(db) || PQconsumeInput(db->conn) != 1)
		return false;
	n = PQnotifies(db->conn);
	if (!n)
		return false;
	(void)snprintf(ret_channel, 64, "%s", n->relname);
	(void)snprintf(ret_payload, 256, "%s", n->extra);
	PQfreemem(n);
	return true;
}

bool db_wait(struct db *db, int timeout_ms)
{
	int64_t end = clock_mono_ms() + timeout_ms;
	char channel[64], payload[256];
	bool came = false;

	for (;;) {
		struct pollfd p = { .fd = db_fd(db), .events = POLLIN };
		int64_t left = end - clock_mono_ms();

		while (db_notice(db, channel, payload))
			came = true;
		if (came || left <= 0 || connection_lost(db))
			return came;
		if (poll(&p, 1, (int)left) < 0)
			return false; /* a signal: the caller looks why */
	}
}
