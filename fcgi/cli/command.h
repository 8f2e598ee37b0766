/*
 * The table of commands: `nap help`, --help, the manual page and the completion of bash are all made of it.
 */
#ifndef NAP_CLI_COMMAND_H
#define NAP_CLI_COMMAND_H

#include "cli/cli.h"

struct cli_option_row {
	const char *name;  /* without its dashes */
	char letter;	   /* 0: none */
	const char *value; /* what it takes: "N"; NULL: nothing */
	const char *help;
};

enum command_flag {
	COMMAND_HIDDEN = 1, /* for programs: in no list */
	COMMAND_LOCAL = 2,  /* needs neither address nor token */
};

struct cli_command {
	const char *name;		      /* one word or two: "tenant add" */
	const char *synopsis;		      /* of the arguments: "APP N" */
	const char *summary;		      /* a line */
	const char *text;		      /* more of it; NULL: none */
	const struct cli_option_row *options; /* ended by one without a name; NULL: none */
	const char *examples;		      /* lines "COMMAND\tWHAT IT DOES" */
	size_t min, max;		      /* arguments */
	const char *
		words; /* for completion: what the first argument is: "app", "group", "operation", "file" */
	unsigned flags;
	cli_fn *run;
};

extern const struct cli_command CLI_COMMANDS[];
extern const size_t CLI_COMMANDS_N;
/* those of every command */
extern const struct cli_option_row CLI_COMMON[];

/*
 * The command that argv begins with, n words of it: one of two words before one of one; "tenant" alone is "tenant
 * list". *ret_words: how many were taken. NULL: there is none.
 */
const struct cli_command *command_find(const char *const *argv, int n, int *ret_words);

/* the name that was perhaps meant, or NULL; in memory of a */
const char *command_suggest(struct arena *a, const char *const *argv, int n);

/*
 * Options and arguments of c->command, wherever they stand; -- ends the options. Errors: ERR_INVALID "usage".
 */
NODISCARD bool command_parse(struct cli *c, const char *const *argv, int n, struct err *e);

/* of help.c */
void help_command(const struct term *t, const struct cli_command *command);
void help_all(const struct term *t);
void help_man(FILE *out);
void help_completion(FILE *out);

#endif
