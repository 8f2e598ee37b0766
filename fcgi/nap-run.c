/* nap-run: what stands between a sandbox and the program in it; it must need nothing of the machine's libraries. */
#include "base/base.h"
#include "node/init.h"
#include "node/program.h"

int main(int argc, char **argv)
{
	if (argc > 2 && streq(argv[1], "-i"))
		return init_main(argc - 2, argv + 2);
	if (argc == 3 && streq(argv[1], "-k"))
		return init_kill_main(argv[2]);
	if (argc > 1 && argv[1][0] != '-')
		return program_main(argv + 1);
	(void)fputs("usage: nap-run PROGRAM [ARG…], and what node/init.h says\n", stderr);
	return 2;
}
