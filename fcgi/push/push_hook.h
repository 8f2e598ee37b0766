/*
 * The two hooks of a push (githooks(5)). Whatever they print the client sees as "remote:" lines.
 *
 * pre-receive  before a ref moves: reads the commit of the default branch (in quarantine: only this process and its
 *              children see it) and asks nap whether it can be deployed. It inserts the operation as "receiving".
 * update       once a ref, with the objects in the repository: queues that operation and follows it. It ends with 1
 *              when the deploy did not come about, so that git leaves the ref where it is and the same commit can be
 *              pushed again.
 *
 * The default branch is what HEAD names; while that has no commit, the first of master and main that is pushed.
 *
 * What is said on $NAP_STATE/run/git/hook.sock (JSON both ways; refusals are problem details, RFC 9457, whose
 * errors[] rows may have "line"):
 *
 *	POST /internal/v1/hooks/pre-receive
 *	   {"repo","push","tenant","app","actor","request_id","options":[…],
 *	    "ref","branch","old","new",             null when the default branch is not pushed
 *	    "profile":text|null,"run":bool,"entries":n,"bytes":n}
 *	   → 200 {"operation":ID|null,"lines":[…]}   lines are shown: warnings
 *	POST /internal/v1/hooks/update
 *	   {"repo","push","ref","old","new"}
 *	   → 200 {"operation":ID|null,"detach":bool} null: stored, not deployed. Asked again it gives the same answer;
 *	                                             detach: pre-receive told that option (git gives update none)
 *	GET /internal/v1/operations/ID?repo=R&after=SEQ&wait=25
 *	   → 200 {"state","position"?,"waiting"?,"release"?,"address"?,"error_code"?,"error"?,"error_lines":[…]?,
 *	          "lines":[{"seq":n,"line":text}]}   at once if there are lines after SEQ or it has ended
 *
 * "push" is a random word, the same in both hooks of one push. While `update` lives it holds a lock (flock(2)) on
 * $GIT_DIR/nap-push-PUSH: an operation that succeeded, whose lock is free and whose ref is not at "new" has lost its
 * hook, and the leader moves the ref.
 */
#ifndef NAP_PUSH_HOOK_H
#define NAP_PUSH_HOOK_H

/* argv[0] tells which; update has three arguments. The exit status. */
int push_hook_main(int argc, char **argv);

/* Whether text can be a profile: UTF-8 without NUL. On failure *ret_line is the line, from 1, and the reason is told. */
#include "base/base.h"
const char *push_text_fault(const char *text, size_t n, size_t *ret_line);

#endif
