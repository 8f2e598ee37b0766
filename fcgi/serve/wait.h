/*
 * Waiting for something to happen, in the pool made for it (nginx sends requests with Prefer: wait and ?wait= there).
 */
#ifndef NAP_SERVE_WAIT_H
#define NAP_SERVE_WAIT_H

#include "serve/response.h"

#define MAX_PREFER_WAIT_S 60
#define MAX_WAIT_S	  600

/* N of "Prefer: wait=N", at most 60; 0: none (RFC 7240 section 4.3) */
int64_t wait_preferred(const struct request *rq);

/* ?wait= in seconds, from 0 to max, 0 if absent; else a fault is added and 0 told */
int64_t wait_asked(struct request *rq, int64_t max);

/*
 * Waits until channel says payload (NULL: anything), at most until until_ms of CLOCK_MONOTONIC. True: look again (also
 * now and then without a notice: notices are hints). False: the time is over, the client is gone, or this process is
 * asked to end. Never within a transaction.
 */
bool wait_notice(struct request *rq, const char *channel, const char *payload, int64_t until_ms);

/*
 * Waits for rs->operation to end, and makes rs the answer: 200, 409 operation_failed or operation_cancelled with the
 * operation, or what it was if it has not ended. The caller's credential was checked already.
 */
void wait_operation(struct request *rq, struct response *rs, int64_t until_ms);

#endif
