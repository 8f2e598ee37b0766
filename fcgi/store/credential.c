#include "store/credential.h"

#include "base/text.h"

#include <ctype.h>
#include <sodium.h>

#define SECRET_BYTES 32
#define SECRET_CHARS 43
#define HASH_PASSES  2
#define HASH_MEMORY  ((size_t)19 * 1024 * 1024)

_Static_assert(PASSWORD_HASH_SIZE >= crypto_pwhash_STRBYTES, "room for a hash");
_Static_assert(CREDENTIAL_HASH == crypto_hash_sha256_BYTES, "SHA-256");

static void ready(void)
{
	int rc = sodium_init(); /* 1: was already */

	assert(rc >= 0);
}

static void random_text(char *ret)
{
	unsigned char bytes[SECRET_BYTES];

	ready();
	randombytes_buf(bytes, sizeof bytes);
	(void)sodium_bin2base64(ret, SECRET_CHARS + 1, bytes, sizeof bytes,
		sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	sodium_memzero(bytes, sizeof bytes);
}

void credential_secret(char ret[CREDENTIAL_SIZE])
{
	random_text(ret);
}

void credential_token(char ret[CREDENTIAL_SIZE])
{
	memcpy(ret, "nap_", 4);
	random_text(ret + 4);
}

void credential_hash(const char *text, unsigned char ret[CREDENTIAL_HASH])
{
	ready();
	(void)crypto_hash_sha256(ret, (const unsigned char *)text, strlen(text));
}

bool credential_same(const unsigned char *a, const unsigned char *b)
{
	return sodium_memcmp(a, b, CREDENTIAL_HASH) == 0;
}

bool credential_is_token(const char *text)
{
	if (strlen(text) != 4 + SECRET_CHARS || !starts_with(text, "nap_"))
		return false;
	for (const char *p = text + 4; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_')
			return false;
	return true;
}

bool password_hash(const char *password, char ret[PASSWORD_HASH_SIZE], struct err *e)
{
	ready();
	if (crypto_pwhash_str_alg(ret, password, strlen(password), HASH_PASSES, HASH_MEMORY,
		    crypto_pwhash_ALG_ARGON2ID13) != 0)
		return err_set(
			e, ERR_BUSY, "retry", "there is too little memory to hash a password");
	return true;
}

bool password_is(const char *hash, const char *password)
{
	/* of a password that nobody has: a name that does not exist takes as long as one that does */
	static char nobody[PASSWORD_HASH_SIZE];
	bool known = hash && hash[0];

	ready();
	if (!known && !nobody[0]) {
		char secret[CREDENTIAL_SIZE];
		struct err e;

		random_text(secret);
		if (!password_hash(secret, nobody, &e))
			return false;
	}
	return crypto_pwhash_str_verify(known ? hash : nobody, password, strlen(password)) == 0 &&
	       known;
}

const char *password_wrong(const char *password)
{
	size_t n = strlen(password);

	if (n < MIN_PASSWORD_BYTES)
		return "must have at least 8 characters";
	if (n > MAX_PASSWORD_BYTES)
		return "must have at most 1024 bytes";
	return NULL;
}
