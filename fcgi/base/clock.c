#include "base/clock.h"

#include <time.h>

int64_t clock_mono_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t clock_now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_now(void)
{
	return clock_now_us() / 1000000;
}

/* n as width digits with leading zeros; returns the place behind them */
static char *put_digits(char *p, int n, int width)
{
	for (int i = width - 1; i >= 0; i--, n /= 10)
		p[i] = (char)('0' + n % 10);
	return p + width;
}

/* by hand: lists of a thousand rows hold two thousand times, and strftime is slow */
void clock_rfc3339(char ret[RFC3339_SIZE], int64_t us, int digits)
{
	time_t seconds = (time_t)(us / 1000000);
	int fraction = (int)(us % 1000000);
	struct tm tm;
	char *p = ret;

	if (fraction < 0) {
		fraction += 1000000;
		seconds--;
	}
	(void)gmtime_r(&seconds, &tm);
	p = put_digits(p, tm.tm_year + 1900, 4);
	*p++ = '-';
	p = put_digits(p, tm.tm_mon + 1, 2);
	*p++ = '-';
	p = put_digits(p, tm.tm_mday, 2);
	*p++ = 'T';
	p = put_digits(p, tm.tm_hour, 2);
	*p++ = ':';
	p = put_digits(p, tm.tm_min, 2);
	*p++ = ':';
	p = put_digits(p, tm.tm_sec, 2);
	if (digits) {
		*p++ = '.';
		p = put_digits(p, digits == 3 ? fraction / 1000 : fraction, digits);
	}
	*p++ = 'Z';
	*p = '\0';
}
