/*
 * nap-worker: does what was asked for. It serves no HTTP and runs no tenant's code.
 *
 *	nap-worker MODE                 one of the table below, until TERM
 *	nap-worker --migrate            brings the schema up to date: files of NAP_SQL, else $NAP_STATE/sql
 *	nap-worker --first-login FILE   makes the operator's account; its token goes to FILE, its password is printed
 */
#include "base/log.h"
#include "collect/collect.h"
#include "job/run.h"
#include "lead/lead.h"
#include "store/first_login.h"
#include "store/migrate.h"

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

static int usage(void)
{
	(void)fputs("usage: nap-worker MODE | --migrate | --first-login FILE\n\nModes:\n", stderr);
	for (size_t i = 0; i < ARRAY_SIZE(MODES); i++)
		(void)fprintf(stderr, "  %-8s %s\n", MODES[i].mode, MODES[i].help);
	return 2;
}

int main(int argc, char **argv)
{
	static struct config cfg; /* its texts live as long as the process */
	struct err e = { 0 };

	if (argc < 2 || argc > 3 || (argc == 3) != streq(argv[1], "--first-login"))
		return usage();
	if (!config_load(&cfg, &e))
		return die(&e);
	log_start("nap-worker", log_level_named(cfg.log_level));
	if (streq(argv[1], "--migrate"))
		return bring_up_to_date(&cfg);
	if (argc == 3)
		return make_first_login(&cfg, argv[2]);
	for (size_t i = 0; i < ARRAY_SIZE(MODES); i++)
		if (streq(MODES[i].mode, argv[1]))
			return MODES[i].run(&cfg);
	return usage();
}
