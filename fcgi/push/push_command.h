/*
 * What a person's git asks for over SSH (SSH_ORIGINAL_COMMAND of sshd(8)), by a grammar of nap's own; no shell reads it.
 *
 *	command = ("git-receive-pack" | "git receive-pack" | "git-upload-pack" | "git upload-pack") " '" path "'"
 *	path    = ["/"] app [".git"]
 *	app     = a letter or digit, then up to 62 letters, digits, "-" and "_"; letters are lower case
 *
 * `git push iwanna@host:app` sends 'app', `ssh://iwanna@host/app` sends '/app'.
 */
#ifndef NAP_PUSH_COMMAND_H
#define NAP_PUSH_COMMAND_H

#include "base/base.h"

enum push_verb {
	PUSH_VERB_NONE,	 /* no command: somebody looks who is there */
	PUSH_VERB_FETCH, /* git upload-pack */
	PUSH_VERB_PUSH,	 /* git receive-pack */
	PUSH_VERB_OTHER, /* anything else, which is refused */
};

struct push_command {
	enum push_verb verb;
	char app[64]; /* of the two git verbs; "": no name that an app could have */
};

/* text: n bytes, of any kind; ret is always whole */
void push_command_parse(const char *text, size_t n, struct push_command *ret);

#endif
