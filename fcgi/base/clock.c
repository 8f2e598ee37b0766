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

/* n digits at *p as a number from min to max, and the mark behind them; 0: none */
static bool take_digits(const char **p, int n, char mark, int min, int max, int *ret)
{
	int value = 0;

	for (int i = 0; i < n; i++, (*p)++) {
		if (**p < '0' || **p > '9')
			return false;
		value = value * 10 + (**p - '0');
	}
	if (value < min || value > max || (mark && *(*p)++ != mark))
		return false;
	*ret = value;
	return true;
}

static bool take_fraction(const char **p, int64_t *ret_us)
{
	int64_t us = 0, unit = 100000;

	if (**p == '.') {
		if (*++*p < '0' || **p > '9')
			return false;
		for (; **p >= '0' && **p <= '9'; (*p)++, unit /= 10)
			us += (**p - '0') * unit;
	}
	*ret_us = us;
	return true;
}

static bool take_offset(const char *p, int64_t *ret_seconds)
{
	int sign = *p == '-' ? -1 : 1, hours = 0, minutes = 0;

	*ret_seconds = 0;
	if (*p == 'Z' || *p == 'z')
		return p[1] == '\0';
	if (*p != '+' && *p != '-')
		return false;
	p++;
	if (!take_digits(&p, 2, ':', 0, 23, &hours) || !take_digits(&p, 2, 0, 0, 59, &minutes))
		return false;
	*ret_seconds = sign * (hours * 3600 + minutes * 60);
	return *p == '\0';
}

bool clock_parse_rfc3339(const char *text, int64_t *ret_us)
{
	struct tm tm = { 0 };
	const char *p = text;
	int64_t fraction, offset;
	time_t seconds;

	if (!take_digits(&p, 4, '-', 1970, 9999, &tm.tm_year) ||
		!take_digits(&p, 2, '-', 1, 12, &tm.tm_mon) ||
		!take_digits(&p, 2, 0, 1, 31, &tm.tm_mday) || (*p != 'T' && *p != 't'))
		return false;
	p++;
	if (!take_digits(&p, 2, ':', 0, 23, &tm.tm_hour) ||
		!take_digits(&p, 2, ':', 0, 59, &tm.tm_min) ||
		!take_digits(&p, 2, 0, 0, 60, &tm.tm_sec) || !take_fraction(&p, &fraction) ||
		!take_offset(p, &offset))
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	seconds = timegm(&tm); /* 31 February becomes March: no harm */
	*ret_us = ((int64_t)seconds - offset) * 1000000 + fraction;
	return true;
}
