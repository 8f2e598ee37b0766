#include "agent/guard.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/text.h"

#define GUARD_MS    200
#define BLOCK_PORTS 1000
#define FIRST_UID   1000
#define LAST_UID    65535

static bool nft(const char *rules, struct err *e)
{
	auto_arena struct arena a = { 0 };
	struct proc_spec spec = { .argv = (const char *const[]){ "nft", "-f", "-", NULL },
		.input = rules,
		.input_len = strlen(rules),
		.timeout_ms = 60000,
		.max_bytes = 4096 };
	struct proc_result r;

	if (!proc_run(&spec, &a, &r, e))
		return false;
	if (r.timed_out)
		return err_set(e, ERR_UPSTREAM, "nft", "nft did not answer in time");
	if (r.status != 0)
		return err_set(
			e, ERR_UPSTREAM, "nft", "nft: %.*s", (int)strcspn(r.err, "\n"), r.err);
	return true;
}

/* the pairs of all units, as elements of the set */
static void add_own(const struct agent *ag, struct buf *b)
{
	bool first = true;

	for (size_t i = 0; i < ag->n; i++) {
		const struct agent_unit *u = ag->unit[i];

		if (!u->port)
			continue;
		buf_printf(b, "%s%u . %d", first ? "" : ", ", u->uid, u->port);
		first = false;
	}
}

static bool tell(struct agent *ag, struct err *e)
{
	int block = ag->cfg.block_port;
	unsigned int low = ag->cfg.block_uid + FIRST_UID, high = ag->cfg.block_uid + LAST_UID;
	auto_buf struct buf b = { 0 };
	size_t before;

	/* one transaction: the table is never half there (nft(8)) */
	buf_init(&b, 1024 * 1024);
	buf_printf(&b,
		"table inet nap_%d\ndelete table inet nap_%d\ntable inet nap_%d {\n"
		"set own {\ntypeof meta skuid . tcp dport\n",
		block, block, block);
	before = b.len;
	buf_puts(&b, "elements = { ");
	add_own(ag, &b);
	if (b.len == before + strlen("elements = { "))
		b.len = before;
	else
		buf_puts(&b, " }\n");
	buf_printf(&b,
		"}\nchain output {\ntype filter hook output priority 0; policy accept;\n"
		"oifname != \"lo\" accept\nmeta skuid < %u accept\nmeta skuid > %u accept\n"
		"tcp dport %d-%d meta skuid . tcp dport != @own reject with tcp reset\n"
		"tcp sport %d-%d meta skuid . tcp sport != @own drop\n}\n}\n",
		low, high, block + 1, block + BLOCK_PORTS - 1, block + 1, block + BLOCK_PORTS - 1);
	return !b.failed ? nft(b.data, e) : err_set(e, ERR_INTERNAL, "internal", "too many ports");
}

static void remove_table(const struct agent *ag)
{
	auto_free char *rules = xasprintf("table inet nap_%d\ndelete table inet nap_%d\n",
		ag->cfg.block_port, ag->cfg.block_port);
	struct err e = { 0 };

	if (!nft(rules, &e))
		LOG(WARNING, "agent.guard_not_removed", KV("why", e.msg));
}

static void say(struct agent *ag, bool guarded)
{
	ag->guarded = guarded;
	machine_own(&ag->machine, "port_guard", guarded ? "yes" : "no");
}

void guard_open(struct agent *ag)
{
	struct err e = { 0 };

	say(ag, false);
	if (geteuid() != 0 || !ag->cfg.block_port || streq(ag->cfg.isolation, "none"))
		return;
	for (size_t i = 0; i < ag->n; i++)
		guard_note(ag, ag->unit[i]);
	if (tell(ag, &e))
		say(ag, true);
	LOG(NOTICE, "agent.port_guard", KV("word", ag->guarded ? "yes" : "no"), KV("why", e.msg));
	ag->guard_dirty = false;
}

static int port_of(const struct agent *ag, const struct agent_unit *u)
{
	auto_arena struct arena a = { 0 };
	auto_free char *path = xasprintf("%s/run/nap/%s/policy", ag->dir, u->name);
	struct err e = { 0 };
	struct slice rest, line;
	int64_t port = 0;
	char *text;

	if (!u->loaded || !file_read(path, 64 * 1024, &a, &text, NULL, &e))
		return 0;
	rest = slice_of(text);
	while (slice_line(&rest, &line)) {
		if (line.n > 5 && memcmp(line.p, "port=", 5) == 0 &&
			!parse_slice_i64((struct slice){ line.p + 5, line.n - 5 }, 0, 65535, &port))
			port = 0;
	}
	return (int)port;
}

void guard_note(struct agent *ag, struct agent_unit *u)
{
	int port = port_of(ag, u);

	if (port == u->port)
		return;
	u->port = port;
	ag->guard_dirty = true;
}

void guard_flush(struct agent *ag)
{
	int64_t now = clock_mono_ms();
	struct err e = { 0 };

	if (!ag->guarded || !ag->guard_dirty || now < ag->guard_at)
		return;
	ag->guard_at = now + GUARD_MS;
	ag->guard_dirty = false;
	if (tell(ag, &e))
		return;
	/* an app whose port is not known to it would be cut off: rather no guard, and said */
	LOG(ERROR, "agent.port_guard", KV("word", "no"), KV("why", e.msg));
	say(ag, false);
	remove_table(ag);
}

void guard_close(struct agent *ag)
{
	if (geteuid() == 0 && ag->cfg.block_port && ag->guarded)
		remove_table(ag);
	say(ag, false);
}
