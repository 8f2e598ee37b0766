/*
 * Every SQL constant can be PREPAREd on the migrated schema: a typo fails in a second. Wants
 * NAP_TEST_DB, the folder of the socket of a PostgreSQL with the schema loaded and trust for
 * nap_worker; is skipped without it. tests/api/test_sql.py gives it one.
 */
#include "store/db.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

extern const struct db_sql __start_nap_sql[], __stop_nap_sql[];

static bool test_db(struct db *db, struct err *e)
{
	return db_open(db,
		&(struct db_options){
			.host = getenv("NAP_TEST_DB"), .user = "nap_worker", .program = "test" },
		e);
}

static void each_constant_is_understood_by_the_database(void **state)
{
	struct db db;
	struct err e = { 0 };
	int bad = 0;

	(void)state;
	assert_true(test_db(&db, &e));
	assert_true(&__stop_nap_sql[0] > &__start_nap_sql[0]);
	for (const struct db_sql *s = &__start_nap_sql[0]; s < &__stop_nap_sql[0]; s++) {
		auto_free char *sql = xasprintf("DEALLOCATE ALL; PREPARE p AS %s", s->text);

		if (db_script(&db, sql, &e))
			continue;
		print_error("%s: %s\n", s->name, e.detail);
		bad++;
	}
	db_close(&db);
	assert_int_equal(bad, 0);
}

static void a_query_comes_back_after_its_backend_was_killed(void **state)
{
	struct db db;
	struct err e = { 0 };
	int64_t pid, now = 0;

	(void)state;
	assert_true(test_db(&db, &e));
	assert_true(db_one_i64(&db, &pid, &e, "SELECT pg_backend_pid()"));
	assert_false(db_exec(&db, NULL, &e, "SELECT pg_terminate_backend(pg_backend_pid())") &&
		     db.connects == 1);
	assert_true(db_one_i64(&db, &now, &e, "SELECT pg_backend_pid()"));
	assert_true(now > 0 && now != pid);
	db_close(&db);
}

static void a_pipeline_goes_on_after_a_failed_one(void **state)
{
	static const char ONE[] = "SELECT $1::bigint AS n", BAD[] = "SELECT 1 / $1::bigint AS n";
	const struct db_ask good[] = { { ONE, { "7" }, 1 }, { ONE, { "8" }, 1 } };
	const struct db_ask bad[] = { { ONE, { "7" }, 1 }, { BAD, { "0" }, 1 },
		{ ONE, { "8" }, 1 } };
	struct db db;
	struct err e = { 0 };
	PGresult *r[3];

	(void)state;
	assert_true(test_db(&db, &e));
	for (int i = 0; i < 3; i++) {
		assert_false(db_pipeline(&db, bad, 3, r, &e));
		assert_true(db_pipeline(&db, good, 2, r, &e));
		assert_int_equal(db_i64(r[0], 0, "n"), 7);
		assert_int_equal(db_i64(r[1], 0, "n"), 8);
		PQclear(r[0]);
		PQclear(r[1]);
	}
	assert_int_equal(db.connects, 1);
	db_close(&db);
}

static void a_commit_of_a_failed_transaction_is_an_error(void **state)
{
	struct db db;
	struct err e = { 0 };
	auto_tx struct tx tx = { 0 };

	(void)state;
	assert_true(test_db(&db, &e));
	assert_true(tx_begin(&db, &tx, &e));
	assert_false(db_exec(&db, NULL, &e, "SELECT 1 / 0"));
	assert_false(tx_commit(&tx, &e));
	assert_false(db.in_tx);
	db_close(&db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_constant_is_understood_by_the_database),
		cmocka_unit_test(a_query_comes_back_after_its_backend_was_killed),
		cmocka_unit_test(a_pipeline_goes_on_after_a_failed_one),
		cmocka_unit_test(a_commit_of_a_failed_transaction_is_an_error),
	};

	if (!getenv("NAP_TEST_DB")) {
		puts("1..0 # SKIP NAP_TEST_DB is not set");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
