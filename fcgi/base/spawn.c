#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

static void put_output(posix_spawn_file_actions_t *fa, int given, int fd)
{
	if (given == SPAWN_NULL)
		(void)posix_spawn_file_actions_addopen(fa, fd, "/dev/null", O_RDWR, 0);
	else if (given > 0)
		(void)posix_spawn_file_actions_adddup2(fa, given, fd);
}

bool spawn_start(const struct spawn *s, pid_t *ret, struct err *e)
{
	short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	sigset_t all, none;
	int rc;

	(void)sigfillset(&all);
	(void)sigemptyset(&none);
	(void)posix_spawn_file_actions_init(&fa);
	(void)posix_spawnattr_init(&at);
	if (s->in > 0)
		(void)posix_spawn_file_actions_adddup2(&fa, s->in, 0);
	else
		(void)posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	put_output(&fa, s->out, 1);
	put_output(&fa, s->err, 2);
	if (s->pass_fd > 0)
		(void)posix_spawn_file_actions_adddup2(&fa, s->pass_fd, 3);
	if (s->dir)
		(void)posix_spawn_file_actions_addchdir_np(&fa, s->dir);
	(void)posix_spawn_file_actions_addclosefrom_np(&fa, s->pass_fd > 0 ? 4 : 3);
	if (s->session)
		flags |= POSIX_SPAWN_SETSID;
	if (s->group)
		flags |= POSIX_SPAWN_SETPGROUP;
	(void)posix_spawnattr_setflags(&at, flags);
	(void)posix_spawnattr_setpgroup(&at, 0);
	(void)posix_spawnattr_setsigdefault(&at, &all);
	(void)posix_spawnattr_setsigmask(&at, &none);
	rc = posix_spawnp(ret, s->path, &fa, &at, (char *const *)(uintptr_t)s->argv,
		(char *const *)(uintptr_t)s->env);
	(void)posix_spawn_file_actions_destroy(&fa);
	(void)posix_spawnattr_destroy(&at);
	if (rc == 0)
		return true;
	(void)err_set(e, ERR_UPSTREAM, "not_started", "could not start \"%s\": %s", s->path,
		strerror(rc));
	errno = rc;
	return false;
}

bool spawn_wait(const struct spawn *s, int timeout_ms, int *ret_status, struct err *e)
{
	struct pollfd p = { .events = POLLIN };
	pid_t pid;

	if (!spawn_start(s, &pid, e))
		return false;
	p.fd = pidfd_open(pid, 0);
	if (p.fd < 0 || poll(&p, 1, timeout_ms) == 0)
		(void)kill(pid, SIGKILL);
	if (p.fd >= 0)
		(void)close(p.fd);
	while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
		;
	return true;
}
