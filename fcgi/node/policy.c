#include "node/policy.h"

static const char *const WORDS[] = {
	[POLICY_AUTO] = "auto",
	[POLICY_ALWAYS] = "always",
	[POLICY_ON_FAILURE] = "on-failure",
	[POLICY_NO] = "no",
};

static void set(struct policy *p, const char *key, const char *value)
{
	int64_t n;

	for (size_t i = 0; streq(key, "restart") && i < ARRAY_SIZE(WORDS); i++)
		if (streq(value, WORDS[i]))
			p->restart = (enum policy_restart)i;
	if (streq(key, "disk") && parse_i64(value, 1, INT64_MAX, &n))
		p->disk = n;
	if (!parse_i64(value, 0, 1000000, &n))
		return;
	if (streq(key, "port") && n <= 65535)
		p->port = (int)n;
	else if (streq(key, "listened"))
		p->listened = n != 0;
	else if (streq(key, "attempts") && n >= 1 && n <= POLICY_MAX_ENDS)
		p->attempts = (int)n;
	else if (streq(key, "window"))
		p->window_us = n * 1000000;
	else if (streq(key, "backoff_max"))
		p->backoff_max_us = n * 1000000;
	else if (streq(key, "steady"))
		p->steady_us = n * 1000000;
}

void policy_parse(struct slice text, struct policy *ret)
{
	struct policy p = {
		.attempts = 5,
		.window_us = 600000000,
		.backoff_us = 1000000,
		.backoff_max_us = 60000000,
		.steady_us = 10000000,
	};
	struct slice line;

	while (slice_line(&text, &line)) {
		const char *equal = memchr(line.p, '=', line.n);
		char key[32], value[32];
		size_t k = equal ? (size_t)(equal - line.p) : 0, v = equal ? line.n - k - 1 : 0;

		if (k == 0 || k >= sizeof key || v >= sizeof value)
			continue;
		memcpy(key, line.p, k);
		key[k] = '\0';
		memcpy(value, equal + 1, v);
		value[v] = '\0';
		set(&p, key, value);
	}
	*ret = p;
}

static void drop_old(const struct policy *p, int64_t now, int64_t *ends, size_t *n)
{
	size_t kept = 0;

	/* a clock that was set back makes ends of the future: they do not count */
	for (size_t i = 0; i < *n; i++)
		if (ends[i] > now - p->window_us && ends[i] <= now)
			ends[kept++] = ends[i];
	*n = kept;
}

static int64_t backoff(const struct policy *p, size_t ends)
{
	int64_t us = p->backoff_us;

	while (--ends > 0 && us < p->backoff_max_us)
		us *= 2;
	return MIN(us, p->backoff_max_us);
}

struct policy_verdict policy_decide(const struct policy *p, const struct policy_end *end,
	int64_t ends[POLICY_MAX_ENDS], size_t *n)
{
	bool good = !end->by_signal && end->number == 0;
	bool listened = p->listened || end->listened;
	bool server = p->restart == POLICY_ALWAYS || (p->restart == POLICY_AUTO && listened);
	struct policy_verdict v = { .result = end->by_signal ? "signal" : "exit-code" };

	drop_old(p, end->ended_us, ends, n);
	v.ends = (int)*n;
	if (end->stopped) {
		v.result = "stopped";
		return v;
	}
	if (good && !server) {
		v.result = "finished";
		v.final = true;
		*n = 0;
		return v;
	}
	if (p->restart == POLICY_NO) {
		v.final = true;
		return v;
	}
	if (server && end->ended_us - end->started_us >= p->steady_us)
		*n = 0;
	if (*n == POLICY_MAX_ENDS)
		memmove(ends, ends + 1, --*n * sizeof *ends);
	ends[(*n)++] = end->ended_us;
	v.ends = (int)*n;
	if (!server && (int)*n >= p->attempts) {
		v.result = "gave-up";
		v.final = true;
		*n = 0; /* started again by a person it has all its attempts */
		return v;
	}
	v.retry_us = end->ended_us + backoff(p, *n);
	return v;
}
