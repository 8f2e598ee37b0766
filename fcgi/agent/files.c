#include "agent/files.h"

#include "agent/http.h"
#include "agent/super.h"
#include "base/file.h"
#include "base/log.h"
#include "base/spawn.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

static char *socket_path(const struct agent *ag)
{
	return xasprintf("%s/run/files/files.sock", ag->cfg.state);
}

bool files_open(struct agent *ag, struct err *e)
{
	auto_free char *folder = xasprintf("%s/run/files", ag->cfg.state), *path = socket_path(ag);

	/* who may come so far is said by the folder */
	if (!dir_make(folder, 0700, e))
		return false;
	ag->files.fd = http_socket(path, 0666, e);
	return ag->files.fd >= 0;
}

static pid_t *place(struct agent *ag, pid_t pid)
{
	for (size_t i = 0; i < ARRAY_SIZE(ag->files.pid); i++)
		if (ag->files.pid[i] == pid)
			return &ag->files.pid[i];
	return NULL;
}

static pid_t start(const struct agent *ag, int connection)
{
	auto_free char *program = super_helper("nap-files"),
		       *home = agent_path(ag, "lib/nap", NULL);
	const char *const argv[] = { program, home, NULL };
	const char *const env[] = { "LANG=C.UTF-8", NULL };
	const struct spawn s = {
		.path = program, .argv = argv, .env = env, .in = connection, .out = connection
	};
	struct err e;
	pid_t pid;

	if (spawn_start(&s, &pid, &e))
		return pid;
	LOG(WARNING, "agent.files", KV("why", e.msg));
	return 0;
}

void files_take(struct agent *ag)
{
	static const char busy[] = "HTTP/1.0 503 Busy\r\nContent-Length: 0\r\n\r\n";

	for (;;) {
		auto_fd int fd = accept4(ag->files.fd, NULL, NULL, SOCK_CLOEXEC);
		pid_t *free_place = place(ag, 0), pid = 0;

		if (fd < 0)
			return;
		if (free_place)
			pid = start(ag, fd);
		if (pid > 0)
			*free_place = pid;
		else
			(void)!send(fd, busy, sizeof busy - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

void files_reaped(struct agent *ag, pid_t pid)
{
	pid_t *its = place(ag, pid);

	if (its)
		*its = 0;
}

void files_close(struct agent *ag)
{
	auto_free char *path = socket_path(ag);

	if (ag->files.fd < 0)
		return;
	(void)close(ag->files.fd);
	(void)unlink(path);
	for (size_t i = 0; i < ARRAY_SIZE(ag->files.pid); i++) {
		if (ag->files.pid[i] <= 0)
			continue;
		(void)kill(ag->files.pid[i], SIGKILL);
		(void)waitpid(ag->files.pid[i], NULL, 0);
	}
}
