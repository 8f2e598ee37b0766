/*
 * Time: limits on CLOCK_MONOTONIC in milliseconds, moments as microseconds since 1970 UTC,
 * text in RFC 3339 with a Z.
 */
#ifndef NAP_BASE_CLOCK_H
#define NAP_BASE_CLOCK_H

#include "base/base.h"

int64_t clock_mono_ms(void);
int64_t clock_now_us(void);
int64_t clock_now(void); /* seconds */

#define RFC3339_SIZE 32
/* "2026-11-23T21:10:16.123456Z"; with digits 0, 3 or 6 behind the second */
void clock_rfc3339(char ret[RFC3339_SIZE], int64_t us, int digits);

/* RFC 3339's date-time, with Z or an offset, from 1970 to 9999; more than six digits of a second are cut */
NODISCARD bool clock_parse_rfc3339(const char *text, int64_t *ret_us);

#endif
