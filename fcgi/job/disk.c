#include "job/disk.h"

#include "base/file.h"
#include "job/git.h"
#include "job/keep.h"

#define SOURCES_A_SWEEP 100

/* $1: releases kept of each app; $2: the app */
SQL(DISK_TREES,
	"WITH kept AS (" KEPT_RELEASES
	" AND r.tenant_id = (SELECT tenant_id FROM app WHERE id = $2)), "
	"used AS (SELECT app_id, tree FROM kept UNION SELECT app_id, source_tree FROM kept "
	"UNION SELECT app_id, source_tree FROM build WHERE state <> 'gone' AND app_id = $2 "
	"UNION SELECT app_id, result_tree FROM build WHERE state <> 'gone' AND app_id = $2) "
	"SELECT tree FROM used WHERE tree IS NOT NULL GROUP BY tree HAVING min(app_id) = $2");
SQL(DISK_SOURCE,
	"INSERT INTO app_disk AS d (app_id, source, logs, measured_at) "
	"SELECT id, $2::bigint, $3::bigint, now() FROM app WHERE id = $1 FOR KEY SHARE "
	"ON CONFLICT (app_id) DO UPDATE SET source = excluded.source, logs = excluded.logs, measured_at = now()");

static int64_t log_bytes(const struct job *self)
{
	auto_free char *folder =
		xasprintf("%s/logs/%lld", self->cfg->state, (long long)self->app_id);
	struct disk_count c = { 0 };

	disk_count_add(&c, folder);
	return disk_count_end(&c);
}

bool disk_measure(struct job *self, struct err *e)
{
	auto_result PGresult *r = NULL;
	struct disk_count c = { 0 };

	if (!db_query(self->db, &r, e, DISK_TREES, I64(KEEP_RELEASES), I64(self->app_id)))
		return false;
	disk_count_add(&c, git_dir(self));
	for (int i = 0; i < db_rows(r); i++)
		disk_count_add(&c, arena_printf(&self->a, "%s/tree/%s", self->cfg->state,
					   db_text(r, i, "tree")));
	return db_exec(self->db, NULL, e, DISK_SOURCE, I64(self->app_id), I64(disk_count_end(&c)),
		I64(log_bytes(self)));
}

SQL(DISK_ALL,
	"SELECT a.id, coalesce(d.logs, 0) AS logs, coalesce(d.measured_at < now() - interval '1 day', true) AS due "
	"FROM app a LEFT JOIN app_disk d ON d.app_id = a.id WHERE NOT a.deleting ORDER BY d.measured_at NULLS FIRST");
SQL(DISK_LOGS, "UPDATE app_disk SET logs = $2 WHERE app_id = $1");

bool disk_sweep(struct job *self, struct err *e)
{
	auto_result PGresult *r = NULL;
	int sources = 0;

	if (!db_query(self->db, &r, e, DISK_ALL))
		return false;
	for (int i = 0; i < db_rows(r); i++) {
		int64_t now;

		self->app_id = db_i64(r, i, "id");
		if (db_bool(r, i, "due") && sources++ < SOURCES_A_SWEEP) {
			if (!disk_measure(self, e))
				return false;
			continue;
		}
		now = log_bytes(self);
		if (now != db_i64(r, i, "logs") &&
			!db_exec(self->db, NULL, e, DISK_LOGS, I64(self->app_id), I64(now)))
			return false;
	}
	return true;
}

SQL(DISK_LEFT, "SELECT quota_disk - used_disk FROM tenant WHERE id = $1");

bool disk_admit(struct job *job, int64_t bytes, struct err *e)
{
	int64_t left;

	if (!db_one_i64(job->db, &left, e, DISK_LEFT, I64(job->tenant_id)))
		return false;
	return bytes <= left ||
	       err_set(e, ERR_INVALID, "quota_disk",
		       "the source has %lld MiB unpacked, %lld of the disk quota are left",
		       (long long)(bytes >> 20), (long long)(MAX(left, 0) >> 20));
}
