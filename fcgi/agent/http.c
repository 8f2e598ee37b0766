#include "agent/http.h"

#include "agent/content.h"
#include "base/log.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* %XX; a broken one or a NUL is NULL */
static char *decode(struct arena *a, const char *s, bool plus)
{
	char *out = arena_alloc(a, strlen(s) + 1), *to = out;

	for (; *s; s++) {
		if (*s == '%') {
			int high = hex(s[1]), low = high < 0 ? -1 : hex(s[2]);

			if (low < 0 || (high | low) == 0)
				return NULL;
			*to++ = (char)(high << 4 | low);
			s += 2;
		} else {
			*to++ = (char)(plus && *s == '+' ? ' ' : *s);
		}
	}
	*to = '\0';
	return out;
}

/* the library leaves all as it came */
static size_t keep(void *cls, struct MHD_Connection *c, char *s)
{
	(void)cls;
	(void)c;
	return strlen(s);
}

const char *http_decode(struct http_in *in, const char *text)
{
	return decode(&in->a, text, true);
}

struct value {
	struct http_in *in;
	const char *name;
	size_t nth, n;
	const char *found;
};

static enum MHD_Result each_query(
	void *cls, enum MHD_ValueKind kind, const char *key, const char *text)
{
	struct value *v = cls;
	const char *name = decode(&v->in->a, key, true);

	(void)kind;
	if (name && streq(name, v->name) && v->n++ == v->nth)
		v->found = decode(&v->in->a, text ? text : "", true);
	return v->found ? MHD_NO : MHD_YES;
}

const char *http_query(struct http_in *in, const char *name, size_t nth)
{
	struct value v = { in, name, nth, 0, NULL };

	(void)MHD_get_connection_values(in->connection, MHD_GET_ARGUMENT_KIND, each_query, &v);
	return v.found;
}

static enum MHD_Result each_header(
	void *cls, enum MHD_ValueKind kind, const char *key, const char *text)
{
	struct value *v = cls;

	(void)kind;
	if (strcasecmp(key, v->name) == 0) {
		v->n++;
		v->found = text ? text : "";
	}
	return MHD_YES;
}

const char *http_header(struct http_in *in, const char *name, size_t *ret_n)
{
	struct value v = { in, name, 0, 0, NULL };

	(void)MHD_get_connection_values(in->connection, MHD_HEADER_KIND, each_header, &v);
	if (ret_n)
		*ret_n = v.n;
	return v.found;
}

void http_reply_with(struct http_in *in, unsigned int status, struct MHD_Response *r)
{
	assert(!in->answered);
	in->answered = true;
	(void)MHD_add_response_header(r, "Server", "nap-agent");
	(void)MHD_queue_response(in->connection, status, r);
	MHD_destroy_response(r);
}

void http_reply(
	struct http_in *in, unsigned int status, const char *type, const char *body, size_t n)
{
	struct MHD_Response *r =
		MHD_create_response_from_buffer(n, (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY);

	if (!r)
		abort();
	if (type)
		(void)MHD_add_response_header(r, "Content-Type", type);
	http_reply_with(in, status, r);
}

void http_reply_error(struct http_in *in, unsigned int status, const char *message)
{
	auto_buf struct buf b = { 0 };

	buf_init(&b, 64 * 1024);
	buf_printf(&b, "{\"error\":{\"code\":%u,\"message\":", status);
	put_json(&b, message);
	buf_puts(&b, "}}");
	http_reply(in, status, "application/json", b.data, b.len);
}

static bool peer_allowed(const struct http_listener *l, struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct ucred who;
	socklen_t n = sizeof who;

	if (!l->root_only)
		return true;
	if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &who, &n) < 0)
		return false;
	return who.uid == 0 || who.uid == l->allow || who.uid == geteuid();
}

static struct http_in *begin(struct MHD_Connection *c, const char *url, const char *method)
{
	struct http_in *in = xcalloc(1, sizeof *in);

	in->connection = c;
	in->method = arena_strdup(&in->a, method);
	in->raw = arena_strdup(&in->a, url);
	in->path = decode(&in->a, url, false);
	buf_init(&in->body, HTTP_BODY_MAX);
	return in;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *url,
	const char *method, const char *version, const char *data, size_t *n, void **con)
{
	struct http_listener *l = cls;
	struct http_in *in = *con;

	(void)version;
	if (!in) {
		*con = begin(c, url, method);
		return MHD_YES;
	}
	if (*n) {
		buf_add(&in->body, data, *n);
		in->too_large = in->body.failed;
		*n = 0;
		return MHD_YES;
	}
	if (!peer_allowed(l, c))
		http_reply_error(in, 403, "this socket is not for you");
	else if (in->too_large)
		http_reply_error(in, 413, "the body is larger than 16 MiB");
	else if (!in->path)
		http_reply_error(in, 400, "the path is not well formed");
	else
		l->fn(l->ctx, in);
	assert(in->answered);
	buf_release(&in->body);
	return MHD_YES;
}

static void on_end(
	void *cls, struct MHD_Connection *c, void **con, enum MHD_RequestTerminationCode why)
{
	struct http_in *in = *con;

	(void)cls;
	(void)c;
	(void)why;
	if (!in)
		return;
	buf_release(&in->body);
	arena_clear(&in->a);
	free(in);
	*con = NULL;
}

int http_socket(const char *path, mode_t mode, struct err *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t old;
	int rc;

	if (strlen(path) >= sizeof sa.sun_path) {
		(void)err_set(e, ERR_INVALID, "path_too_long",
			"the path of socket \"%s\" is too long", path);
		return -1;
	}
	(void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
	(void)unlink(path);
	old = umask(0777 & ~mode);
	rc = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&sa, sizeof sa);
	(void)umask(old);
	if (rc < 0 || listen(fd, 1024) < 0) {
		(void)err_errno(e, "could not listen on \"%s\"", path);
		return -1;
	}
	return steal_fd(&fd);
}

bool http_listen(struct http_listener *l, const char *path, mode_t mode, int *ret_fd, struct err *e)
{
	const union MHD_DaemonInfo *info;
	int fd = http_socket(path, mode, e);

	if (fd < 0)
		return false;
	l->path = xstrdup(path);
	l->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC, 0,
		NULL, NULL, on_request, l, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL, MHD_OPTION_UNESCAPE_CALLBACK, keep, NULL,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned int)HTTP_CONNECTIONS,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)HTTP_IDLE_S, MHD_OPTION_END);
	info = l->daemon ? MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (!info) {
		(void)close(fd);
		return err_set(e, ERR_INTERNAL, "internal", "could not serve on \"%s\"", path);
	}
	*ret_fd = info->epoll_fd;
	return true;
}

void http_run(struct http_listener *l)
{
	(void)MHD_run(l->daemon);
}

int http_timeout_ms(const struct http_listener *l)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_get_timeout(l->daemon, &ms) != MHD_YES)
		return -1;
	return (int)MIN(ms, (MHD_UNSIGNED_LONG_LONG)60000);
}

void http_close(struct http_listener *l)
{
	if (l->daemon)
		MHD_stop_daemon(l->daemon);
	if (l->path)
		(void)unlink(l->path);
	free(l->path);
	*l = (struct http_listener){ 0 };
}
