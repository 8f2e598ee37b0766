#include "lead/plan.h"

#include "lead/busy.h"
#include "model/address.h"

/* how many of a release: the one that is being started may ask for more or fewer than the one that serves */
#define WANTED \
	"CASE WHEN r.id = a.next_release_id THEN coalesce(a.scale_override, r.scale) ELSE a.instances END"

SQL(PLAN_GONE,
	"UPDATE instance i SET want = 'gone', want_at = now(), state = 'stopping', reason = NULL, since = now() "
	"FROM app a, release r WHERE a.id = i.app_id AND r.id = i.release_id AND i.want <> 'gone' AND (a.deleting OR a.stopped OR a.wave IN ('held', 'over') "
	"OR (i.release_id IS DISTINCT FROM a.release_id AND i.release_id IS DISTINCT FROM a.next_release_id "
	"AND r.state NOT IN ('live', 'retired')) "
	"OR (i.leave_at IS NOT NULL AND (NOT i.listened OR ($1::boolean "
	"AND (i.leave_at <= now() - make_interval(secs => $2::double precision) OR (i.port <> ALL ($3::integer[]) "
	"AND i.leave_at <= now() - make_interval(secs => least($2::double precision, 1))))))))");
SQL(PLAN_LEAVE,
	"UPDATE instance i SET leave_at = now() FROM app a, release r WHERE a.id = i.app_id AND r.id = i.release_id "
	"AND i.want <> 'gone' AND i.leave_at IS NULL AND (i.number > " WANTED " "
	"OR (i.release_id IS DISTINCT FROM a.release_id AND i.release_id IS DISTINCT FROM a.next_release_id "
	"AND (a.routed_release_id = a.release_id OR a.release_id IS NULL)))");
SQL(PLAN_STAY,
	"UPDATE instance i SET leave_at = NULL FROM app a, release r WHERE a.id = i.app_id AND r.id = i.release_id "
	"AND i.want <> 'gone' AND i.leave_at IS NOT NULL AND i.number <= " WANTED
	" AND i.release_id IN (a.release_id, a.next_release_id)");
SQL(PLAN_ADD,
	"INSERT INTO instance (tenant_id, app_id, release_id, number, unit) "
	"SELECT a.tenant_id, a.id, r.id, n, t.name || '.' || a.name || '.v' || r.number || '@' || n || '.service' "
	"FROM app a JOIN tenant t ON t.id = a.tenant_id JOIN release r ON r.id IN (a.release_id, a.next_release_id) "
	"CROSS JOIN LATERAL generate_series(1, " WANTED
	") n WHERE NOT a.stopped AND NOT a.deleting AND coalesce(a.wave, 'going') = 'going' "
	"AND NOT EXISTS (SELECT 1 FROM instance i WHERE i.release_id = r.id AND i.number = n) ORDER BY r.id, n "
	"ON CONFLICT DO NOTHING");

SQL(PLAN_LEAVING,
	"SELECT count(*) FROM instance WHERE leave_at IS NOT NULL AND want <> 'gone' AND listened");

/* where somebody waits for it: the list is long on a busy machine */
static bool look_busy(struct db *db, struct arena *a, const char **ret, struct err *e)
{
	int64_t n;

	if (!db_one_i64(db, &n, e, PLAN_LEAVING))
		return false;
	*ret = n ? busy_ports(a) : NULL;
	return true;
}

SQL(PLAN_WAVES, "SELECT nap_waves()");

bool plan_instances(struct db *db, const struct config *cfg, bool settled, struct err *e)
{
	auto_arena struct arena a = { 0 };
	const char *busy;

	/* leave_at is set behind the look at it: between the two lies one tick, which changes the routes */
	return db_exec(db, NULL, e, PLAN_WAVES) && db_exec(db, NULL, e, PLAN_STAY) &&
	       look_busy(db, &a, &busy, e) &&
	       db_exec(db, NULL, e, PLAN_GONE, BOOL(settled), I64(cfg->drain), busy) &&
	       db_exec(db, NULL, e, PLAN_LEAVE) && db_exec(db, NULL, e, PLAN_ADD);
}

SQL(PLAN_APP_PORT,
	"UPDATE app SET port = (SELECT p FROM generate_series($1::integer, $2::integer) p "
	"WHERE NOT EXISTS (SELECT 1 FROM app b WHERE b.port = p) ORDER BY p LIMIT 1) "
	"WHERE id = (SELECT id FROM app WHERE port IS NULL AND NOT deleting ORDER BY id LIMIT 1) "
	"AND EXISTS (SELECT 1 FROM generate_series($1::integer, $2::integer) p "
	"WHERE NOT EXISTS (SELECT 1 FROM app b WHERE b.port = p))");

bool plan_app_ports(struct db *db, const struct config *cfg, struct err *e)
{
	int64_t lo, hi, n = 1;

	if (cfg->domain[0])
		return true;
	if (!address_app_ports(cfg, &lo, &hi))
		return err_set(e, ERR_INVALID, "setting_invalid",
			"setting \"app_ports\" is \"%s\": two ports with a - between them are expected",
			cfg->app_ports);
	for (int k = 0; n > 0 && k < 100; k++)
		if (!db_exec(db, &n, e, PLAN_APP_PORT, I64(lo), I64(hi)))
			return false;
	return true;
}
