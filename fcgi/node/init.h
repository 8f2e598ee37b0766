/*
 * nap-run -i: the first process of a sandbox.
 *
 *	nap-run -i [-u UID] [-l NAME=SOFT:HARD]… [-s] [-c DIR | -C DIR] [-m UMASK] [-n NICE] -- PROGRAM ARGV0 [ARG…]
 *
 * -u  becomes that user and group, without others, capabilities and hope of new ones (PR_SET_NO_NEW_PRIVS)
 * -l  a resource's number and its limits, as setrlimit(2) takes them
 * -s  the deny list of node/filter.h
 * -c  the working folder; -C: / if it is not there
 *
 * It starts PROGRAM (found in PATH unless it has a slash), hands TERM and its like on to it, reaps whatever is left to
 * it, and ends as PROGRAM does: with its status, or 128 + the signal. The exact wait status goes to descriptor 3 as a
 * decimal number. Being process 1 it takes all others of its pid namespace along.
 * 200 no working folder, 203 no such program, 216 no such user: as systemd.exec(5) numbers them.
 *
 *	nap-run -k UID     as that user: SIGKILL to all of its processes (kill(2), pid -1)
 */
#ifndef NAP_NODE_INIT_H
#define NAP_NODE_INIT_H

/* argv from behind -i; the exit status of main() */
int init_main(int argc, char **argv);
int init_kill_main(const char *uid);

#endif
