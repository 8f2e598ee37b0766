#include "base/proc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

void argv_add(struct argv *v, struct arena *a, const char *word)
{
	if (v->n + 1 >= v->size) {
		size_t size = MAX(v->size * 2, (size_t)16);
		const char **bigger = arena_alloc(a, size * sizeof *bigger);

		for (size_t i = 0; i < v->n; i++)
			bigger[i] = v->v[i];
		v->v = bigger;
		v->size = size;
	}
	v->v[v->n++] = word;
	v->v[v->n] = NULL;
}

void argv_addf(struct argv *v, struct arena *a, const char *fmt, ...)
{
	auto_free char *word = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&word, fmt, ap) < 0)
		abort();
	va_end(ap);
	argv_add(v, a, arena_strdup(a, word));
}

static const char *const DEFAULT_ENV[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"LANG=C.UTF-8",
	"HOME=/nonexistent",
	NULL,
};

struct stream {
	int fd;
	struct buf kept;
	struct buf line;
	bool truncated;
};

struct child {
	pid_t pid;
	int pidfd, in;
	const char *piece; /* that goes in next */
	size_t left;
	struct stream out, err;
};

static void make_pipe(int ret[2])
{
	if (pipe2(ret, O_CLOEXEC) < 0)
		abort();
}

static void emit_lines(struct stream *s, const struct proc_spec *spec, bool last)
{
	size_t from = 0;
	char *nl;

	while ((nl = memchr(s->line.data + from, '\n', s->line.len - from))) {
		size_t end = (size_t)(nl - s->line.data);

		spec->on_line(spec->ctx, s->line.data + from, end - from);
		from = end + 1;
	}
	if (s->line.len > from && (last || s->line.len - from >= s->line.max / 2)) {
		spec->on_line(spec->ctx, s->line.data + from, s->line.len - from);
		from = s->line.len;
	}
	if (from) {
		memmove(s->line.data, s->line.data + from, s->line.len - from);
		s->line.len -= from;
	}
}

/* reads what is there; closes the stream at its end */
static void drain(struct stream *s, const struct proc_spec *spec)
{
	char chunk[16384];

	for (;;) {
		ssize_t n = read(s->fd, chunk, sizeof chunk);
		size_t room;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			(void)close(s->fd);
			s->fd = -1;
			return;
		}
		room = s->kept.max - s->kept.len;
		buf_add(&s->kept, chunk, MIN(room, (size_t)n));
		s->truncated = s->truncated || (size_t)n > room;
		if (spec->on_line) {
			buf_add(&s->line, chunk, (size_t)n);
			emit_lines(s, spec, false);
		}
	}
}

static void feed(struct child *c, const struct proc_spec *spec)
{
	bool over = false;
	ssize_t n;

	if (c->left == 0 && spec->more)
		c->left = spec->more(spec->ctx, &c->piece);
	n = c->left ? write(c->in, c->piece, c->left) : 0;
	if (n > 0) {
		c->piece += n;
		c->left -= (size_t)n;
		over = c->left == 0 && !spec->more;
	} else {
		over = n == 0 || (errno != EAGAIN && errno != EINTR);
	}
	if (over) {
		(void)close(c->in);
		c->in = -1;
	}
}

/* one poll loop over the child, its input and its two outputs, so that no pipe blocks another */
static void pump(struct child *c, const struct proc_spec *spec, struct proc_result *ret)
{
	int64_t deadline = clock_mono_ms() + spec->timeout_ms, kill_at = 0;

	for (;;) {
		struct pollfd p[4] = { { c->pidfd, POLLIN, 0 }, { c->in, POLLOUT, 0 },
			{ c->out.fd, POLLIN, 0 }, { c->err.fd, POLLIN, 0 } };
		int64_t now = clock_mono_ms(), wait = (kill_at ? kill_at : deadline) - now;

		if (!kill_at && spec->go_on) {
			ret->cancelled = !spec->go_on(spec->ctx);
			wait = MIN(wait, (int64_t)500);
		}
		ret->timed_out = ret->timed_out || (!kill_at && now >= deadline);
		if (!kill_at && (ret->timed_out || ret->cancelled)) {
			(void)kill(-c->pid, SIGTERM);
			kill_at = now + 2000;
			wait = 2000;
		} else if (kill_at && now >= kill_at) {
			(void)kill(-c->pid, SIGKILL);
			kill_at = now + 1000;
			wait = 1000;
		}
		if (poll(p, 4, (int)MAX(wait, (int64_t)0)) < 0)
			continue;
		if (p[1].revents)
			feed(c, spec);
		if (p[2].revents)
			drain(&c->out, spec);
		if (p[3].revents)
			drain(&c->err, spec);
		if (p[0].revents)
			return;
	}
}

static void stream_open(struct stream *s, int fd, const struct proc_spec *spec)
{
	*s = (struct stream){ .fd = fd };
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	buf_init(&s->kept, spec->max_bytes);
	buf_init(&s->line, 64 * 1024);
}

static void stream_finish(struct stream *s, const struct proc_spec *spec, struct arena *a,
	char **ret, size_t *ret_len)
{
	if (s->fd >= 0)
		drain(s, spec);
	if (s->fd >= 0)
		(void)close(s->fd);
	if (spec->on_line)
		emit_lines(s, spec, true);
	*ret_len = s->kept.len;
	*ret = arena_alloc(a, s->kept.len + 1);
	memcpy(*ret, s->kept.data, s->kept.len);
	buf_release(&s->kept);
	buf_release(&s->line);
}

static void reap(struct child *c, struct proc_result *ret)
{
	siginfo_t si = { 0 };

	/* the zombie keeps the group's number: what is left of the group goes first */
	(void)kill(-c->pid, SIGKILL);
	while (waitid(P_PIDFD, (id_t)c->pidfd, &si, WEXITED) < 0 && errno == EINTR)
		;
	ret->status = si.si_code == CLD_EXITED ? si.si_status : 128 + si.si_status;
	(void)close(c->pidfd);
}

bool proc_run(const struct proc_spec *spec, struct arena *a, struct proc_result *ret, struct err *e)
{
	int in[2] = { -1, -1 }, out[2], err[2];
	struct proc_result r = { 0 };
	struct child c = { .in = -1, .pidfd = -1, .piece = spec->input, .left = spec->input_len };
	struct spawn s;
	bool started;

	assert(spec->timeout_ms > 0);
	make_pipe(out);
	make_pipe(err);
	if (spec->input || spec->more)
		make_pipe(in);
	s = (struct spawn){ .path = spec->argv[0],
		.argv = spec->argv,
		.env = spec->env ? spec->env : DEFAULT_ENV,
		.dir = spec->dir,
		.in = spec->stdin_fd > 2 ? spec->stdin_fd : MAX(in[0], 0),
		.out = spec->stdout_fd > 2 ? spec->stdout_fd : out[1],
		.err = err[1],
		.group = true };
	started = spawn_start(&s, &c.pid, e);
	(void)close(out[1]);
	(void)close(err[1]);
	if (in[0] >= 0)
		(void)close(in[0]);
	c.in = in[1];
	if (started && (c.pidfd = pidfd_open(c.pid, 0)) < 0)
		(void)err_set(e, ERR_UPSTREAM, "not_started", "could not start \"%s\": %s",
			spec->argv[0], strerror(errno));
	if (c.pidfd < 0) {
		(void)close(out[0]);
		(void)close(err[0]);
		if (c.in >= 0)
			(void)close(c.in);
		return false;
	}
	if (c.in >= 0)
		(void)fcntl(c.in, F_SETFL, O_NONBLOCK);
	stream_open(&c.out, out[0], spec);
	stream_open(&c.err, err[0], spec);
	pump(&c, spec, &r);
	if (c.in >= 0)
		(void)close(c.in);
	reap(&c, &r);
	stream_finish(&c.out, spec, a, &r.out, &r.out_len);
	stream_finish(&c.err, spec, a, &r.err, &r.err_len);
	r.truncated = c.out.truncated || c.err.truncated;
	*ret = r;
	return true;
}
