/*
 * nap-api: a FastCGI worker. Descriptor 0 is the socket (spawn-fcgi, multiwatch, systemd's StandardInput=socket).
 *
 *	nap-api             serves until TERM
 *	nap-api --routes    prints the route table
 *	nap-api --openapi   prints the OpenAPI document, made of the table and of openapi.in.json on standard input
 *	nap-api --settings  prints the settings: name, default and help, rows of a Markdown table
 */
#include "api/openapi.h"
#include "api/routes.h"
#include "base/log.h"
#include "serve/pool.h"

int main(int argc, char **argv)
{
	static struct config cfg; /* static: what they hold is reachable until the very end */
	static struct db db;
	struct err e = { 0 };
	int rc;

	if (argc == 2 && streq(argv[1], "--routes")) {
		routes_print(&ROUTES, stdout);
		return 0;
	}
	if (argc == 2 && streq(argv[1], "--openapi"))
		return openapi_print(&ROUTES, stdin, stdout, &e) ? 0 : die(&e);
	if (argc == 2 && streq(argv[1], "--settings")) {
		config_print(stdout);
		return 0;
	}
	if (argc != 1) {
		(void)fputs("usage: nap-api [--routes | --openapi | --settings]\n", stderr);
		return 2;
	}
	if (!config_load(&cfg, &e))
		return die(&e);
	log_start("nap-api",
		log_level_named(cfg.log_level)); /* after the settings: needs the level */
	/* a database that is away is no reason to leave: requests say 503 until it is back */
	if (!db_open(&db,
		    &(struct db_options){ .host = config_path(&cfg, "run/db"),
			    .user = "nap_api",
			    .program = "nap-api" },
		    &e))
		LOG(WARNING, "database", KV("error", e.msg), KV("detail", e.detail));
	rc = pool_run(&cfg, &db, &ROUTES);
	db_close(&db);
	return rc;
}
