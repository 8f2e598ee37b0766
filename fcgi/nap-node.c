/* nap-node: what a machine does for the units of nap that run on it; see node/node.h. */
#include "node/node.h"

#include <sys/stat.h>

static const struct {
	const char *name;
	int (*run)(struct node *n);
} COMMANDS[] = {
	{ "prepare", node_prepare },
	{ "announce", node_announce },
	{ "stopped", node_stopped },
};

int main(int argc, char **argv)
{
	auto_arena struct arena a = { 0 };
	struct err e = { 0 };
	struct node n;

	/* systemd gives the unit's UMask= to its + commands too; what the program's user is to read says so itself */
	(void)umask(022);
	if (argc >= 2 && streq(argv[1], "sweep"))
		return node_open_home(&a, &n, &e) ? node_sweep(&n, argv + 2) : die(&e);
	if (argc >= 2 && streq(argv[1], "watch"))
		return node_open_home(&a, &n, &e) ? node_watch(&n, argv + 2) : die(&e);
	for (size_t i = 0; argc == 3 && i < ARRAY_SIZE(COMMANDS); i++) {
		if (!streq(argv[1], COMMANDS[i].name))
			continue;
		if (!node_open(argv[2], &a, &n, &e))
			return die(&e);
		return COMMANDS[i].run(&n);
	}
	(void)fputs(
		"usage: nap-node prepare|announce|stopped UNIT\n       nap-node sweep|watch [FOLDER...]\n",
		stderr);
	return 2;
}
