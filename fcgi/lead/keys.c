#include "lead/keys.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "store/deploy_key.h"
#include "store/ssh_key.h"

#define MAX_PASSWD_BYTES (16 * 1024 * 1024)
#define MAX_KEYS_BYTES	 (1024 * 1024) /* of a tenant: a hundred keys */
#define MADE_AT_ONCE	 50

struct files {
	struct arena a;
	const char *folder; /* $NAP_STATE/ssh */
	struct stat owner;  /* of its sshd */
	const PGresult *keys;
	struct buf passwd;
};

static bool is_same(struct files *f, const char *path, const struct buf *b)
{
	struct err ignored;
	char *text;
	size_t n;

	return file_read(path, b->max, &f->a, &text, &n, &ignored) && n == b->len &&
	       memcmp(text, b->data, n) == 0;
}

static bool put(struct files *f, const char *path, const struct buf *b, struct err *e)
{
	if (b->failed)
		return err_set(e, ERR_INTERNAL, "internal", "\"%s\" would be too large", path);
	return is_same(f, path, b) || file_replace(path, b->data, b->len, 0640, e);
}

/* the keys of one tenant, rows from first on; *ret_next: the first of the next one */
static bool put_tenant(struct files *f, int first, int *ret_next, struct err *e)
{
	const char *tenant = db_text(f->keys, first, "tenant");
	auto_buf struct buf b = { 0 };
	int i;

	buf_init(&b, MAX_KEYS_BYTES);
	for (i = first; i < db_rows(f->keys) && streq(db_text(f->keys, i, "tenant"), tenant); i++)
		buf_printf(&b, "restrict,environment=\"NAP_KEY=%s\" %s %s\n",
			db_text(f->keys, i, "id"), db_text(f->keys, i, "type"),
			db_text(f->keys, i, "base64"));
	buf_printf(&f->passwd, "%s:x:%u:%u::/:/bin/sh\n", tenant, f->owner.st_uid, f->owner.st_gid);
	*ret_next = i;
	return put(f, arena_printf(&f->a, "%s/keys/%s", f->folder, tenant), &b, e);
}

static bool has_keys(const struct files *f, const char *tenant)
{
	int low = 0, high = db_rows(f->keys);

	while (low < high) {
		int middle = low + (high - low) / 2;
		int order = strcmp(db_text(f->keys, middle, "tenant"), tenant);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* files of tenants that have none any more, and what a write that was cut off left */
static bool remove_others(struct files *f, struct err *e)
{
	const char *folder = arena_printf(&f->a, "%s/keys", f->folder);
	auto_dir DIR *d = opendir(folder);
	const struct dirent *entry;

	if (!d)
		return err_errno(e, "could not open \"%s\"", folder);
	while ((entry = readdir(d)))
		if (!is_dot(entry->d_name) && !has_keys(f, entry->d_name) &&
			unlinkat(dirfd(d), entry->d_name, 0) < 0)
			return err_errno(e, "could not remove \"%s/%s\"", folder, entry->d_name);
	return true;
}

static bool write_files(struct files *f, struct err *e)
{
	bool ok = remove_others(f, e); /* who is to be kept out first */

	for (int i = 0; ok && i < db_rows(f->keys);)
		ok = put_tenant(f, i, &i, e);
	return ok && put(f, arena_printf(&f->a, "%s/passwd", f->folder), &f->passwd, e);
}

static bool put_files(const struct leader *l, const PGresult *keys, struct err *e)
{
	struct files f = { .keys = keys };
	bool ok = true;

	buf_init(&f.passwd, MAX_PASSWD_BYTES);
	f.folder = arena_printf(&f.a, "%s/ssh", l->cfg->state);
	if (stat(arena_printf(&f.a, "%s/host", f.folder), &f.owner) == 0)
		ok = write_files(&f, e);
	buf_release(&f.passwd);
	arena_clear(&f.a);
	return ok;
}

/* *ret_all: no tenant is without one now */
static bool make_deploy_keys(struct leader *l, bool *ret_all, struct err *e)
{
	auto_result PGresult *r = NULL;
	auto_seal struct seal seal = { .n = 0 };
	struct err why;

	if (!deploy_key_missing(l->db, MADE_AT_ONCE, &r, e))
		return false;
	*ret_all = db_rows(r) == 0;
	if (*ret_all)
		return true;
	if (!seal_load(l->cfg, &seal, &why)) {
		LOG(ERROR, "lead.seal", KV("error", why.msg));
		return true;
	}
	for (int i = 0; i < db_rows(r); i++)
		if (!deploy_key_make(l->db, &seal, db_i64(r, i, "id"), db_text(r, i, "name"), e))
			return false;
	*ret_all = db_rows(r) < MADE_AT_ONCE;
	return true;
}

bool keys_apply(struct leader *l, struct err *e)
{
	auto_result PGresult *keys = NULL;
	int64_t version;
	struct err why;
	bool all;

	if (!ssh_key_all(l->db, l->keys_version, &version, &keys, e))
		return false;
	if (!keys)
		return true;
	if (!lock_check(&l->lock, e))
		return false;
	if (!put_files(l, keys, &why)) {
		LOG(ERROR, "lead.keys", KV("error", why.msg));
		l->moving = true;
		return true;
	}
	if (!make_deploy_keys(l, &all, e))
		return false;
	if (all)
		l->keys_version = version;
	else
		l->moving = true;
	return true;
}
