#include "push/push_repo.h"
#include "base/file.h"
#include "model/repository.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

/* modes are set, not left to the umask; a folder's setgid bit hands on the group */
static bool folder(const char *at, const char *name, struct err *e)
{
	auto_free char *path = xasprintf("%s/%s", at, name);

	if (mkdir(path, 0770) == 0 ? chmod(path, 02770) == 0 : errno == EEXIST)
		return true;
	return err_errno(e, "could not make folder \"%s\"", path);
}

static bool text_file(const char *at, const char *name, const char *text, struct err *e)
{
	auto_free char *path = xasprintf("%s/%s", at, name);
	auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
	size_t n = strlen(text);

	if (fd < 0 || write(fd, text, n) != (ssize_t)n || fchmod(fd, 0660) < 0)
		return err_errno(e, "could not write \"%s\"", path);
	return true;
}

static bool lock_open(const char *path, int flags, int *ret, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | flags, 0660);

	if (fd < 0)
		return err_errno(e, "could not open \"%s\"", path);
	(void)fchmod(fd, 0660); /* the one who made it may; for the other it is so already */
	*ret = fd;
	return true;
}

static bool lock_git(const char *state, int *ret, struct err *e)
{
	auto_free char *path = xasprintf("%s/git/.lock", state);
	auto_fd int fd = -1;

	if (!lock_open(path, O_CLOEXEC, &fd, e))
		return false;
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_errno(e, "could not lock \"%s\"", path);
	*ret = steal_fd(&fd);
	return true;
}

bool push_repo_make(const char *state, const char *name, struct err *e)
{
	static const char *const folders[] = { "objects", "objects/info", "objects/pack", "refs",
		"refs/heads", "refs/tags", "info" };
	auto_free char *path = xasprintf("%s/git/%s.git", state, name);
	auto_free char *git = xasprintf("%s/git", state);
	auto_free char *fresh = xasprintf("%s/git/.new-%s", state, name);
	auto_fd int lock = -1;

	if (access(path, F_OK) == 0)
		return true;
	if (!lock_git(state, &lock, e))
		return false;
	if (access(path, F_OK) == 0)
		return true;
	if (!tree_remove(fresh, e) || !folder(git, strrchr(fresh, '/') + 1, e))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (!folder(fresh, folders[i], e))
			return false;
	if (!text_file(fresh, "config", repository_config, e) ||
		!text_file(fresh, "HEAD", "ref: refs/heads/master\n", e))
		return false;
	if (rename(fresh, path) < 0)
		return err_errno(e, "could not make repository \"%s\"", path);
	return true;
}

bool push_hooks_make(const char *state, const char *program, struct err *e)
{
	static const char *const names[] = { "pre-receive", "update" };
	auto_free char *git = xasprintf("%s/git", state);
	auto_fd int lock = -1;
	bool made = true;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		auto_free char *link = xasprintf("%s/hooks/%s", git, names[i]);
		char target[4096];
		ssize_t n = readlink(link, target, sizeof target);

		made = made && n == (ssize_t)strlen(program) &&
		       memcmp(target, program, (size_t)n) == 0;
	}
	if (made)
		return true;
	if (!lock_git(state, &lock, e) || !folder(git, "hooks", e))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		auto_free char *link = xasprintf("%s/hooks/%s", git, names[i]);
		auto_free char *fresh = xasprintf("%s/hooks/.%s", git, names[i]);

		(void)unlink(fresh);
		if (symlink(program, fresh) < 0 || rename(fresh, link) < 0)
			return err_errno(e, "could not make link \"%s\"", link);
	}
	return true;
}

bool push_slot_take(const char *state, const char *tenant, const char *what, int n, struct err *e)
{
	auto_free char *git = xasprintf("%s/git", state);

	if (!folder(git, "slots", e))
		return false;
	for (int i = 1; i <= n; i++) {
		auto_free char *path = xasprintf("%s/slots/%s.%s.%d", git, tenant, what, i);
		auto_fd int fd = -1;

		if (!lock_open(path, 0, &fd, e))
			return false;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
			(void)steal_fd(&fd); /* to the children */
			return true;
		}
	}
	return err_set(e, ERR_BUSY, "too_many_pushes",
		"tenant \"%s\" has %d of \"git %s\" under way: wait for one to end", tenant, n,
		what);
}
