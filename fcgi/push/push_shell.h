/*
 * The door of SSH: `nap-shell STATE` stands between nap's sshd and git, and is all that a session can reach.
 *
 * It believes these variables, all of sshd's making:
 *	USER                  the tenant, whose key file the key was found in
 *	NAP_KEY               the key's id, from that file (environment="NAP_KEY=7")
 *	SSH_ORIGINAL_COMMAND  what the client asked for: read by push_command.h alone
 *	GIT_PROTOCOL          passed on if it is a word
 *
 * It asks nap on $NAP_STATE/run/git/hook.sock whether that key is still the tenant's, and which repository the name is:
 *
 *	POST /internal/v1/ssh  {"tenant","key","app","service"}
 *	   → 200 {"repo":"12","actor":"key:7"}   a first push gets an id kept for the name, as over HTTP
 *
 * and becomes `git receive-pack` or `git upload-pack` of it, as push_git.h sets up. A refusal is told on standard error,
 * which the client shows, with exit status 1. Without a command it says who was recognised and what can be done here.
 */
#ifndef NAP_PUSH_SHELL_H
#define NAP_PUSH_SHELL_H

int push_shell_main(int argc, char **argv);

#endif
