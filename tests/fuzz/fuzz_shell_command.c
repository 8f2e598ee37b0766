/* What a client asks nap's sshd for: any bytes. Whatever is no git command of the grammar names no app. Seeds:
 * tests/fuzz/shell_command. clang -fsanitize=fuzzer,address,undefined -Ifcgi tests/fuzz/fuzz_shell_command.c libnap.a */
#include "push/push_command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
	auto_free char *exact = xmalloc(n + 1); /* so that a read beyond it is seen */
	struct push_command c;
	size_t len;

	memcpy(exact, data, n);
	exact = xrealloc_array(exact, n ? n : 1, 1);
	push_command_parse(exact, n, &c);
	len = strnlen(c.app, sizeof c.app);
	assert(len < sizeof c.app && strspn(c.app, plain) == len);
	assert((c.verb == PUSH_VERB_NONE) == (n == 0));
	if (c.verb == PUSH_VERB_FETCH || c.verb == PUSH_VERB_PUSH) {
		assert(n > 16 && memcmp(exact, "git", 3) == 0 && exact[n - 1] == '\'');
		assert(len == 0 || memmem(exact, n, c.app, len));
	} else {
		assert(len == 0);
	}
	return 0;
}
