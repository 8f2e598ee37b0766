#include "model/ssh_key.h"
#include "base/buf.h"
#include "base/text.h"

#include <sodium.h>

/* -- the wire form: strings behind their length, four bytes, big-endian (RFC 4251 5) ------------------------------ */

static bool take_string(struct slice *rest, struct slice *ret)
{
	const unsigned char *p = (const unsigned char *)rest->p;
	size_t n;

	if (rest->n < 4)
		return false;
	n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
	if (rest->n - 4 < n)
		return false;
	*ret = (struct slice){ rest->p + 4, n };
	rest->p += 4 + n;
	rest->n -= 4 + n;
	return true;
}

static void put_u32(struct buf *b, size_t n)
{
	const unsigned char be[4] = { n >> 24 & 0xff, n >> 16 & 0xff, n >> 8 & 0xff, n & 0xff };

	buf_add(b, be, sizeof be);
}

static void put_string(struct buf *b, const void *p, size_t n)
{
	put_u32(b, n);
	buf_add(b, p, n);
}

/* bits of a positive number written without leading zeros; 0: it is none */
static size_t mpint_bits(struct slice s)
{
	unsigned char first;
	size_t bits;

	if (s.n && s.p[0] == '\0') {
		if (s.n < 2 || !(s.p[1] & 0x80)) /* a zero that nothing asks for */
			return 0;
		s.p++;
		s.n--;
	} else if (s.n && (s.p[0] & 0x80)) {
		return 0; /* negative */
	}
	if (s.n == 0)
		return 0;
	first = (unsigned char)s.p[0];
	for (bits = (s.n - 1) * 8; first; first >>= 1)
		bits++;
	return bits;
}

static const char *check_ed25519(struct slice rest)
{
	struct slice point;

	return take_string(&rest, &point) && point.n == 32 && rest.n == 0
		       ? NULL
		       : "is no whole ed25519 key";
}

static const char *check_ecdsa(struct slice rest, const char *curve, size_t point_n)
{
	struct slice name, point;

	return take_string(&rest, &name) && slice_eq(name, curve) && take_string(&rest, &point) &&
			       point.n == point_n && point.p[0] == 4 && rest.n == 0
		       ? NULL
		       : "is no whole ECDSA key";
}

static const char *check_p256(struct slice rest)
{
	return check_ecdsa(rest, "nistp256", 65);
}

static const char *check_p384(struct slice rest)
{
	return check_ecdsa(rest, "nistp384", 97);
}

static const char *check_p521(struct slice rest)
{
	return check_ecdsa(rest, "nistp521", 133);
}

static const char *check_rsa(struct slice rest)
{
	struct slice e, n;
	size_t bits;

	if (!take_string(&rest, &e) || !take_string(&rest, &n) || rest.n || mpint_bits(e) < 2 ||
		!(e.p[e.n - 1] & 1))
		return "is no whole RSA key";
	bits = mpint_bits(n);
	return bits < MIN_RSA_BITS ? "is an RSA key of less than 2048 bits"
	       : bits > 16384	   ? "is an RSA key of more than 16384 bits"
				   : NULL;
}

static const struct {
	const char *type;
	const char *(*check)(struct slice rest);
} TYPES[] = {
	{ "ssh-ed25519", check_ed25519 },
	{ "ecdsa-sha2-nistp256", check_p256 },
	{ "ecdsa-sha2-nistp384", check_p384 },
	{ "ecdsa-sha2-nistp521", check_p521 },
	{ "ssh-rsa", check_rsa },
};

/* -- public keys --------------------------------------------------------------------------------------------------- */

static void fingerprint_of(const void *blob, size_t n, char ret[SSH_FINGERPRINT_SIZE])
{
	unsigned char hash[crypto_hash_sha256_BYTES];

	(void)crypto_hash_sha256(hash, blob, n);
	memcpy(ret, "SHA256:", 7);
	(void)sodium_bin2base64(ret + 7, SSH_FINGERPRINT_SIZE - 7, hash, sizeof hash,
		sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
}

static bool decode(struct slice base64, unsigned char *ret, size_t *ret_n)
{
	return sodium_base642bin(ret, base64.n, base64.p, base64.n, NULL, ret_n, NULL,
		       sodium_base64_VARIANT_ORIGINAL) == 0;
}

bool ssh_key_fingerprint(const char *base64, char ret[SSH_FINGERPRINT_SIZE])
{
	unsigned char blob[MAX_SSH_KEY_BYTES];
	struct slice s = slice_of(base64);
	size_t n;

	if (s.n == 0 || s.n > sizeof blob || !decode(s, blob, &n))
		return false;
	fingerprint_of(blob, n, ret);
	return true;
}

static char *base64_of(struct arena *a, const void *p, size_t n)
{
	size_t size = sodium_base64_encoded_len(n, sodium_base64_VARIANT_ORIGINAL);

	return sodium_bin2base64(arena_alloc(a, size), size, p, n, sodium_base64_VARIANT_ORIGINAL);
}

static struct slice cut_word(struct slice *rest)
{
	struct slice word = { rest->p, 0 };

	while (word.n < rest->n && rest->p[word.n] != ' ' && rest->p[word.n] != '\t')
		word.n++;
	*rest = slice_trim((struct slice){ rest->p + word.n, rest->n - word.n });
	return word;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice without_blanks(const char *text)
{
	struct slice s = slice_of(text);

	while (s.n && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

static const char *check_line(struct slice line)
{
	if (line.n == 0)
		return "must not be empty";
	if (line.n > MAX_SSH_KEY_BYTES)
		return "is too long";
	if (line.n > 10 && memcmp(line.p, "-----BEGIN", 10) == 0)
		return "is no public key in OpenSSH's form: the line of a file ending in .pub is expected; a private key stays where it is";
	for (size_t i = 0; i < line.n; i++)
		if ((unsigned char)line.p[i] < ' ' && line.p[i] != '\t')
			return "must be one line";
	return utf8_valid(line.p, line.n) ? NULL : "must be UTF-8";
}

const char *ssh_key_parse(struct arena *a, const char *text, struct ssh_key *ret)
{
	struct slice rest = without_blanks(text), type, base64, wire, inner;
	const char *wrong = check_line(rest);
	unsigned char *blob;
	size_t i, n;

	if (wrong)
		return wrong;
	type = cut_word(&rest);
	base64 = cut_word(&rest);
	for (i = 0; i < ARRAY_SIZE(TYPES) && !slice_eq(type, TYPES[i].type); i++)
		;
	if (i == ARRAY_SIZE(TYPES))
		return "must begin with ssh-ed25519, ecdsa-sha2-nistp256, -384, -521 or ssh-rsa";
	blob = arena_alloc(a, base64.n + 1);
	/* sodium reads some letters beyond ASCII as well: what is kept is what it writes itself */
	if (!decode(base64, blob, &n) || !slice_eq(base64, base64_of(a, blob, n)))
		return "has no base64 behind its type";
	wire = (struct slice){ (const char *)blob, n };
	if (!take_string(&wire, &inner) || !slice_eq(inner, TYPES[i].type))
		return "is another key inside than its first word says";
	wrong = TYPES[i].check(wire);
	if (wrong)
		return wrong;
	*ret = (struct ssh_key){ .type = TYPES[i].type,
		.base64 = arena_strndup(a, base64.p, base64.n) };
	while (rest.n > MAX_SSH_COMMENT_BYTES || (rest.n && !utf8_valid(rest.p, rest.n)))
		rest.n--;
	ret->comment = utf8_scrub(a, rest.p, rest.n);
	fingerprint_of(blob, n, ret->fingerprint);
	return NULL;
}

/* -- new keys ------------------------------------------------------------------------------------------------------ */

#define MAX_FILE_BYTES 1024
#define LINE_CHARS     70

static void put_public(struct buf *b, const unsigned char *public)
{
	put_string(b, "ssh-ed25519", 11);
	put_string(b, public, crypto_sign_PUBLICKEYBYTES);
}

/* the part that a passphrase would cover: two equal check numbers, the key, its comment, and 1 2 3 … up to full blocks */
static void put_private(struct buf *b, const unsigned char *public, const unsigned char *secret,
	const char *comment)
{
	uint32_t check = randombytes_random();
	auto_buf struct buf part = { 0 };

	buf_init(&part, MAX_FILE_BYTES);
	put_u32(&part, check);
	put_u32(&part, check);
	put_public(&part, public);
	put_string(&part, secret, crypto_sign_SECRETKEYBYTES);
	put_string(&part, comment, strlen(comment));
	for (char pad = 1; part.len % 8; pad++)
		buf_putc(&part, pad);
	put_string(b, part.data, part.len);
	sodium_memzero(part.data, part.len);
}

static char *file_of(struct arena *a, const char *base64)
{
	auto_buf struct buf b = { 0 };
	char *text;

	buf_init(&b, 2 * MAX_FILE_BYTES);
	buf_puts(&b, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
	for (size_t n = strlen(base64), at = 0; at < n; at += LINE_CHARS) {
		buf_add(&b, base64 + at, MIN(n - at, (size_t)LINE_CHARS));
		buf_putc(&b, '\n');
	}
	buf_puts(&b, "-----END OPENSSH PRIVATE KEY-----\n");
	text = arena_strndup(a, b.data, b.len);
	sodium_memzero(b.data, b.len);
	return text;
}

void ssh_key_make(
	struct arena *a, const char *comment, char **ret_private, struct ssh_key *ret_public)
{
	unsigned char public[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];
	auto_buf struct buf blob = { 0 }, whole = { 0 };
	char *base64;

	buf_init(&blob, MAX_FILE_BYTES);
	buf_init(&whole, MAX_FILE_BYTES);
	(void)crypto_sign_keypair(public, secret);
	put_public(&blob, public);
	buf_add(&whole, "openssh-key-v1", 15); /* with its NUL */
	put_string(&whole, "none", 4);	       /* cipher */
	put_string(&whole, "none", 4);	       /* how the passphrase becomes a key */
	put_string(&whole, "", 0);
	put_u32(&whole, 1);
	put_string(&whole, blob.data, blob.len);
	put_private(&whole, public, secret, comment);
	assert(!whole.failed); /* comments are names of tenants */
	base64 = base64_of(a, whole.data, whole.len);
	*ret_private = file_of(a, base64);
	ssh_key_wipe(base64);
	sodium_memzero(whole.data, whole.len);
	sodium_memzero(secret, sizeof secret);
	*ret_public = (struct ssh_key){ .type = "ssh-ed25519",
		.base64 = base64_of(a, blob.data, blob.len),
		.comment = arena_strdup(a, comment) };
	fingerprint_of(blob.data, blob.len, ret_public->fingerprint);
}

void ssh_key_wipe(char *text)
{
	sodium_memzero(text, strlen(text));
}
