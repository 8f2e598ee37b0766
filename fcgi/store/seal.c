#include "store/seal.h"

#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <sodium.h>

#define NONCE	       crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG	       crypto_aead_xchacha20poly1305_ietf_ABYTES
#define VARIANT	       sodium_base64_VARIANT_ORIGINAL_NO_PADDING
#define MAX_FILE_BYTES 4096

_Static_assert(SEAL_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "a key's size");

static void ready(void)
{
	int rc = sodium_init(); /* 1: was already */

	assert(rc >= 0);
}

static bool read_line(struct slice line, struct seal_key *ret)
{
	const char *blank = memchr(line.p, ' ', line.n);
	auto_free char *hex = NULL;
	bool ok;

	if (!blank || !parse_slice_i64((struct slice){ line.p, (size_t)(blank - line.p) }, 1,
			      INT64_MAX, &ret->id))
		return false;
	hex = xstrndup(blank + 1, line.n - (size_t)(blank + 1 - line.p));
	ok = hex_decode(ret->key, sizeof ret->key, hex);
	sodium_memzero(hex, strlen(hex));
	return ok;
}

/* beside and linked, so that it is whole from its first moment and one that came first is left */
static bool make(const char *path, struct err *e)
{
	auto_free char *fresh = xasprintf("%s.%d.new", path, (int)getpid());
	unsigned char key[SEAL_KEY_BYTES];
	char line[2 * SEAL_KEY_BYTES + 8] = "1 ";
	bool ok;

	randombytes_buf(key, sizeof key);
	hex_encode(line + 2, key, sizeof key);
	line[2 + 2 * SEAL_KEY_BYTES] = '\n';
	ok = file_replace(fresh, line, 3 + 2 * SEAL_KEY_BYTES, 0600, e);
	sodium_memzero(key, sizeof key);
	sodium_memzero(line, sizeof line);
	if (ok && link(fresh, path) < 0 && errno != EEXIST)
		ok = err_errno(e, "could not make \"%s\"", path);
	(void)unlink(fresh);
	return ok;
}

bool seal_load(const struct config *cfg, struct seal *ret, struct err *e)
{
	auto_arena struct arena a = { 0 };
	const char *folder = arena_printf(&a, "%s/secret", cfg->state),
		   *path = arena_printf(&a, "%s/keys", folder);
	auto_seal struct seal s = { .n = 0 };
	struct slice rest, line;
	char *text;

	ready();
	if (!dir_make(folder, 0700, e) || (access(path, F_OK) < 0 && !make(path, e)) ||
		!file_read(path, MAX_FILE_BYTES, &a, &text, NULL, e))
		return false;
	rest = slice_of(text);
	while (slice_line(&rest, &line)) {
		if (s.n == SEAL_MAX_KEYS || !read_line(line, &s.keys[s.n]))
			return err_set(e, ERR_INTERNAL, "internal",
				"\"%s\" has a line that is no key, or too many of them", path);
		s.n++;
	}
	sodium_memzero(text, strlen(text));
	if (s.n == 0)
		return err_set(e, ERR_INTERNAL, "internal", "\"%s\" has no key", path);
	*ret = s;
	return true;
}

void seal_wipe(struct seal *s)
{
	sodium_memzero(s, sizeof *s);
}

static const char *data_of(const struct seal_place *place, struct arena *a)
{
	return arena_printf(
		a, "%jd/%jd/%s", (intmax_t)place->tenant, (intmax_t)place->app, place->name);
}

const char *seal_text(
	const struct seal *s, const struct seal_place *place, const char *text, struct arena *a)
{
	const struct seal_key *key = &s->keys[s->n - 1];
	const char *data = data_of(place, a);
	size_t n = strlen(text), size = NONCE + n + TAG,
	       text_size = sodium_base64_encoded_len(size, VARIANT);
	unsigned char *sealed = arena_alloc(a, size);
	char *base64 = arena_alloc(a, text_size);

	randombytes_buf(sealed, NONCE);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + NONCE, NULL,
		(const unsigned char *)text, n, (const unsigned char *)data, strlen(data), NULL,
		sealed, key->key);
	return arena_printf(a, "1:%jd:%s", (intmax_t)key->id,
		sodium_bin2base64(base64, text_size, sealed, size, VARIANT));
}

static const struct seal_key *find(const struct seal *s, int64_t id)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->keys[i].id == id)
			return &s->keys[i];
	return NULL;
}

static bool broken(struct err *e)
{
	return err_set(e, ERR_INTERNAL, "seal_broken", "a sealed secret was changed");
}

bool seal_open(const struct seal *s, const struct seal_place *place, const char *sealed,
	struct arena *a, char **ret, struct err *e)
{
	const char *data = data_of(place, a), *id = sealed + 2,
		   *colon = starts_with(sealed, "1:") ? strchr(id, ':') : NULL;
	const struct seal_key *key;
	unsigned char *bytes;
	int64_t number;
	size_t n;
	char *text;

	if (!colon ||
		!parse_slice_i64((struct slice){ id, (size_t)(colon - id) }, 1, INT64_MAX, &number))
		return broken(e);
	key = find(s, number);
	if (!key)
		return err_set(e, ERR_INTERNAL, "sealed_by_another_key",
			"a secret was sealed by key %jd, which the file of keys has not",
			(intmax_t)number);
	n = strlen(colon + 1);
	bytes = arena_alloc(a, n + 1);
	if (sodium_base642bin(bytes, n + 1, colon + 1, n, NULL, &n, NULL, VARIANT) != 0 ||
		n < NONCE + TAG)
		return broken(e);
	text = arena_alloc(a, n - NONCE - TAG + 1);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt((unsigned char *)text, NULL, NULL,
		    bytes + NONCE, n - NONCE, (const unsigned char *)data, strlen(data), bytes,
		    key->key) != 0)
		return broken(e);
	*ret = text;
	return true;
}
