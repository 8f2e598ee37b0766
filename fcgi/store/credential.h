/*
 * Secrets that nap gives out and checks: tokens, sessions, passwords. Only hashes are kept.
 *
 * A token or session value has 256 random bits, so a plain SHA-256 is enough to keep it by; a password is a person's
 * and gets argon2id with 19 MiB and two passes (OWASP's smallest; sign-ins have a pool of their own).
 */
#ifndef NAP_STORE_CREDENTIAL_H
#define NAP_STORE_CREDENTIAL_H

#include "base/err.h"

#define CREDENTIAL_SIZE	   64 /* of a text with its NUL */
#define CREDENTIAL_HASH	   32
#define PASSWORD_HASH_SIZE 128 /* crypto_pwhash_STRBYTES */
#define MIN_PASSWORD_BYTES 8
#define MAX_PASSWORD_BYTES 1024

/* "nap_" and 43 letters, digits, - and _ */
void credential_token(char ret[CREDENTIAL_SIZE]);
/* the same without "nap_": session and CSRF values, first passwords */
void credential_secret(char ret[CREDENTIAL_SIZE]);
void credential_hash(const char *text, unsigned char ret[CREDENTIAL_HASH]);
/* in constant time */
bool credential_same(const unsigned char *a, const unsigned char *b);
/* "nap_" and 43 of the alphabet: what cannot be one is not asked the database about */
bool credential_is_token(const char *text);

/* ERR_BUSY "retry" where memory is short */
NODISCARD bool password_hash(const char *password, char ret[PASSWORD_HASH_SIZE], struct err *e);
/* hash NULL (no such tenant) takes as long and is false */
bool password_is(const char *hash, const char *password);
/* what is wrong with a new password, or NULL */
const char *password_wrong(const char *password);

#endif
