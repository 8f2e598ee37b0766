/*
 * The CGI program between nginx (by fcgiwrap) and git http-backend (git-http-backend(1)).
 *
 * It believes these parameters, all of nginx's own making:
 *	NAP_TENANT NAP_APP  names, as captured from the path
 *	NAP_REPO            the app's id, from nap-api's answer to auth_request; empty: there is no such app yet
 *	NAP_SERVICE         git-upload-pack or git-receive-pack: what the answer was given for
 *	NAP_PATH            info/refs, git-upload-pack or git-receive-pack
 *	NAP_ACTOR           who, as operations tell it ("token:7"); REQUEST_ID
 * and these of the environment that fcgiwrap was started with: NAP_STATE, NAP_GIT_PUSHES (2), NAP_GIT_MAX_BYTES.
 * The query string is made anew from NAP_SERVICE. Nothing else of either reaches git.
 */
#ifndef NAP_PUSH_CGI_H
#define NAP_PUSH_CGI_H

#include "push/push_git.h"

struct push_cgi {
	struct push_git git;
	const char *const *env; /* for git http-backend */
};

typedef const char *push_getenv_fn(const char *name);

/* Checks the parameters and works out the environment; no I/O. Errors: INVALID, NOT_FOUND. */
NODISCARD bool push_cgi_prepare(
	push_getenv_fn *get, const char *bin, struct arena *a, struct push_cgi *ret, struct err *e);

/* The whole program: answers an error itself, else becomes git http-backend. */
int push_cgi_main(void);

#endif
