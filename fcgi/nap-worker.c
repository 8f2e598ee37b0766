/*
 * nap-worker: does what was asked for. It serves no HTTP and runs no tenant's code.
 *
 *	nap-worker MODE                 one of the table below, until TERM
 *	nap-worker --check              whether its settings are fit to start with
 *	nap-worker --migrate            brings the schema up to date: files of NAP_SQL, else $NAP_STATE/sql
 *	nap-worker --engine [adopt|prune]   whether the leader waits for the operator (exit 1), or his answer to it
 *	nap-worker --first-login FILE   makes the operator's account; its token goes to FILE, its password is printed
 */
#include "base/clock.h"
#include "base/log.h"
#include "collect/collect.h"
#include "job/run.h"
#include "lead/lead.h"
#include "store/engine_view.h"
#include "store/first_login.h"
#include "store/migrate.h"

#include <time.h>

static const struct {
	const char *mode, *help;
	int (*run)(const struct config *cfg);
} MODES[] = {
	{ "jobs", "runs operations, one at a time; any number of these may run", run_jobs },
	{ "quick", "the same for stop, scale-down and destroy only, which never wait for a build",
		run_quick },
	{ "lead", "brings the engine to what the database says, and nginx to the engine",
		lead_run },
	{ "logs", "collects what apps print", collect_run },
};

static bool open_as_owner(struct db *db, const struct config *cfg, struct err *e)
{
	return db_open(db,
		&(struct db_options){ .host = config_path(cfg, "run/db"),
			.user = "nap_owner",
			.program = "nap-worker",
			.statement_timeout_ms = 3600 * 1000 },
		e);
}

static int bring_up_to_date(const struct config *cfg)
{
	const char *folder = getenv("NAP_SQL");
	static struct db db;
	struct err e;
	int n;
	bool ok;

	if (!folder || !folder[0])
		folder = config_path(cfg, "sql");
	if (access(folder, F_OK) < 0)
		folder = SQL_DIR; /* of `make install` */
	ok = open_as_owner(&db, cfg, &e) && migrate(&db, folder, &n, &e);

	db_close(&db);
	if (!ok)
		return die(&e);
	if (n > 0)
		(void)fprintf(stderr, "schema: %d migrations ran\n", n);
	return 0;
}

static int make_first_login(const struct config *cfg, const char *file)
{
	char password[CREDENTIAL_SIZE];
	static struct db db;
	struct err e;
	bool ok = open_as_owner(&db, cfg, &e) && first_login(&db, cfg, file, password, &e);

	db_close(&db);
	if (!ok)
		return die(&e);
	if (password[0])
		(void)printf(
			"first sign-in, shown once: tenant \"admin\", password %s\n", password);
	return 0;
}

#define ANSWER_WAIT_MS 30000

/* until the leader has taken the answer, or has not for so long that nobody should wait for it */
static bool engine_settled(struct db *db, PGresult **ret, struct err *e)
{
	int64_t end = clock_mono_ms() + ANSWER_WAIT_MS;

	for (;;) {
		if (!engine_hold(db, ret, e))
			return false;
		if (db_is_null(*ret, 0, "answer") || clock_mono_ms() > end)
			return true;
		cleanup_result(ret);
		*ret = NULL;
		(void)nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
	}
}

static int engine_tell(const struct config *cfg, const char *answer)
{
	auto_result PGresult *r = NULL;
	static struct db db;
	struct err e;
	bool held, waits;

	if (!db_open(&db,
		    &(struct db_options){ .host = config_path(cfg, "run/db"),
			    .user = "nap_worker",
			    .program = "nap-worker --engine" },
		    &e) ||
		(answer && !engine_answer(&db, answer, &e)) || !engine_settled(&db, &r, &e)) {
		db_close(&db);
		return die(&e);
	}
	held = db_bool(r, 0, "held");
	waits = !db_is_null(r, 0, "answer");
	(void)printf("the engine %s%s\n",
		db_bool(r, 0, "reachable") ? "answers" : "does not answer: ",
		db_text(r, 0, "error"));
	if (held)
		(void)printf("the leader stopped: %s\n", db_text(r, 0, "held_reason"));
	if (held && !waits)
		(void)puts(
			"adopt keeps what the engine runs, prune removes what nobody has declared");
	if (waits)
		(void)printf("the leader has not taken \"%s\" yet\n", db_text(r, 0, "answer"));
	if (!held)
		(void)puts("nothing waits for the operator");
	if (!streq(db_text(r, 0, "adopted"), "0"))
		(void)printf("%s units stay that nobody has declared: adopted\n",
			db_text(r, 0, "adopted"));
	db_close(&db);
	return held;
}

static int usage(void)
{
	(void)fputs("usage: nap-worker MODE | --check | --migrate | --engine [adopt|prune] | "
		    "--first-login FILE\n\nModes:\n",
		stderr);
	for (size_t i = 0; i < ARRAY_SIZE(MODES); i++)
		(void)fprintf(stderr, "  %-8s %s\n", MODES[i].mode, MODES[i].help);
	return 2;
}

static bool arguments_fine(int argc, char **argv)
{
	if (argc < 2 || argc > 3)
		return false;
	if (streq(argv[1], "--engine"))
		return argc == 2 || streq(argv[2], "adopt") || streq(argv[2], "prune");
	return (argc == 3) == streq(argv[1], "--first-login");
}

int main(int argc, char **argv)
{
	static struct config cfg; /* its texts live as long as the process */
	struct err e = { 0 };

	if (!arguments_fine(argc, argv))
		return usage();
	if (!config_load(&cfg, &e))
		return die(&e);
	log_start("nap-worker", log_level_named(cfg.log_level));
	if (streq(argv[1], "--check"))
		return 0;
	if (streq(argv[1], "--migrate"))
		return bring_up_to_date(&cfg);
	if (streq(argv[1], "--engine"))
		return engine_tell(&cfg, argv[2]);
	if (argc == 3)
		return make_first_login(&cfg, argv[2]);
	for (size_t i = 0; i < ARRAY_SIZE(MODES); i++)
		if (streq(MODES[i].mode, argv[1]))
			return MODES[i].run(&cfg);
	return usage();
}
