#include "node/program.h"
#include "base/clock.h"
#include "base/text.h"
#include "model/unit.h"
#include "node/listener.h"
#include "node/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MAX_FILE    65536
#define MAX_RESULT  4096 /* bytes of a line with results */
#define MAX_VALUES  64
#define LOOK_MS	    500	 /* for a listener, in the first minute */
#define LOOK_MS_OLD 5000 /* and later */

struct program {
	const char *self, *exit; /* folders */
	struct policy policy;
	pid_t pid;
	int out[2];   /* read ends of its standard output and error; -1: at its end */
	char last[2]; /* the byte passed on last; 0: none */
	bool one_log;
	int signals;
	crypto_hash_sha256_state sha;
	int64_t bytes;
	/* the line being written, while it may be a result: "nap: key=value …" */
	char line[MAX_RESULT];
	size_t line_n;
	bool line_lost; /* it is none, or too long */
	struct value {
		char *key, *text;
	} values[MAX_VALUES];
	size_t values_n;
	struct policy_end end;
	bool ended;
	int64_t next_look_ms;
};

/* ---- its files ---- */

/* what is there, up to MAX_FILE bytes; empty if there is none */
static struct slice slurp(const char *folder, const char *name, char buf[MAX_FILE])
{
	auto_free char *path = xasprintf("%s/%s", folder, name);
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;

	while (fd >= 0 && n < MAX_FILE) {
		ssize_t got = read(fd, buf + n, MAX_FILE - n);

		if (got <= 0)
			break;
		n += (size_t)got;
	}
	return (struct slice){ buf, n };
}

static void put(const char *folder, const char *name, const char *text)
{
	auto_free char *path = xasprintf("%s/%s", folder, name), *tmp = xasprintf("%s.new", path);
	auto_fd int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
		rename(tmp, path) < 0)
		(void)fprintf(
			stderr, "nap: could not keep how the program ended: %s\n", strerror(errno));
}

static size_t read_ends(const struct program *p, int64_t ends[POLICY_MAX_ENDS])
{
	char buf[MAX_FILE];
	struct slice rest = slurp(p->exit, "ends", buf), line;
	size_t n = 0;

	while (n < POLICY_MAX_ENDS && slice_line(&rest, &line))
		if (parse_slice_i64(line, 0, INT64_MAX, &ends[n]))
			n++;
	return n;
}

static void write_ends(const struct program *p, const int64_t *ends, size_t n)
{
	char text[POLICY_MAX_ENDS * 24];
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(
			text + len, sizeof text - len, "%lld\n", (long long)ends[i]);
	put(p->exit, "ends", text);
}

/* value.KEY=TEXT lines; neither holds a newline */
static char *values_text(const struct program *p)
{
	char *all = xstrdup("");

	for (size_t i = 0; i < p->values_n; i++) {
		char *more = xasprintf("%svalue.%s=%s\n", all, p->values[i].key, p->values[i].text);

		free(all);
		all = more;
	}
	return all;
}

static void write_record(const struct program *p, const struct policy_verdict *v)
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	char hex[2 * sizeof hash + 1], code[16] = "", sig[16] = "";
	crypto_hash_sha256_state sha = p->sha;
	const char *run_id = getenv("INVOCATION_ID");
	auto_free char *text = NULL, *values = values_text(p);

	(void)crypto_hash_sha256_final(&sha, hash);
	hex_encode(hex, hash, sizeof hash);
	if (v)
		(void)snprintf(p->end.by_signal ? sig : code, sizeof code, "%d", p->end.number);
	text = xasprintf("run_id=%.64s\nstarted_us=%lld\nended_us=%lld\nexit_code=%s\n"
			 "exit_signal=%s\nresult=%s\nstdout_bytes=%lld\nstdout_sha256=%s\n"
			 "listened=%d\nretry_us=%lld\n%s",
		run_id ? run_id : "", (long long)p->end.started_us, (long long)p->end.ended_us,
		code, sig, v ? v->result : "running", (long long)p->bytes, hex, p->end.listened,
		v ? (long long)v->retry_us : 0LL, values);
	put(p->exit, "record", text);
}

/* ---- listening ---- */

static void look_for_listener(struct program *p)
{
	int64_t now = clock_mono_ms();
	bool young = clock_now_us() - p->end.started_us < 60000000;

	if (p->end.listened || p->policy.port == 0 || now < p->next_look_ms)
		return;
	p->next_look_ms = now + (young ? LOOK_MS : LOOK_MS_OLD);
	if (!listener_find(p->policy.port, (const uid_t[]){ getuid() }, NULL))
		return;
	p->end.listened = true;
	write_record(p, NULL);
}

/* ---- results ---- */

static bool is_key(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') || s[i] == '_' ||
			    (i > 0 &&
				    ((s[i] >= '0' && s[i] <= '9') || s[i] == '-' || s[i] == '.'))))
			return false;
	return n > 0 && n <= 64;
}

/* a later value of a key takes the place of the former; those that are too many are dropped */
static void set_value(struct program *p, const char *key, size_t key_n, const char *text, size_t n)
{
	size_t i = 0;

	while (i < p->values_n &&
		(strncmp(p->values[i].key, key, key_n) != 0 || p->values[i].key[key_n]))
		i++;
	if (i == MAX_VALUES)
		return;
	if (i == p->values_n) {
		p->values[p->values_n++].key = xstrndup(key, key_n);
	} else {
		free(p->values[i].text);
	}
	p->values[i].text = xstrndup(text, MIN(n, (size_t)512));
}

/* KEY=VALUE words, VALUE also in double quotes. A line in which anything else stands is no result at all. */
static bool read_values(struct program *p, const char *at, bool keep)
{
	bool any = false;

	for (at += strspn(at, " \t"); *at; at += strspn(at, " \t")) {
		size_t key_n = strcspn(at, "= \t"), n;
		const char *text;

		if (at[key_n] != '=' || !is_key(at, key_n))
			return false;
		text = at + key_n + 1;
		if (*text == '"' && strchr(text + 1, '"')) {
			text++;
			n = strcspn(text, "\"");
		} else {
			n = strcspn(text, " \t");
		}
		if (keep)
			set_value(p, at, key_n, text, n);
		at = text + n + (text[n] == '"');
		any = true;
	}
	return any;
}

static void take_line(struct program *p)
{
	static const char mark[] = "nap: ";

	if (p->line_n && p->line[p->line_n - 1] == '\r')
		p->line_n--;
	p->line[p->line_n] = '\0';
	if (!p->line_lost && starts_with(p->line, mark) && strlen(p->line) == p->line_n &&
		read_values(p, p->line + sizeof mark - 1, false)) {
		(void)read_values(p, p->line + sizeof mark - 1, true);
	}
	p->line_n = 0;
	p->line_lost = false;
}

/* only what may be a result is kept, so that a line costs nothing */
static void look_for_results(struct program *p, const char *chunk, size_t n)
{
	static const char mark[] = "nap: ";

	for (size_t i = 0; i < n; i++) {
		if (chunk[i] == '\n') {
			take_line(p);
			continue;
		}
		if (p->line_lost)
			continue;
		p->line_lost = p->line_n == sizeof p->line - 1 ||
			       (p->line_n < sizeof mark - 1 && chunk[i] != mark[p->line_n]);
		if (!p->line_lost)
			p->line[p->line_n++] = chunk[i];
	}
}

/* ---- running ---- */

/* a second wall: what nap-agent has not yet seen to be too much no single file can be */
static void limit_files(const struct program *p)
{
	struct rlimit l;

	if (p->policy.disk == 0 || getrlimit(RLIMIT_FSIZE, &l) < 0 ||
		l.rlim_max <= (rlim_t)p->policy.disk)
		return;
	l.rlim_cur = l.rlim_max = (rlim_t)p->policy.disk;
	(void)setrlimit(RLIMIT_FSIZE, &l);
}

static bool start(struct program *p, char **argv)
{
	int out[2], err[2];

	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		return false;
	p->end.started_us = clock_now_us();
	p->pid = fork();
	if (p->pid == 0) {
		sigset_t none;

		(void)sigemptyset(&none);
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		(void)signal(SIGPIPE, SIG_DFL);
		limit_files(p);
		(void)dup2(out[1], STDOUT_FILENO);
		(void)dup2(err[1], STDERR_FILENO);
		(void)execvp(argv[0], argv);
		(void)fprintf(
			stderr, "nap: could not execute \"%s\": %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	(void)close(out[1]);
	(void)close(err[1]);
	p->out[0] = out[0];
	p->out[1] = err[0];
	for (int i = 0; i < 2; i++)
		(void)fcntl(p->out[i], F_SETFL, O_NONBLOCK);
	return p->pid > 0;
}

/* at most what a pipe takes without blocking once poll says that it can be written (pipe(7), PIPE_BUF) */
static void pass_on(struct program *p, int i)
{
	char chunk[PIPE_BUF];
	ssize_t n = read(p->out[i], chunk, sizeof chunk);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		(void)close(p->out[i]);
		p->out[i] = -1;
		return;
	}
	if (i == 0) {
		(void)crypto_hash_sha256_update(
			&p->sha, (const unsigned char *)chunk, (unsigned long long)n);
		p->bytes += n;
		look_for_results(p, chunk, (size_t)n);
	}
	p->last[i] = chunk[n - 1];
	if (p->one_log)
		p->last[!i] = p->last[i];
	for (ssize_t done = 0; done < n;) {
		ssize_t w = write(STDOUT_FILENO + i, chunk + done, (size_t)(n - done));

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			break; /* nobody reads: the count and the hash go on */
		done += w;
	}
}

static void take_signals(struct program *p)
{
	struct signalfd_siginfo si;
	int status;
	pid_t pid;

	while (read(p->signals, &si, sizeof si) == (ssize_t)sizeof si) {
		if (si.ssi_signo == SIGCHLD)
			continue;
		if (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT || si.ssi_signo == SIGQUIT ||
			si.ssi_signo == SIGHUP)
			p->end.stopped = true;
		(void)kill(p->pid, (int)si.ssi_signo);
	}
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != p->pid)
			continue;
		p->ended = true;
		p->end.ended_us = clock_now_us();
		p->end.by_signal = WIFSIGNALED(status);
		p->end.number = p->end.by_signal ? WTERMSIG(status) : WEXITSTATUS(status);
	}
}

/* a last line without a newline is a line: what is said next, by us or by the next run, is another */
static void end_lines(struct program *p)
{
	for (int i = 0; i < 2; i++) {
		if (!p->last[i] || p->last[i] == '\n')
			continue;
		(void)!write(STDOUT_FILENO + i, "\n", 1);
		if (p->one_log)
			p->last[!i] = '\n';
	}
}

/* standard output and error are one pipe on the agent, and two streams of journald elsewhere */
static bool is_one_log(void)
{
	struct stat out, err;

	return fstat(STDOUT_FILENO, &out) == 0 && fstat(STDERR_FILENO, &err) == 0 &&
	       out.st_dev == err.st_dev && out.st_ino == err.st_ino;
}

static void wait_for_end(struct program *p)
{
	while (!p->ended) {
		bool look = p->policy.port && !p->end.listened;
		struct pollfd fds[3] = { { p->signals, POLLIN, 0 }, { p->out[0], POLLIN, 0 },
			{ p->out[1], POLLIN, 0 } };
		int64_t left = look ? MAX(p->next_look_ms - clock_mono_ms(), (int64_t)0) : -1;

		if (poll(fds, 3, (int)left) < 0)
			continue;
		/* something to pass on: is there room? TERM must not wait behind a log that does not move */
		for (int i = 0; i < 2; i++) {
			struct pollfd room[2] = { { p->signals, POLLIN, 0 },
				{ STDOUT_FILENO + i, POLLOUT, 0 } };

			if (fds[1 + i].revents && poll(room, 2, -1) > 0 && room[1].revents)
				pass_on(p, i);
		}
		take_signals(p);
		look_for_listener(p);
	}
	/* what the program wrote last is still in the pipes; who else holds their ends is not waited for */
	for (int i = 0; i < 2; i++) {
		struct pollfd last = { p->out[i], POLLIN, 0 };

		while (p->out[i] >= 0 && poll(&last, 1, 0) > 0)
			pass_on(p, i);
	}
	end_lines(p);
}

/* ---- explaining ---- */

static bool on_path(const char *name)
{
	auto_free char *copy = xstrdup(getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
	char *save = NULL;

	for (char *dir = strtok_r(copy, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
		auto_free char *path = xasprintf("%s/%s", dir, name);

		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

/* words of sh itself that are no programs of their own */
static bool is_builtin(const char *word)
{
	static const char *const words[] = { ".", ":", "[", "alias", "bg", "break", "case", "cd",
		"command", "continue", "do", "done", "echo", "elif", "else", "esac", "eval", "exec",
		"exit", "export", "false", "fg", "fi", "for", "getopts", "hash", "if", "jobs",
		"kill", "local", "printf", "pwd", "read", "readonly", "return", "set", "shift",
		"test", "then", "times", "trap", "true", "type", "ulimit", "umask", "unalias",
		"unset", "until", "wait", "while", "env", "nohup", "nice", "time" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (streq(words[i], word))
			return true;
	return false;
}

/* the first plain word of a line that is a program's name; behind assignments and words of sh */
static bool command_of(struct slice line, char ret[64])
{
	for (;;) {
		size_t n = 0;

		line = slice_trim(line);
		while (n < line.n && line.p[n] != ' ' && line.p[n] != '\t' && line.p[n] != ';')
			n++;
		if (n == 0 || n >= 64)
			return false;
		memcpy(ret, line.p, n);
		ret[n] = '\0';
		if (strspn(ret,
			    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-") ==
				n &&
			!is_builtin(ret))
			return true;
		if (!strchr(ret, '=') && !is_builtin(ret))
			return false;
		line.p += n;
		line.n -= n;
		while (line.n && *line.p == ';') {
			line.p++;
			line.n--;
		}
	}
}

/* sh ends with 127 when a program is not there, and says it in its own words */
static void explain_127(const struct program *p)
{
	char buf[MAX_FILE], name[64];
	struct slice rest = slurp(p->self, "start", buf), line;

	while (slice_line(&rest, &line)) {
		if (!command_of(line, name) || on_path(name))
			continue;
		(void)fprintf(stderr, "nap: `%s` is not on this machine\n", name);
		return;
	}
}

static const char *how(const struct policy_end *end, char ret[40])
{
	if (end->by_signal)
		(void)snprintf(ret, 40, "signal %s",
			sigabbrev_np(end->number) ? sigabbrev_np(end->number) : "?");
	else
		(void)snprintf(ret, 40, "exit status %d", end->number);
	return ret;
}

static int conclude(struct program *p)
{
	int64_t ends[POLICY_MAX_ENDS];
	size_t n = read_ends(p, ends);
	struct policy_verdict v = policy_decide(&p->policy, &p->end, ends, &n);
	char text[40];

	take_line(p); /* the last one may have no newline */
	write_ends(p, ends, n);
	write_record(p, &v);
	if (!p->end.by_signal && p->end.number == 127 && !p->end.stopped)
		explain_127(p);
	if (streq(v.result, "finished"))
		return UNIT_EXIT_FINISHED;
	if (streq(v.result, "gave-up"))
		(void)fprintf(stderr,
			"nap: gave up: it ended %d times within %lld minutes, last with %s\n",
			v.ends, (long long)(p->policy.window_us / 60000000), how(&p->end, text));
	else if (!p->end.stopped && !v.final)
		(void)fprintf(stderr, "nap: ended with %s; starts again in %lld s\n",
			how(&p->end, text), (long long)((v.retry_us - p->end.ended_us) / 1000000));
	if (v.final)
		return UNIT_EXIT_GAVE_UP;
	/* 250 and 251 are ours: a program's own must not end its restarting */
	if (!p->end.by_signal &&
		(p->end.number == UNIT_EXIT_FINISHED || p->end.number == UNIT_EXIT_GAVE_UP))
		return 1;
	return p->end.by_signal ? 128 + p->end.number : p->end.number;
}

int program_main(char **argv)
{
	const char *root = getenv("NAP_ROOT");
	auto_free char *self = xasprintf("%s/run/nap-self", root ? root : "");
	auto_free char *exits = xasprintf("%s/run/nap-exit", root ? root : "");
	struct program p = {
		.self = self, .exit = exits, .out = { -1, -1 }, .one_log = is_one_log()
	};
	char buf[MAX_FILE];
	sigset_t all;

	policy_parse(slurp(self, "policy", buf), &p.policy);
	(void)crypto_hash_sha256_init(&p.sha);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	p.signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (p.signals < 0 || !start(&p, argv)) {
		(void)fprintf(stderr, "nap: could not start the program: %s\n", strerror(errno));
		return 1;
	}
	write_record(&p, NULL);
	wait_for_end(&p);
	return conclude(&p);
}
