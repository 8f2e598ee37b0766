#include "lead/keep.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>

#define TIDY_EVERY_MS 600000

SQL(KEEP_EVENTS,
	"DELETE FROM event WHERE id IN (SELECT id FROM event WHERE at < now() - interval '7 days' LIMIT 20000)");
SQL(KEEP_KEYS, "DELETE FROM idempotency WHERE at < now() - interval '24 hours'");
SQL(KEEP_SESSIONS, "DELETE FROM session WHERE expires_at < now()");
SQL(KEEP_FAILURES, "DELETE FROM login_failure WHERE last_at < now() - interval '1 day'");
SQL(KEEP_RUNS,
	"DELETE FROM run WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY app_id, release_id, number "
	"ORDER BY recorded_at DESC) AS n FROM run) r WHERE n > 20 LIMIT 20000)");
SQL(KEEP_OPERATIONS,
	"DELETE FROM operation WHERE id IN (SELECT id FROM operation WHERE ended_at < now() - interval '90 days' LIMIT 5000)");
SQL(KEEP_PORTS,
	"DELETE FROM port_lease WHERE instance_id IS NULL AND freed_at < now() - make_interval(secs => $1::double precision)");
SQL(KEEP_ANNOUNCEMENTS,
	"DELETE FROM announcement n WHERE NOT EXISTS (SELECT 1 FROM instance i WHERE i.unit = n.unit)");
SQL(KEEP_ADOPTED,
	"DELETE FROM adopted_unit a WHERE NOT EXISTS (SELECT 1 FROM unit u WHERE u.name = a.name) "
	"AND EXISTS (SELECT 1 FROM engine WHERE observed_at > a.at + interval '10 minutes')");

bool keep_tidy(struct leader *l, struct err *e)
{
	static const char *const plain[] = { KEEP_EVENTS, KEEP_KEYS, KEEP_SESSIONS, KEEP_FAILURES,
		KEEP_RUNS, KEEP_OPERATIONS, KEEP_ANNOUNCEMENTS, KEEP_ADOPTED };

	if (l->keep_at && clock_mono_ms() - l->keep_at < TIDY_EVERY_MS)
		return true;
	l->keep_at = clock_mono_ms();
	for (size_t k = 0; k < ARRAY_SIZE(plain); k++)
		if (!db_exec(l->db, NULL, e, plain[k]))
			return false;
	return db_exec(l->db, NULL, e, KEEP_PORTS, I64(l->cfg->port_rest));
}

SQL(KEEP_GENERATION,
	"UPDATE installation i SET generation = greatest(i.generation, $1::bigint) + 1 "
	"FROM (SELECT generation AS old FROM installation) o RETURNING i.generation, i.generation - 1 > o.old AS moved");

/* 0 if there is no file yet */
static int64_t read_generation(const char *path)
{
	auto_arena struct arena a = { 0 };
	char *text;
	struct err e;
	int64_t n;

	if (!file_read(path, 100, &a, &text, NULL, &e) ||
		!parse_slice_i64(
			slice_trim((struct slice){ text, strcspn(text, "\n") }), 0, INT64_MAX, &n))
		return 0;
	return n;
}

/* In place, one write of a fixed width: the folder above belongs to root, so nothing can be renamed in it. */
static void write_generation(const char *path, int64_t n)
{
	auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	char text[24];
	int len = snprintf(text, sizeof text, "%019lld\n", (long long)n);

	if (fd < 0 || pwrite(fd, text, (size_t)len, 0) != len || fsync(fd) != 0)
		LOG(WARNING, "lead.generation", KV("path", path), KV("error", strerror(errno)));
}

bool keep_generation(struct leader *l, bool *ret_old, struct err *e)
{
	auto_free char *path = xasprintf("%s/generation", l->cfg->state);
	auto_result PGresult *r = NULL;
	int64_t file = read_generation(path);

	if (!db_query(l->db, &r, e, KEEP_GENERATION, I64(file)))
		return false;
	/* first the table, then the file: a crash between the two leaves the file behind, never ahead */
	write_generation(path, db_i64(r, 0, "generation"));
	*ret_old = db_bool(r, 0, "moved");
	return true;
}
