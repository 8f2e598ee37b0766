/* nap-hook: the hooks pre-receive and update of every repository; argv[0] tells which. */
#include "push/push_hook.h"

int main(int argc, char **argv)
{
	return push_hook_main(argc, argv);
}
