#include "node/health.h"
#include "base/clock.h"
#include "base/text.h"
#include "node/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

/* ---- who listens ---- */

/*
 * One question to the kernel by sock_diag(7), exact, so that its cost does not grow with the number of instances.
 * 1: ret is written; 0: nobody listens; -1: the kernel does not know the question
 */
static int ask_kernel(int port, uid_t *ret)
{
	struct {
		struct nlmsghdr h;
		struct inet_diag_req_v2 q;
	} request = {
		.h = { .nlmsg_len = sizeof request,
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST },
		.q = { .sdiag_family = AF_INET,
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_states = 1 << 10 /* TCP_LISTEN */,
			.id = { .idiag_sport = htons((uint16_t)port),
				.idiag_src = { htonl(INADDR_LOOPBACK) },
				.idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE } } },
	};
	union {
		struct nlmsghdr h;
		char bytes[8192];
	} answer;
	auto_fd int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	ssize_t n;

	if (fd < 0 || send(fd, &request, sizeof request, 0) < 0)
		return -1;
	n = recv(fd, &answer, sizeof answer, 0);
	if (n < (ssize_t)sizeof answer.h || !NLMSG_OK(&answer.h, (size_t)n))
		return -1;
	if (answer.h.nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *err = NLMSG_DATA(&answer.h);

		return err->error == -ENOENT && answer.h.nlmsg_len >= NLMSG_LENGTH(sizeof *err)
			       ? 0
			       : -1;
	}
	if (answer.h.nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
		return -1;
	*ret = ((const struct inet_diag_msg *)NLMSG_DATA(&answer.h))->idiag_uid;
	return 1;
}

bool health_listener(int port, uid_t *ret)
{
	int known = ask_kernel(port, ret);

	return known == 1 || (known < 0 && listener_find(port, NULL, ret));
}

/* ---- whether it answers ---- */

bool health_path_fine(const char *path)
{
	size_t n = strlen(path);

	if (n == 0 || n > 201 || path[0] != '/')
		return false;
	for (size_t i = 0; i < n; i++)
		if (path[i] < '!' || path[i] > '~')
			return false;
	return true;
}

static bool wait_for(int fd, short what, int64_t deadline)
{
	struct pollfd p = { fd, what, 0 };
	int64_t left;

	while ((left = deadline - clock_mono_ms()) > 0) {
		int n = poll(&p, 1, (int)left);

		if (n > 0)
			return true;
		if (n < 0 && errno != EINTR)
			return false;
	}
	return false;
}

static bool connect_to(int fd, int port, int64_t deadline)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(int);
	int failed = 0;

	if (connect(fd, (struct sockaddr *)&sin, sizeof sin) == 0)
		return true;
	return errno == EINPROGRESS && wait_for(fd, POLLOUT, deadline) &&
	       getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len) == 0 && failed == 0;
}

/* to its end, or 64 KiB of it: a program that is still writing would take a reset for a fault of its own */
static void read_rest(int fd, int64_t deadline)
{
	char text[4096];
	ssize_t n = 1;

	for (int i = 0; i < 16 && n > 0 && wait_for(fd, POLLIN, deadline); i++)
		n = recv(fd, text, sizeof text, 0);
}

static bool get(int fd, int port, const char *path, int64_t deadline)
{
	auto_free char *request = xasprintf("GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
					    "User-Agent: nap-health\r\nAccept: */*\r\n"
					    "Connection: close\r\n\r\n",
		path, port);
	char status[16];
	size_t len = 0;

	if (!wait_for(fd, POLLOUT, deadline) ||
		send(fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request))
		return false;
	/* the status is all that counts */
	while (len < 12) {
		ssize_t n;

		if (!wait_for(fd, POLLIN, deadline))
			return false;
		n = recv(fd, status + len, 12 - len, 0);
		if (n <= 0 && !(n < 0 && (errno == EINTR || errno == EAGAIN)))
			return false;
		len += n > 0 ? (size_t)n : 0;
	}
	read_rest(fd, deadline);
	return memcmp(status, "HTTP/1.", 7) == 0 && status[8] == ' ' &&
	       (status[9] == '2' || status[9] == '3');
}

bool health_check(int port, const char *path, bool has_uid, uid_t uid)
{
	int64_t deadline = clock_mono_ms() + HEALTH_MS;
	auto_fd int fd = -1;
	uid_t listener;

	if (has_uid && (!health_listener(port, &listener) || listener != uid))
		return false;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return fd >= 0 && connect_to(fd, port, deadline) &&
	       (!path || get(fd, port, path, deadline));
}
