/* The profile: any bytes. Faults and values stay within what the header promises. Seeds: tests/profiles.
 * clang -fsanitize=fuzzer,address,undefined -Ifcgi tests/fuzz/fuzz_profile.c libnap.a -ljansson */
#include "base/limits.h"
#include "model/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	auto_arena struct arena a = { 0 };
	struct profile p;
	struct err e;
	json_t *json;
	bool ok = profile_parse((const char *)data, n, &a, &p, &e);

	assert(p.command && p.build && p.image && p.health_path);
	assert(p.errors_n <= p.faults_n && (ok == (p.errors_n == 0)));
	assert(utf8_valid(p.command, strlen(p.command)) && utf8_valid(p.build, strlen(p.build)));
	if (ok) {
		assert(p.memory == 0 || p.memory >= MIN_MEMORY_BYTES);
		assert(p.scale >= -1 && p.scale <= MAX_INSTANCES);
		assert(p.port >= 0 && p.port <= 65535);
		assert(n <= MAX_PROFILE_BYTES);
	}
	json = profile_json(&p);
	assert(json);
	json_decref(json);
	return 0;
}
