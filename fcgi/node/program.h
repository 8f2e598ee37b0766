/*
 * nap-run PROGRAM [ARG…]: the parent of an app's program, inside its sandbox, as its user.
 *
 * It hands signals on, passes standard output and error on, counts and hashes (SHA-256) the first, ends a last line
 * that has no newline, and when the program has ended decides by the app's restart policy what the unit shall do; its exit status tells:
 *	250  the app is finished: it shall not be started again
 *	251  it gave up: ended too often in too short a time
 *	else the program's own status: it shall be started again, no sooner than the record says
 *
 * Reads, below $NAP_ROOT (empty, but where nothing can be mounted):
 *	/run/nap-self/policy   "key=value" lines: restart=auto|always|on-failure|no, port=N, listened=0|1 (an earlier
 *	                       instance of the app has ever listened), attempts=5, window=600, backoff_max=60 (seconds)
 * Writes:
 *	/run/nap-exit/record   "key=value" lines: run_id started_us ended_us exit_code exit_signal result stdout_bytes
 *	                       stdout_sha256 listened retry_us; replaced by rename, first at the start with result=running
 *	/run/nap-exit/ends     a line each: when it ended, within the window; nap-node adds ends that nap-run did not survive
 *
 * restart=auto: an app that has ever listened on its port is started again whenever it ends; one that never did is
 * finished when it ends with 0. Every other end counts: the n-th within the window waits 2^(n-1) seconds, at most
 * backoff_max, and the attempts-th gives up, unless the app has ever listened: a server is never given up.
 */
#ifndef NAP_NODE_PROGRAM_H
#define NAP_NODE_PROGRAM_H

int program_main(char **argv);

#endif
