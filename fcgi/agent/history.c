#include "agent/history.h"

void history_init(struct history *h)
{
	/* touched now: what the agent takes does not grow with the day */
	memset(h->second, 0xff, sizeof h->second);
	memset(h->minute, 0xff, sizeof h->minute);
	memset(&h->now, 0, sizeof h->now);
	h->first = h->last = -1;
}

/* the last second of a minute was put */
static void end_minute(struct history *h, int64_t minute)
{
	struct history_value v = { HISTORY_UNKNOWN, HISTORY_UNKNOWN };

	if (h->now.seconds)
		v = (struct history_value){ h->now.memory,
			(uint32_t)(h->now.cpu / (uint64_t)h->now.seconds) };
	h->minute[minute % HISTORY_MINUTES] = v;
	memset(&h->now, 0, sizeof h->now);
}

static void put_second(struct history *h, int64_t second, struct history_value v)
{
	h->second[second % HISTORY_SECONDS] = v;
	if (v.cpu != HISTORY_UNKNOWN) {
		h->now.seconds++;
		h->now.cpu += v.cpu;
		h->now.memory = MAX(h->now.memory, v.memory);
	}
	if (second % 60 == 59)
		end_minute(h, second / 60);
}

static uint32_t clamp(int64_t n)
{
	return (uint32_t)MIN(n, (int64_t)HISTORY_UNKNOWN - 1);
}

bool history_add(struct history *h, int64_t second, int64_t memory_bytes, int64_t cpu_usec)
{
	static const struct history_value unknown = { HISTORY_UNKNOWN, HISTORY_UNKNOWN };
	int64_t gap = h->last < 0 ? 1 : second - h->last, from;
	struct history_value v = unknown;

	if (gap < 1)
		return false;
	if (memory_bytes >= 0 && cpu_usec >= 0)
		v = (struct history_value){ clamp(memory_bytes / 1024), clamp(cpu_usec / gap) };
	if (h->last < 0)
		h->first = second;
	/* a longer sleep than the rings are long has left nothing of them */
	from = MAX(second - gap + 1, second - (int64_t)HISTORY_MINUTES * 60);
	for (int64_t s = from; s <= second; s++)
		put_second(h, s, gap <= HISTORY_GAP || s == second ? v : unknown);
	h->last = second;
	return true;
}

static void put_ring(struct buf *b, const struct history_value *ring, int64_t size, int64_t from,
	int64_t to, bool memory)
{
	for (int64_t i = from; i < to; i++) {
		const struct history_value *v = &ring[i % size];
		uint32_t n = memory ? v->memory : v->cpu;

		if (i > from)
			buf_putc(b, ',');
		if (n == HISTORY_UNKNOWN)
			buf_puts(b, "null");
		else
			buf_printf(b, "%llu", (unsigned long long)n * (memory ? 1024 : 1));
	}
}

static void put_rings(struct buf *b, const struct history_value *ring, int64_t size, int64_t from,
	int64_t to, int step, int64_t until)
{
	from = MAX(from, to - size);
	buf_printf(b, "{\"step\":%d,\"until\":%lld,\"memory_bytes\":[", step, (long long)until);
	put_ring(b, ring, size, from, to, true);
	buf_puts(b, "],\"cpu_usec\":[");
	put_ring(b, ring, size, from, to, false);
	buf_puts(b, "]}");
}

void history_json(const struct history *h, int64_t second, int64_t now, struct buf *b)
{
	int64_t end = h->last + 1, minute = end / 60; /* those that are over */

	buf_puts(b, "{\"seconds\":");
	put_rings(b, h->second, HISTORY_SECONDS, h->last < 0 ? end : h->first, end, 1,
		now - (second - h->last));
	buf_puts(b, ",\"minutes\":");
	put_rings(b, h->minute, HISTORY_MINUTES, h->last < 0 ? minute : h->first / 60, minute, 60,
		now - (second + 1 - minute * 60));
	buf_putc(b, '}');
}
