/*
 * Waiting for an operation: its steps with their times as they end, on standard error; on a terminal the one that runs in
 * a line that is drawn over.
 */
#ifndef NAP_CLI_OPERATION_H
#define NAP_CLI_OPERATION_H

#include "cli/cli.h"

/*
 * What a request answered that began an operation: {"operation": {…}, …}. Waits for its end, unless --detach was given, and puts
 * what it is then into body. Returns the exit code; a failure has been told, with the last lines that were printed.
 */
int operation_wait(struct cli *c, json_t *body);

/*
 * The same, and then: with --json body, else done, a line that says what is so now (NULL: nothing); with --detach the operation's id.
 */
int operation_end(struct cli *c, json_t *body, const char *done);

/* Asks METHOD PATH and waits for what it began. body is stolen. */
int operation_run(
	struct cli *c, const char *method, const char *path, json_t *body, const char *done);

#endif
