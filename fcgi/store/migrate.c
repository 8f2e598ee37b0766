#include "store/migrate.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <sodium.h>

#define MAX_SCRIPT_BYTES (8 * 1024 * 1024)
#define LOCK_PATIENCE_MS 120000

struct migration {
	int64_t version;
	const char *name; /* 0001_init.sql */
	const char *text;
	char sha256[2 * crypto_hash_sha256_BYTES + 1];
};

static int by_version(const void *x, const void *y)
{
	const struct migration *a = x, *b = y;

	return (a->version > b->version) - (a->version < b->version);
}

static int is_script(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && ends_with(entry->d_name, ".sql");
}

static bool read_one(
	const char *folder, const char *name, struct arena *a, struct migration *ret, struct err *e)
{
	struct slice number = { name, strcspn(name, "_") };
	unsigned char hash[crypto_hash_sha256_BYTES];
	char *text;
	size_t n;

	ret->name = arena_strdup(a, name);
	if (number.n != 4 || name[number.n] != '_' ||
		!parse_slice_i64(number, 1, 9999, &ret->version))
		return err_set(e, ERR_INVALID, "migration_name",
			"file \"%s/%s\" is not named as a migration: 0001_name.sql is expected",
			folder, name);
	if (!file_read(arena_printf(a, "%s/%s", folder, name), MAX_SCRIPT_BYTES, a, &text, &n, e))
		return false;
	(void)crypto_hash_sha256(hash, (const unsigned char *)text, n);
	hex_encode(ret->sha256, hash, sizeof hash);
	ret->text = text;
	return true;
}

static bool read_folder(
	const char *folder, struct arena *a, struct migration **ret, size_t *ret_n, struct err *e)
{
	struct dirent **entries;
	int n = scandir(folder, &entries, is_script, alphasort);
	struct migration *list;
	bool ok = true;

	if (n < 0)
		return err_errno(e, "could not read folder \"%s\" of migrations", folder);
	list = arena_alloc(a, ((size_t)n + 1) * sizeof *list);
	for (int i = 0; i < n; i++) {
		ok = ok && read_one(folder, entries[i]->d_name, a, &list[i], e);
		free(entries[i]);
	}
	free(entries);
	if (!ok)
		return false;
	if (n == 0)
		return err_set(
			e, ERR_NOT_FOUND, "not_found", "folder \"%s\" holds no migrations", folder);
	qsort(list, (size_t)n, sizeof *list, by_version);
	for (int i = 1; i < n; i++)
		if (list[i].version == list[i - 1].version)
			return err_set(e, ERR_INVALID, "migration_name",
				"migrations \"%s\" and \"%s\" have the same number",
				list[i - 1].name, list[i].name);
	*ret = list;
	*ret_n = (size_t)n;
	return true;
}

/* not SQL(): this table is there before the schema is */
static const char TABLE[] =
	"CREATE TABLE IF NOT EXISTS migration (version integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL, "
	"applied_at timestamptz NOT NULL DEFAULT now())";
static const char DONE[] = "SELECT version, name, sha256 FROM migration ORDER BY version";
static const char NOTE[] = "INSERT INTO migration (version, name, sha256) VALUES ($1, $2, $3)";
static const char LOCK[] = "SELECT pg_advisory_lock(hashtext('nap migrate'))";
static const char UNLOCK[] = "SELECT pg_advisory_unlock(hashtext('nap migrate'))";

static const struct migration *find(const struct migration *list, size_t n, int64_t version)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].version == version)
			return &list[i];
	return NULL;
}

/* everything that ran must be in the folder, unchanged; says in ran[i] which did */
static bool compare(struct db *db, const struct migration *list, size_t n, bool *ran, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!db_query(db, &r, e, DONE))
		return false;
	for (int i = 0; i < db_rows(r); i++) {
		int64_t version = db_i64(r, i, "version");
		const struct migration *m = find(list, n, version);

		if (!m)
			return err_set(e, ERR_CONFLICT, "schema_newer",
				"the database has migration \"%s\", which this nap does not know: "
				"it belongs to a newer nap, so start that one, or restore a backup",
				db_text(r, i, "name"));
		if (!streq(m->sha256, db_text(r, i, "sha256")))
			return err_set(e, ERR_CONFLICT, "schema_changed",
				"migration \"%s\" is not the one that made this database: put the "
				"released file back, and make another change a new migration",
				m->name);
		ran[m - list] = true;
	}
	return true;
}

static bool run_one(struct db *db, const struct migration *m, struct err *e)
{
	auto_tx struct tx tx = { 0 };

	if (!tx_begin(db, &tx, e))
		return false;
	if (!db_script(db, m->text, e)) {
		if (e->kind == ERR_UPSTREAM)
			return false;
		char why[sizeof e->detail];

		(void)snprintf(why, sizeof why, "%s", e->detail);
		why[strcspn(why, "\n")] = '\0';
		return err_set(e, ERR_CONFLICT, "migration_failed", "migration \"%s\" failed: %s",
			m->name, why);
	}
	return db_exec(db, NULL, e, NOTE, I64(m->version), m->name, m->sha256) && tx_commit(&tx, e);
}

/* another start may be at it; its statements take longer than lock_timeout */
static bool lock(struct db *db, struct err *e)
{
	int64_t until = clock_mono_ms() + LOCK_PATIENCE_MS;

	while (!db_exec(db, NULL, e, LOCK))
		if (e->kind != ERR_BUSY || clock_mono_ms() >= until)
			return false;
	return true;
}

bool migrate(struct db *db, const char *folder, int *ret_n, struct err *e)
{
	auto_arena struct arena a = { 0 };
	struct migration *list = NULL;
	struct err ignored;
	size_t n = 0;
	bool *ran, ok;
	int done = 0;

	if (!read_folder(folder, &a, &list, &n, e) || !lock(db, e))
		return false;
	ran = arena_alloc(&a, n * sizeof *ran);
	ok = db_script(db, TABLE, e) && compare(db, list, n, ran, e);
	for (size_t i = 0; ok && i < n; i++)
		if (!ran[i]) {
			ok = run_one(db, &list[i], e);
			done += ok;
		}
	(void)!db_exec(db, NULL, &ignored, UNLOCK);
	if (ok && ret_n)
		*ret_n = done;
	return ok;
}
