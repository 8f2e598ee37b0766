#include "lead/busy.h"

#include "base/base.h"
#include "base/buf.h"

#include <stdio.h>

#define PORTS	  65536
#define MAX_BYTES (PORTS * 6 + 16)

enum { ESTABLISHED = 1, SYN_SENT = 2, CLOSE_WAIT = 8 }; /* of proc(5), /proc/net/tcp */

static bool look_in(const char *path, bool seen[PORTS])
{
	auto_file FILE *f = fopen(path, "re");
	char line[512];

	while (f && fgets(line, sizeof line, f)) {
		unsigned int port, state;

		/* the first line holds the names of the columns */
		if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%*x %*[0-9A-Fa-f]:%x %x", &port, &state) ==
				2 &&
			port < PORTS &&
			(state == ESTABLISHED || state == SYN_SENT || state == CLOSE_WAIT))
			seen[port] = true;
	}
	return f && !ferror(f);
}

const bool *busy_by_port(struct arena *a)
{
	bool *seen = arena_alloc(a, PORTS * sizeof *seen);

	memset(seen, 0, PORTS * sizeof *seen);
	if (!look_in("/proc/net/tcp", seen))
		return NULL;
	(void)look_in("/proc/net/tcp6", seen); /* not there where the machine has no IPv6 */
	return seen;
}

const char *busy_ports(struct arena *a)
{
	const bool *seen = busy_by_port(a);
	auto_buf struct buf b = { 0 };

	if (!seen)
		return NULL;
	buf_init(&b, MAX_BYTES);
	buf_putc(&b, '{');
	for (int port = 1; port < PORTS; port++)
		if (seen[port])
			buf_printf(&b, "%s%d", b.len > 1 ? "," : "", port);
	buf_putc(&b, '}');
	return arena_strdup(a, b.data);
}
