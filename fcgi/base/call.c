#include "base/call.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

static bool connect_to(const char *path, int *ret, struct err *e)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || strlen(path) >= sizeof sun.sun_path)
		return err_set(e, ERR_UPSTREAM, "no_answer", "could not connect to nap");
	memcpy(sun.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&sun, sizeof sun) < 0)
		return err_set(e, ERR_UPSTREAM, "no_answer", "could not connect to nap: %s",
			strerror(errno));
	*ret = steal_fd(&fd);
	return true;
}

static bool wait_for(int fd, short what, int64_t deadline, struct err *e)
{
	for (;;) {
		int64_t left = deadline - clock_mono_ms();
		struct pollfd p = { fd, what, 0 };
		int n = left > 0 ? poll(&p, 1, (int)left) : 0;

		if (n > 0)
			return true;
		if (n == 0)
			return err_set(e, ERR_TIMEOUT, "no_answer", "nap did not answer in time");
		if (errno != EINTR)
			return err_errno(e, "could not wait for nap");
	}
}

static bool send_all(int fd, const char *p, size_t n, int64_t deadline, struct err *e)
{
	while (n) {
		ssize_t done = send(fd, p, n, MSG_NOSIGNAL);

		if (done > 0) {
			p += done;
			n -= (size_t)done;
		} else if (done < 0 && errno == EAGAIN) {
			if (!wait_for(fd, POLLOUT, deadline, e))
				return false;
		} else if (done >= 0 || errno != EINTR) {
			return err_set(e, ERR_UPSTREAM, "no_answer", "nap closed the connection");
		}
	}
	return true;
}

static bool read_all(int fd, struct buf *b, int64_t deadline, struct err *e)
{
	char chunk[16384];

	for (;;) {
		ssize_t n = recv(fd, chunk, sizeof chunk, 0);

		if (n == 0)
			return !b->failed ||
			       err_set(e, ERR_UPSTREAM, "no_answer", "nap answered too much");
		if (n > 0)
			buf_add(b, chunk, (size_t)n);
		else if (errno == EAGAIN && !wait_for(fd, POLLIN, deadline, e))
			return false;
		else if (errno != EAGAIN && errno != EINTR)
			return err_set(e, ERR_UPSTREAM, "no_answer", "nap closed the connection");
	}
}

/* the announced length guards against an answer that was cut off; without one the end is the end */
static bool parse(struct buf *b, struct arena *a, struct call_answer *ret, struct err *e)
{
	static const char length[] = "Content-Length:";
	struct slice rest = { b->data, b->len }, line;
	int64_t status, announced = -1;

	if (!slice_line(&rest, &line) || line.n < 12 || memcmp(line.p, "HTTP/1.", 7) != 0 ||
		!parse_slice_i64((struct slice){ line.p + 9, 3 }, 100, 599, &status))
		return err_set(e, ERR_UPSTREAM, "no_answer", "nap gave no answer");
	while (slice_line(&rest, &line) && line.n)
		if (line.n > sizeof length - 1 &&
			strncasecmp(line.p, length, sizeof length - 1) == 0) {
			struct slice value = { line.p + sizeof length - 1,
				line.n - (sizeof length - 1) };

			if (!parse_slice_i64(slice_trim(value), 0, INT64_MAX, &announced))
				announced = -1;
		}
	if (announced >= 0 && (size_t)announced != rest.n)
		return err_set(e, ERR_UPSTREAM, "no_answer", "nap's answer was cut off");
	*ret = (struct call_answer){ (int)status, arena_strndup(a, rest.p, rest.n), rest.n };
	return true;
}

bool call_unix(const char *socket_path, const char *target, const char *body, int timeout_ms,
	struct arena *a, struct call_answer *ret, struct err *e)
{
	int64_t deadline = clock_mono_ms() + timeout_ms;
	auto_buf struct buf out, in;
	auto_fd int fd = -1;

	buf_init(&out, 8 * MAX_BODY_BYTES);
	buf_init(&in, MAX_RESPONSE_BYTES);
	if (body)
		buf_printf(&out,
			"POST %s HTTP/1.0\r\nHost: nap\r\nContent-Type: application/json\r\n"
			"Content-Length: %zu\r\n\r\n%s",
			target, strlen(body), body);
	else
		buf_printf(&out, "GET %s HTTP/1.0\r\nHost: nap\r\nAccept: application/json\r\n\r\n",
			target);
	if (out.failed)
		return err_set(e, ERR_TOO_LARGE, "too_large", "the request to nap is too large");
	return connect_to(socket_path, &fd, e) && send_all(fd, out.data, out.len, deadline, e) &&
	       read_all(fd, &in, deadline, e) && parse(&in, a, ret, e);
}
