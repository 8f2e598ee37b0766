/* nap: the command line. See cli/cli.h; its commands are the table of cli/command.c. */
#include "cli/cli.h"

int main(int argc, char **argv)
{
	return cli_run(argc, argv);
}
