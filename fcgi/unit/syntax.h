/*
 * systemd's syntax of values: words and quotes, specifiers, variables, spans of time, sizes, signals and environment
 * files. Pure text. See systemd.syntax(7), systemd.unit(5) "Specifiers", systemd.service(5) "Command lines",
 * systemd.time(7), systemd.exec(5) "EnvironmentFile=".
 */
#ifndef NAP_UNIT_SYNTAX_H
#define NAP_UNIT_SYNTAX_H

#include "base/arena.h"

#include <sys/types.h>

/* a list of words; v is NULL-terminated unless n is 0 */
struct unit_words {
	const char **v;
	size_t n, size;
};

/* appends a word: kept, not copied */
void unit_words_add(struct unit_words *w, struct arena *a, const char *word);

/* What the specifiers stand for. The three folders are where this machine's /etc, /var/lib and /run are for units. */
struct unit_place {
	const char *name;		  /* %n; %p %i %j %N and their like are cut from it */
	const char *etc, *lib, *run;	  /* %E %S %t */
	const char *machine_id, *boot_id; /* %m %b; NULL: stay as they are */
	uid_t uid;			  /* %U and %u, %G and %g */
};

/* text with %n and its like replaced; %% is %. What is no specifier stays as it is. */
char *unit_specifiers(const struct unit_place *place, const char *text, struct arena *a);

/*
 * The next word of *text, blanks skipped; NULL at the end. With quotes: " and ' taken off, C escapes resolved, unknown
 * ones left as they are. False: a quote is not closed, or text ends in a lone backslash.
 */
NODISCARD bool unit_word(const char **text, struct arena *a, char **ret);

/*
 * The words to execute: ${X} within a word becomes its value, a word $X becomes the words of its value, $$ is $; what
 * is not set is empty. env is a list of "K=v".
 */
struct unit_words unit_expand(
	const struct unit_words *words, const struct unit_words *env, struct arena *a);

/* "5min 20s", "1.5", "100ms", "infinity"; "64M", "1.5G", "infinity"; "yes", "0" */
#define UNIT_INFINITY INT64_MAX
NODISCARD bool unit_parse_time(const char *text, int64_t *ret_us);
NODISCARD bool unit_parse_size(const char *text, int64_t *ret);
NODISCARD bool unit_parse_bool(const char *text, bool *ret);

/* 15 for "TERM", "SIGTERM" and "15"; 0: none. And back, without SIG: "TERM"; "" for none. */
int unit_signal(const char *name);
const char *unit_signal_name(int number);

/*
 * An environment file: NAME=value lines, # and ; comments, quotes, continued lines. Sets "K=v" words in env; lines
 * that are none are left out.
 */
void unit_environment_file(const char *text, struct arena *a, struct unit_words *env);

/* Sets "K=v" in env, in place of the former K. False: no name that a variable may have. */
bool unit_env_set(struct unit_words *env, struct arena *a, const char *pair);
void unit_env_unset(struct unit_words *env, const char *name);
const char *unit_env_get(const struct unit_words *env, const char *name); /* NULL: not set */

#endif
