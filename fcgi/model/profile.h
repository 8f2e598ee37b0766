/*
 * The profile: a text file in a source's root that says how to run it, `key: value` lines.
 *
 * It reads old files as the shell loop of the first nap did (tests/profiles/): blanks before a key and none after
 * the colon are fine; of memory: and scale: the first word counts and the last line wins, both with a warning; '#'
 * opens a comment only as a line's first character; a line that ends in one '\' goes on in the next; what is no
 * `key: value`, or an unknown key, is a warning. A wrong value of a known key is an error. docs/profile.md is the
 * user's page.
 *
 * Limits: MAX_PROFILE_BYTES; valid UTF-8 without NUL bytes (a BOM, CRLF and a missing last newline are fine).
 */
#ifndef NAP_MODEL_PROFILE_H
#define NAP_MODEL_PROFILE_H

#include "base/err.h"
#include "base/text.h"

#include <jansson.h>

enum profile_health { HEALTH_PORT, HEALTH_PATH, HEALTH_NONE };
enum profile_restart { RESTART_AUTO, RESTART_ALWAYS, RESTART_ON_FAILURE, RESTART_NO };

struct profile_fault {
	int line; /* 1..; 0: the file as a whole */
	const char *key;
	const char *code; /* stable word: "memory_invalid" */
	bool error;	  /* false: a warning */
	const char *text; /* what was found and what was expected */
};

struct profile {
	const char
		*command; /* the lines of command:, each ended by a newline; "" if there are none */
	const char *build;	 /* the same of build: */
	const char *image;	 /* "" if none */
	const char *health_path; /* of HEALTH_PATH */
	int64_t memory;		 /* bytes; 0: not given */
	int scale;		 /* -1: not given */
	int port;		 /* 0: not given */
	enum profile_health health;
	enum profile_restart restart;
	struct profile_fault *faults;
	size_t faults_n, errors_n;
};

/*
 * Always fills ret (memory of a), faults and all; false where it has errors: e then tells the first one, as
 * ERR_INVALID "profile_invalid", with the line.
 */
NODISCARD bool profile_parse(
	const char *text, size_t n, struct arena *a, struct profile *ret, struct err *e);

/*
 * text with other command lines, each line of command one: they stand where the first of the old ones stood, or at the
 * end; every other byte is kept. Of a: n bytes and a NUL.
 */
char *profile_with_command(
	struct arena *a, const char *text, size_t n, const char *command, size_t *ret_n);

/*
 * What keeps a command from standing in a profile so that sh reads it byte for byte, or NULL. It begins with a word;
 * newlines at its end do not count.
 */
const char *profile_command_wrong(struct arena *a, const char *command);

const char *profile_restart_word(enum profile_restart r);
/* "", "none" or the path, as release.health keeps it */
const char *profile_health_word(const struct profile *p);

/* What GET /apps/{app}/profile shows: values as given, null where not, warnings and errors. A new reference. */
json_t *profile_json(const struct profile *p);

#endif
