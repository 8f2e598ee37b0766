#include "node/listener.h"

/* Listening sockets stand first in the file, so the reading ends with them. */
static bool find_in(const char *path, int port, const uid_t *only, uid_t *ret)
{
	auto_file FILE *f = fopen(path, "re");
	char line[512];
	bool first = true;

	while (f && fgets(line, sizeof line, f)) {
		unsigned int local_port, state, owner;

		if (first) {
			first = false;
			continue;
		}
		if (sscanf(line,
			    " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*x:%*x %*x:%*x %*x %u",
			    &local_port, &state, &owner) != 3 ||
			state != 0x0a)
			return false;
		if ((int)local_port != port || (only && owner != *only))
			continue;
		if (ret)
			*ret = owner;
		return true;
	}
	return false;
}

bool listener_find(int port, const uid_t *only, uid_t *ret)
{
	return find_in("/proc/net/tcp", port, only, ret) ||
	       find_in("/proc/net/tcp6", port, only, ret);
}
