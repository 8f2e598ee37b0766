#include "collect/collect.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "collect/source.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#define LOCK	    "7242500" /* pg_advisory_lock: who collects */
#define MAX_SOURCES 1024
#define TELL_MS	    50
#define TICK_MS	    1000
#define MACHINES_MS 15000
#define SWEEP_MS    (10 * 60 * 1000)

struct collector {
	const struct config *cfg;
	char *db_folder, *logs, *agent; /* paths */
	struct db db;
	struct http *http;
	struct sink *sink;
	struct source *source[MAX_SOURCES];
	size_t n;
	int signals; /* readable: the process is to end */
	int64_t told, ticked, looked, swept;
};

/* true: a signal came */
static bool pause_ms(const struct collector *c, int ms)
{
	return poll(&(struct pollfd){ .fd = c->signals, .events = POLLIN }, 1, ms) > 0;
}

static int watch_signals(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

SQL(COLLECT_LOCK, "SELECT pg_try_advisory_lock(" LOCK ")::integer");

/* waits for the database and for the lock; false: a signal came first */
static bool become_the_one(struct collector *c)
{
	const struct db_options options = {
		.host = c->db_folder, .user = "nap_worker", .program = "nap-worker logs"
	};
	struct err e;
	bool said = false;
	int64_t mine = 0;

	while (!db_open(&c->db, &options, &e)) {
		db_close(&c->db);
		if (!said)
			LOG(WARNING, "logs.no_database", KV("error", e.detail));
		said = true;
		if (pause_ms(c, 1000))
			return false;
	}
	while (!db_one_i64(&c->db, &mine, &e, COLLECT_LOCK) || !mine)
		if (pause_ms(c, 2000))
			return false;
	return true;
}

static struct source *find_source(const struct collector *c, const char *key)
{
	for (size_t i = 0; i < c->n; i++)
		if (streq(source_key(c->source[i]), key))
			return c->source[i];
	return NULL;
}

static void add_source(struct collector *c, const char *key, const char *url, const char *socket)
{
	struct source *known = find_source(c, key);

	/* one a machine, for its place in the journal is one file: the new address waits for the old one's end */
	if (known && !source_is(known, key, url))
		source_end(known);
	if (known || c->n == MAX_SOURCES)
		return;
	c->source[c->n++] = source_new(c->sink, c->logs, key, url, socket);
	LOG(INFO, "logs.source", KV("machine", key), KV("at", socket ? socket : url));
}

static bool is_file_name(const char *s)
{
	return s[0] && s[0] != '.' &&
	       strspn(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.") ==
		       strlen(s);
}

/* the leader removes those that the engine does not list any more, and none while the engine is away */
SQL(COLLECT_MACHINES, "SELECT id, address FROM machine WHERE address <> '' ORDER BY id");

static bool is_listed(const PGresult *r, const char *key)
{
	for (int i = 0; i < db_rows(r); i++)
		if (streq(db_text(r, i, "id"), key))
			return true;
	return false;
}

/* machines that are gone for good, or have another address by now */
static void drop_sources(struct collector *c)
{
	int64_t now = clock_mono_ms();
	size_t kept = 0;

	for (size_t i = 0; i < c->n; i++) {
		struct source *s = c->source[i];

		if (source_over(s, now))
			source_end(s);
		if (!source_over(s, now) || !source_idle(s)) {
			c->source[kept++] = s;
			continue;
		}
		LOG(INFO, "logs.source_over", KV("machine", source_key(s)));
		source_keep(s);
		source_free(s);
	}
	c->n = kept;
}

static void look_for_machines(struct collector *c)
{
	auto_result PGresult *r = NULL;
	struct err e;

	if (!c->cfg->engine[0]) {
		add_source(c, "agent", "http://agent", c->agent);
		return;
	}
	if (!db_query(&c->db, &r, &e, COLLECT_MACHINES))
		return;
	for (int i = 0; i < db_rows(r); i++) {
		const char *address = db_text(r, i, "address");
		bool v6 = strchr(address, ':');
		auto_free char *url = xasprintf("http://%s%s%s:%lld", v6 ? "[" : "", address,
			v6 ? "]" : "", (long long)c->cfg->journal_port);

		if (is_file_name(db_text(r, i, "id")))
			add_source(c, db_text(r, i, "id"), url, NULL);
	}
	for (size_t i = 0; i < c->n; i++)
		source_listed(
			c->source[i], is_listed(r, source_key(c->source[i])), clock_mono_ms());
}

static void do_what_is_due(struct collector *c)
{
	int64_t now = clock_mono_ms();
	struct err e;

	if (sink_dirty(c->sink) && now - c->told >= TELL_MS) {
		c->told = now;
		sink_tell(c->sink);
	}
	if (now - c->looked >= MACHINES_MS) {
		c->looked = now;
		look_for_machines(c);
	}
	if (now - c->ticked >= TICK_MS) {
		c->ticked = now;
		for (size_t i = 0; i < c->n; i++)
			source_tick(c->source[i]);
		drop_sources(c);
		sink_close_idle(c->sink);
	}
	if (now - c->swept >= SWEEP_MS) {
		c->swept = now;
		if (!sink_sweep(c->sink, &e))
			LOG(WARNING, "logs.sweep", KV("error", e.msg), KV("detail", e.detail));
	}
}

static void follow(struct collector *c)
{
	while (!pause_ms(c, 0)) {
		const struct http_call *ended;

		do_what_is_due(c);
		/* a new connection does not hold the lock */
		if (c->db.connects > 1) {
			LOG(WARNING, "logs.lock_lost");
			return;
		}
		for (size_t i = 0; i < c->n; i++)
			source_begin(c->source[i], c->http);
		ended = http_turn(c->http, sink_dirty(c->sink) ? TELL_MS : TICK_MS / 2, c->signals);
		for (size_t i = 0; ended && i < c->n; i++)
			if (source_ended(c->source[i], ended))
				break;
	}
}

int collect_run(const struct config *cfg)
{
	struct collector c = { .cfg = cfg,
		.signals = watch_signals(),
		.db_folder = xasprintf("%s/run/db", cfg->state),
		.logs = xasprintf("%s/logs", cfg->state),
		.agent = xasprintf("%s/run/agent/read.sock", cfg->state) };
	int rc = 0;
	int64_t long_ago = clock_mono_ms() - SWEEP_MS;
	struct err e;
	auto_free char *cursors = xasprintf("%s/logs/cursor", cfg->state);

	if (!dir_make(cursors, 0750, &e))
		rc = die(&e);
	else if (become_the_one(&c)) {
		LOG(INFO, "logs.start");
		c.looked = c.swept = c.ticked = long_ago;
		c.http = http_new();
		c.sink = sink_new(cfg, &c.db);
		follow(&c);
		http_free(c.http);
		sink_tell(c.sink);
		for (size_t i = 0; i < c.n; i++) {
			source_keep(c.source[i]);
			source_free(c.source[i]);
		}
		sink_free(c.sink);
	}
	db_close(&c.db);
	(void)close(c.signals);
	free(c.db_folder);
	free(c.logs);
	free(c.agent);
	return rc;
}
