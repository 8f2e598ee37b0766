/*
 * What a unit used: memory and CPU, a value a second for 10 minutes and a value a minute for a day, 4 bytes each.
 * All of it is there from the beginning (16 KiB), so that an agent grows with its units and not with the time.
 *
 * Seconds are CLOCK_MONOTONIC's: a clock that is set moves nothing. A minute has the most memory and the mean of CPU.
 */
#ifndef NAP_AGENT_HISTORY_H
#define NAP_AGENT_HISTORY_H

#include "base/buf.h"

#define HISTORY_SECONDS 600
#define HISTORY_MINUTES 1440
#define HISTORY_GAP	60 /* a longer one is not known */
#define HISTORY_UNKNOWN UINT32_MAX

struct history_value {
	uint32_t memory; /* KiB */
	uint32_t cpu;	 /* microseconds in each second */
};

struct history {
	struct history_value second[HISTORY_SECONDS], minute[HISTORY_MINUTES]; /* rings */
	int64_t first, last; /* seconds with a value; last < 0: none yet */
	struct {
		uint64_t cpu;
		uint32_t memory;
		int64_t seconds;
	} now; /* the minute that is not over */
};

void history_init(struct history *h);

/*
 * What was used since the last call, memory_bytes now and cpu_usec together; -1: not known, or it does not run. The seconds
 * that nobody looked at (up to HISTORY_GAP) get the same. A second that is not later than the last one is passed over:
 * false, and its CPU belongs to the next.
 */
bool history_add(struct history *h, int64_t second, int64_t memory_bytes, int64_t cpu_usec);

/*
 * {"seconds":{"step":1,"until":T,"memory_bytes":[…],"cpu_usec":[…]},"minutes":{"step":60,…}}: oldest first, null for
 * what is not known, T (seconds since 1970) the end of the last one; CPU in each second of the step.
 */
void history_json(const struct history *h, int64_t second, int64_t now, struct buf *b);

#endif
