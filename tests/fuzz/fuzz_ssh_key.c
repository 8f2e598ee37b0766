/* A pasted SSH key: any text. What is taken can stand in a line of authorized_keys. Seeds: tests/fuzz/ssh_key.
 * clang -fsanitize=fuzzer,address,undefined -Ifcgi tests/fuzz/fuzz_ssh_key.c libnap.a -lsodium */
#include "base/text.h"
#include "model/ssh_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
	auto_arena struct arena a = { 0 };
	auto_free char *text = xstrndup((const char *)data, n);
	char fingerprint[SSH_FINGERPRINT_SIZE];
	struct ssh_key key, again;

	if (ssh_key_parse(&a, text, &key))
		return 0;
	assert(strspn(key.base64, letters) == strlen(key.base64) && key.base64[0]);
	assert(utf8_valid(key.comment, strlen(key.comment)) && !strchr(key.comment, '\n'));
	assert(ssh_key_fingerprint(key.base64, fingerprint) && streq(fingerprint, key.fingerprint));
	assert(!ssh_key_parse(&a, arena_printf(&a, "%s %s", key.type, key.base64), &again));
	assert(streq(again.fingerprint, key.fingerprint));
	return 0;
}
