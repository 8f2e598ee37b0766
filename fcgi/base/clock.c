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

void clock_rfc3339(char ret[RFC3339_SIZE], int64_t us, int digits)
{
	time_t seconds = (time_t)(us / 1000000);
	int fraction = (int)(us % 1000000);
	struct tm tm;
	size_t n;

	(void)gmtime_r(&seconds, &tm);
	n = strftime(ret, RFC3339_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	if (digits == 3)
		n += (size_t)snprintf(ret + n, RFC3339_SIZE - n, ".%03d", fraction / 1000);
	else if (digits == 6)
		n += (size_t)snprintf(ret + n, RFC3339_SIZE - n, ".%06d", fraction);
	(void)snprintf(ret + n, RFC3339_SIZE - n, "Z");
}
