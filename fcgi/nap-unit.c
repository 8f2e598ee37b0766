/* nap-unit: what runsv runs for one unit, and the probe of what this machine allows. */
#include "base/text.h"
#include "unit/probe.h"
#include "unit/run.h"

static int usage(void)
{
	(void)fputs("usage: nap-unit run DIR\n       nap-unit finish DIR CODE SIGNAL\n"
		    "       nap-unit --probe STATE\n       nap-unit --options\n",
		stderr);
	return 2;
}

/* one word; "none" where nothing works, unless NAP_ISOLATION asked for something else: then it fails */
static int probe(const char *state, struct arena *a)
{
	enum isolation found = ISOLATION_NONE;
	struct err e = { 0 };
	const char *wanted = getenv("NAP_ISOLATION");

	if (!isolation_probe(state, wanted, a, &found, &e) && wanted && *wanted)
		return die(&e);
	(void)printf("%s\n", isolation_word(found));
	return 0;
}

int main(int argc, char **argv)
{
	auto_arena struct arena a = { 0 };
	struct err e = { 0 };
	struct unit u;
	int64_t code, sig;

	if (argc == 2 && streq(argv[1], "--options")) {
		unit_options_table(stdout);
		return 0;
	}
	if (argc == 3 && streq(argv[1], "--probe"))
		return probe(argv[2], &a);
	if (argc < 3 || (!streq(argv[1], "run") && !streq(argv[1], "finish")))
		return usage();
	if (!unit_open(argv[2], &a, &u, &e))
		return die(&e);
	if (streq(argv[1], "run"))
		return unit_run(&u);
	if (argc != 5 || !parse_i64(argv[3], -1, 255, &code) || !parse_i64(argv[4], 0, 65535, &sig))
		return usage();
	return unit_finish(&u, (int)code, (int)sig & 127);
}
