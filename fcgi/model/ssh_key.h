/*
 * SSH keys as OpenSSH writes them (RFC 4253 6.6, RFC 8709, RFC 5656; OpenSSH's PROTOCOL.key). Pure text.
 */
#ifndef NAP_MODEL_SSH_KEY_H
#define NAP_MODEL_SSH_KEY_H

#include "base/arena.h"

#define MAX_SSH_KEY_BYTES     (8 * 1024) /* of a public key's line; RSA of 16,384 bits has 2.8 KiB */
#define MAX_SSH_COMMENT_BYTES 200
#define SSH_FINGERPRINT_SIZE  51 /* "SHA256:", 43 of base64, NUL */
#define MIN_RSA_BITS	      2048

struct ssh_key {
	const char *type; /* "ssh-ed25519", "ecdsa-sha2-nistp256", -384, -521, "ssh-rsa" */
	const char *
		base64; /* of the key, without blanks: type and base64 are what authorized_keys(5) wants */
	const char *comment;			/* what stood behind it, printable; "" */
	char fingerprint[SSH_FINGERPRINT_SIZE]; /* as ssh-keygen -l shows it */
};

/*
 * One line of a .pub file, blanks and newlines around it left away. ed25519, ECDSA and RSA from MIN_RSA_BITS on; no
 * options before it. NULL, or what is wrong with it, in memory of a.
 */
const char *ssh_key_parse(struct arena *a, const char *text, struct ssh_key *ret);

/* "SHA256:…" of a key's base64; false: it is none */
bool ssh_key_fingerprint(const char *base64, char ret[SSH_FINGERPRINT_SIZE]);

/*
 * A new ed25519 key: the text of the private file (openssh-key-v1, without a passphrase; wipe it with ssh_key_wipe),
 * and its public half. In memory of a. Needs sodium_init.
 */
void ssh_key_make(
	struct arena *a, const char *comment, char **ret_private, struct ssh_key *ret_public);
void ssh_key_wipe(char *text);

#endif
