/*
 * nap, the command line: what its commands share.
 *
 * A command is a row of the table in command.c and a function here declared, which asks nap by REST (ask), tells the
 * outcome on standard output and returns the exit code. What is no outcome (progress, questions, errors) goes to
 * standard error, so that a pipe gets only what was asked for; with --json that is the body as nap sent it.
 *
 * To add a command, do these three things: its function in the file of its noun, its name in the list below, and a row in
 * command.c. Its help, its part of the manual page and its completion are made of that row.
 */
#ifndef NAP_CLI_CLI_H
#define NAP_CLI_CLI_H

#include "base/arena.h"
#include "base/err.h"
#include "cli/term.h"

#include <jansson.h>

/* Exit codes, as help.c tells them. */
enum cli_exit {
	CLI_OK,
	CLI_FAILED,	 /* an operation failed, or nap itself did */
	CLI_USAGE,	 /* the command line is wrong */
	CLI_NOT_FOUND,	 /* what it names does not exist */
	CLI_REFUSED,	 /* nap refuses: rights, quota, a conflict, a value that is none */
	CLI_UNREACHABLE, /* nap does not answer */
	CLI_INTERRUPTED = 130,
};

struct cli_command;
struct http;

#define CLI_OPTIONS 16

struct cli {
	struct arena a;
	struct term out, err; /* standard output and standard error */
	const char *self;     /* this program's path */
	const struct cli_command *command;
	const char **word; /* the arguments that are no options, ended by NULL */
	size_t words;
	struct {
		const char *name, *value;
	} option[CLI_OPTIONS];
	size_t options;
	bool json;

	/* of account.c: where nap is, and who asks; "" until account_find */
	const char *url, *token;
	struct http *http; /* NULL until the first request */
	int exit;	   /* of the request that failed */
};

typedef int cli_fn(struct cli *c);

cli_fn cli_login, cli_logout, cli_whoami, cli_apps, cli_deploy, cli_push, cli_scale, cli_start,
	cli_stop, cli_restart, cli_destroy, cli_ps, cli_logs, cli_env_list, cli_env_set,
	cli_env_unset, cli_releases, cli_rollback, cli_similar, cli_group_list, cli_group_show,
	cli_group_power, cli_group_scale, cli_group_rerun, cli_group_destroy, cli_results,
	cli_ops_list, cli_ops_show, cli_ops_cancel, cli_ops_log, cli_open, cli_tokens_list,
	cli_tokens_add, cli_tokens_revoke, cli_keys_list, cli_keys_add, cli_keys_remove,
	cli_machines, cli_quota, cli_tenant_list, cli_tenant_add, cli_tenant_quota,
	cli_tenant_switch, cli_tenant_destroy, cli_doctor, cli_version, cli_help,
	cli_git_credential;

/* What was given with --NAME: its value, "" of an option without one, NULL: it was not given. */
const char *cli_option(const struct cli *c, const char *name);
/* The same as a number from min to max; absent: *ret stays. False: it was told. */
NODISCARD bool cli_number(
	const struct cli *c, const char *name, int64_t min, int64_t max, int64_t *ret);

/* "nap: …" on standard error. Returns code. */
int cli_fail(const struct cli *c, int code, const char *fmt, ...) PRINTF(3, 4);
int cli_err(const struct cli *c, int code, const struct err *e);

/* A whole run: argv is main's. Returns the exit code. */
int cli_run(int argc, char **argv);

/* True after Ctrl-C. */
bool cli_interrupted(void);

/* The whole of standard input, without its last newline; in c->a. */
const char *cli_input(struct cli *c);
/*
 * An answer without echo from the terminal, or the first line of standard input where that is none; in c->a. NULL: it was
 * told what is wrong.
 */
const char *cli_secret(struct cli *c, const char *prompt);
/* The name is typed again, or --yes was given; false: it was told. */
NODISCARD bool cli_confirm(struct cli *c, const char *what, const char *name);

#endif
