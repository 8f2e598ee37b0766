/* SSH keys as people paste them and as nap makes them, and secrets sealed at rest. */
#include "base/file.h"
#include "base/text.h"
#include "model/ssh_key.h"
#include "store/seal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sodium.h>
#include <cmocka.h>

#define ED25519 "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPMWKFn8qosGjngTuQ+4eI3I+6vMM0++GlQ0v/cgqCGn"

/* "TYPE BASE64" of strings put behind their lengths; each is given with its size */
struct part {
	const void *p;
	size_t n;
};

static const char *wire(
	struct arena *a, const char *type, const char *inner, const struct part *parts, size_t n)
{
	unsigned char *blob = arena_alloc(a, 8192), *at = blob;
	char *text = arena_alloc(a, 12000);

	for (size_t i = 0; i <= n; i++) {
		struct part part = i ? parts[i - 1] : (struct part){ inner, strlen(inner) };

		at[2] = (unsigned char)(part.n >> 8);
		at[3] = (unsigned char)part.n;
		memcpy(at + 4, part.p, part.n);
		at += 4 + part.n;
	}
	(void)sodium_bin2base64(
		text, 12000, blob, (size_t)(at - blob), sodium_base64_VARIANT_ORIGINAL);
	return arena_printf(a, "%s %s", type, text);
}

static const char *wrong(struct arena *a, const char *text)
{
	struct ssh_key key;

	return ssh_key_parse(a, text, &key);
}

static void a_pasted_key_is_read_and_its_fingerprint_is_openssh_s(void **state)
{
	auto_arena struct arena a = { 0 };
	struct ssh_key key;
	char fingerprint[SSH_FINGERPRINT_SIZE];

	(void)state;
	assert_null(ssh_key_parse(&a, "\n " ED25519 "  Ada L\xc3\xb6we \r\n", &key));
	assert_string_equal(key.type, "ssh-ed25519");
	assert_string_equal(key.base64, &ED25519[12]);
	assert_string_equal(key.comment, "Ada L\xc3\xb6we");
	/* as ssh-keygen -l says */
	assert_string_equal(key.fingerprint, "SHA256:f8cwviTmaJBJJ1rFJiQOxOqZz23CtZ8x0HH+zZ5QijM");
	assert_true(ssh_key_fingerprint(key.base64, fingerprint));
	assert_string_equal(fingerprint, key.fingerprint);
	assert_null(ssh_key_parse(&a, ED25519, &key));
	assert_string_equal(key.comment, "");
}

static void what_is_no_public_key_is_refused(void **state)
{
	static const char *const texts[] = { "", "  \n", "ssh-ed25519", "ssh-ed25519 ",
		"ssh-ed25519 AAAA", "ssh-ed25519 !!!!",
		"ssh-dss AAAAB3NzaC1kc3M=", "restrict " ED25519, "command=\"x\" " ED25519,
		ED25519 "\n" ED25519, ED25519 " \x01", ED25519 " \xff",
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPMWKFn8qosGjngTuQ+4eI3I+6vMM0++GlQ0v/cgqC\xc9\x95",
		"sk-ssh-ed25519@openssh.com AAAAC3NzaC1lZDI1NTE5AAAAIA",
		"ecdsa-sha2-nistp256 " /* another type inside */
		"AAAAC3NzaC1lZDI1NTE5AAAAIPMWKFn8qosGjngTuQ+4eI3I+6vMM0++GlQ0v/cgqCGn" };
	auto_arena struct arena a = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_non_null(wrong(&a, texts[i]));
	assert_non_null(strstr(
		wrong(&a, "-----BEGIN OPENSSH PRIVATE KEY-----\nb3"), "a private key stays"));
	assert_string_equal(wrong(&a, ED25519 "\n" ED25519), "must be one line");
}

static void ecdsa_keys_are_of_their_curve(void **state)
{
	unsigned char point[133] = { 4 };
	auto_arena struct arena a = { 0 };

	(void)state;
#define ECDSA(type, curve, size) \
	wire(&a, type, type, (struct part[]){ { curve, strlen(curve) }, { point, size } }, 2)
	assert_null(wrong(&a, ECDSA("ecdsa-sha2-nistp256", "nistp256", 65)));
	assert_null(wrong(&a, ECDSA("ecdsa-sha2-nistp384", "nistp384", 97)));
	assert_null(wrong(&a, ECDSA("ecdsa-sha2-nistp521", "nistp521", 133)));
	assert_non_null(wrong(&a, ECDSA("ecdsa-sha2-nistp256", "nistp384", 65)));
	assert_non_null(wrong(&a, ECDSA("ecdsa-sha2-nistp256", "nistp256", 97)));
	point[0] = 2; /* compressed, which OpenSSH does not read */
	assert_non_null(wrong(&a, ECDSA("ecdsa-sha2-nistp256", "nistp256", 65)));
}

static void rsa_keys_have_2048_bits_or_more(void **state)
{
	unsigned char n[2050] = { 0, 0x80 }, e[] = { 1, 0, 1 };
	auto_arena struct arena a = { 0 };

	(void)state;
#define RSA(exponent, exponent_n, number, number_n) \
	wire(&a, "ssh-rsa", "ssh-rsa", \
		(struct part[]){ { exponent, exponent_n }, { number, number_n } }, 2)
	assert_null(wrong(&a, RSA(e, 3, n, 257)));
	assert_null(wrong(&a, RSA(e, 3, n, 2049)));
	assert_string_equal(wrong(&a, RSA(e, 3, n, 256)), "is an RSA key of less than 2048 bits");
	assert_string_equal(wrong(&a, RSA(e, 3, n, 2050)), "is an RSA key of more than 16384 bits");
	n[1] = 0x7f;
	assert_non_null(wrong(&a, RSA(e, 3, n, 257)));	   /* a zero that nothing asks for */
	assert_non_null(wrong(&a, RSA(e, 3, n + 1, 256))); /* 2047 bits */
	n[1] = 0xff;
	assert_non_null(wrong(&a, RSA(e, 3, n + 1, 256))); /* negative */
	assert_non_null(wrong(&a, RSA("\2", 1, n, 257)));
	assert_non_null(wrong(&a, RSA("\1", 1, n, 257)));
	assert_non_null(wrong(&a, RSA("", 0, n, 257)));
}

static void a_new_key_is_whole_and_another_each_time(void **state)
{
	auto_arena struct arena a = { 0 };
	struct ssh_key one, two, read;
	char *first, *second;

	(void)state;
	ssh_key_make(&a, "nap-acme", &first, &one);
	ssh_key_make(&a, "nap-acme", &second, &two);
	assert_true(starts_with(first, "-----BEGIN OPENSSH PRIVATE KEY-----\n"));
	assert_true(ends_with(first, "\n-----END OPENSSH PRIVATE KEY-----\n"));
	assert_string_not_equal(first, second);
	assert_string_not_equal(one.base64, two.base64);
	assert_null(ssh_key_parse(
		&a, arena_printf(&a, "%s %s %s", one.type, one.base64, one.comment), &read));
	assert_string_equal(read.fingerprint, one.fingerprint);
	assert_string_equal(read.comment, "nap-acme");
}

/* -- sealed texts -------------------------------------------------------------------------------------------------- */

static char folder[] = "/tmp/nap-seal-XXXXXX";
static struct config cfg;

static int make_folder(void **state)
{
	(void)state;
	cfg.state = mkdtemp(folder);
	return cfg.state ? 0 : -1;
}

static int remove_folder(void **state)
{
	struct err e;

	(void)state;
	return tree_remove(folder, &e) ? 0 : -1;
}

static void a_sealed_text_opens_in_its_place_alone(void **state)
{
	const struct seal_place mine = { 7, 3, "KEY" }, others[] = { { 8, 3, "KEY" },
		{ 7, 4, "KEY" }, { 7, 3, "KEZ" }, { 7, 0, "3/KEY" } };
	auto_arena struct arena a = { 0 };
	struct seal s;
	struct err e;
	const char *sealed;
	char *text, *broken;

	(void)state;
	assert_true(seal_load(&cfg, &s, &e));
	sealed = seal_text(&s, &mine, "s3cr3t", &a);
	assert_null(strstr(sealed, "s3cr3t"));
	assert_string_not_equal(sealed, seal_text(&s, &mine, "s3cr3t", &a));
	assert_true(seal_open(&s, &mine, sealed, &a, &text, &e));
	assert_string_equal(text, "s3cr3t");
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_false(seal_open(&s, &others[i], sealed, &a, &text, &e));
	for (size_t i = 0; i < strlen(sealed); i++) {
		broken = arena_strdup(&a, sealed);
		broken[i] ^= 4; /* stays a letter of base64, or is none */
		assert_false(seal_open(&s, &mine, broken, &a, &text, &e));
		broken[i] = '\0';
		assert_false(seal_open(&s, &mine, broken, &a, &text, &e));
	}
	assert_true(seal_open(&s, &mine, seal_text(&s, &mine, "", &a), &a, &text, &e));
	assert_string_equal(text, "");
}

static void the_file_of_keys_is_made_once_and_its_last_key_seals(void **state)
{
	const struct seal_place place = { 1, 0, "x" };
	const char *path = "/tmp", *old, *new;
	auto_arena struct arena a = { 0 };
	struct seal first, again, more;
	struct stat st;
	struct err e;
	char *text;

	(void)state;
	path = arena_printf(&a, "%s/secret/keys", folder);
	assert_true(seal_load(&cfg, &first, &e) && seal_load(&cfg, &again, &e));
	assert_memory_equal(first.keys[0].key, again.keys[0].key, SEAL_KEY_BYTES);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	old = seal_text(&first, &place, "old", &a);
	assert_true(file_read(path, 4096, &a, &text, NULL, &e));
	text = arena_printf(&a, "%s2 %064x\n", text, 5);
	assert_true(file_replace(path, text, strlen(text), 0600, &e));
	assert_true(seal_load(&cfg, &more, &e));
	new = seal_text(&more, &place, "new", &a);
	assert_true(starts_with(old, "1:1:") && starts_with(new, "1:2:"));
	assert_true(seal_open(&more, &place, old, &a, &text, &e));
	assert_string_equal(text, "old");
	assert_false(seal_open(&first, &place, new, &a, &text, &e));
	assert_string_equal(e.code, "sealed_by_another_key");
	assert_true(file_replace(path, "1 abc\n", 6, 0600, &e));
	assert_false(seal_load(&cfg, &more, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pasted_key_is_read_and_its_fingerprint_is_openssh_s),
		cmocka_unit_test(what_is_no_public_key_is_refused),
		cmocka_unit_test(ecdsa_keys_are_of_their_curve),
		cmocka_unit_test(rsa_keys_have_2048_bits_or_more),
		cmocka_unit_test(a_new_key_is_whole_and_another_each_time),
		cmocka_unit_test(a_sealed_text_opens_in_its_place_alone),
		cmocka_unit_test(the_file_of_keys_is_made_once_and_its_last_key_seals),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
