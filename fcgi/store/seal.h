/*
 * Secrets at rest (RULES 33): XChaCha20-Poly1305 with a key that stands in a file outside the database, and with the
 * place that the secret belongs to as associated data, so that a sealed text moved to another row opens nothing.
 *
 * The file, $NAP_STATE/secret/keys, is nap-worker's alone (0600): lines "ID HEX", 32 bytes each; the last one seals, all
 * of them open. A sealed text is "1:ID:BASE64" of nonce and cipher text. Who loses the file has lost what it sealed: it
 * belongs into a backup, and not beside the database's.
 */
#ifndef NAP_STORE_SEAL_H
#define NAP_STORE_SEAL_H

#include "base/arena.h"
#include "base/err.h"
#include "model/config.h"

#define SEAL_KEY_BYTES 32
#define SEAL_MAX_KEYS  16

struct seal {
	struct seal_key {
		int64_t id;
		unsigned char key[SEAL_KEY_BYTES];
	} keys[SEAL_MAX_KEYS];
	size_t n;
};

struct seal_place {
	int64_t tenant, app; /* app 0: of no app */
	const char *name;    /* "deploy_key", a variable's name */
};

/* Reads the file; makes it, and its folder, with a first key where there is none (two at once make one). */
NODISCARD bool seal_load(const struct config *cfg, struct seal *ret, struct err *e);
void seal_wipe(struct seal *s);
#define auto_seal __attribute__((cleanup(seal_wipe)))

/* in memory of a */
const char *seal_text(
	const struct seal *s, const struct seal_place *place, const char *text, struct arena *a);

/* ERR_INTERNAL "sealed_by_another_key": the file has lost its key; "seal_broken": it was changed, or is of another place */
NODISCARD bool seal_open(const struct seal *s, const struct seal_place *place, const char *sealed,
	struct arena *a, char **ret, struct err *e);

#endif
