/* nap-shell: what sshd runs for whoever came by SSH, whatever they asked for (ForceCommand of scripts/sshd.conf). */
#include "push/push_shell.h"

int main(int argc, char **argv)
{
	return push_shell_main(argc, argv);
}
