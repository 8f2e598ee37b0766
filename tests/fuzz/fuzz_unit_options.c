/* fcgi/unit/options.c: whatever a PUT carries is read without a fault, and what was read can be executed upon */
#include "unit/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "ExecStart", "ExecStartPre", "Environment",
		"BindPaths", "TimeoutStopSec", "MemoryMax", "LimitNOFILE", "SuccessExitStatus",
		"UMask", "WorkingDirectory", "CPUQuota", "TemporaryFileSystem", "After",
		"KillSignal" };
	static const struct unit_place place = {
		.name = "t.a-b.v1@3.service", .etc = "/e", .lib = "/l", .run = "/r"
	};
	auto_arena struct arena a = { 0 };
	json_auto_t *list = json_array();
	struct unit_words env = { 0 };
	struct unit_options o;
	struct err e;
	char *text;

	if (size < 1)
		return 0;
	text = arena_alloc(&a, size);
	for (size_t i = 1; i < size; i++)
		text[i - 1] = data[i] ? (char)data[i] : ' ';
	(void)json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "section", "Service", "name",
						  names[data[0] % ARRAY_SIZE(names)], "value",
						  json_stringn_nocheck(text, size - 1)));
	unit_environment_file(text, &a, &env);
	(void)unit_env_set(&env, &a, "X=a 'b c' \\t");
	if (!unit_options_parse(list, &place, &a, &o, &e))
		return 0;
	for (size_t i = 0; i < o.start.n; i++)
		(void)unit_expand(&o.start.v[i].argv, &env, &a);
	return 0;
}
