/*
 * Where a source comes from: the address and the ref of a request, checked without any I/O. Whether the host may be
 * asked at all (loopback, private addresses) is the job's to say, which resolves the name once and uses what it got.
 *
 * An address is  https://HOST[:PORT]/PATH, http, ssh://[USER@]HOST[:PORT]/PATH, file:///PATH, or scp's USER@HOST:PATH;
 * which protocols is a setting. `USER:PASSWORD@` of http(s) is cut out and kept apart. A page's address pasted from a
 * browser, …/tree/BRANCH (GitHub), …/-/tree/BRANCH (GitLab), …/src/branch/BRANCH (Gitea) or …/commit/ID, is the
 * repository's with that ref. Everything else is refused: transports (`ext::`), options, blanks, control characters,
 * bytes beyond ASCII. See git-fetch(1) "GIT URLS", git-check-ref-format(1).
 */
#ifndef NAP_MODEL_SOURCE_H
#define NAP_MODEL_SOURCE_H

#include "base/arena.h"

struct source {
	const char *url;    /* without credentials, fragment and what pages add */
	const char *secret; /* "USER:PASSWORD", percent-encoded as it came; NULL: none */
	const char *ref;    /* of a pasted address; NULL: none */
	const char
		*code; /* after a failure the word for clients: url_invalid, protocol_not_allowed */
};

/* NULL, or what is wrong, in memory of a. protocols: the setting git_protocols, "https ssh". */
const char *source_parse(
	struct arena *a, const char *text, const char *protocols, struct source *ret);

/* what is wrong with a branch, tag or commit id, or NULL */
const char *ref_wrong(const char *ref);

#endif
