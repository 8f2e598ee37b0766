#include "node/init.h"
#include "base/base.h"
#include "base/text.h"
#include "node/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define STATUS_FD 3

struct init {
	const char *dir;
	bool dir_optional, filter, has_uid;
	uid_t uid;
	int nice;
};

static int fail(int status, const char *what, const char *which)
{
	(void)fprintf(stderr, "nap: %s \"%s\": %s\n", what, which, strerror(errno));
	return status;
}

static bool set_limit(char *text)
{
	int64_t what, soft, hard;
	char *first = strchr(text, '='), *second = first ? strchr(first, ':') : NULL;
	struct rlimit l;

	if (!second)
		return false;
	*first++ = '\0';
	*second++ = '\0';
	if (!parse_i64(text, 0, RLIM_NLIMITS - 1, &what) ||
		!parse_i64(first, -1, INT64_MAX, &soft) || !parse_i64(second, -1, INT64_MAX, &hard))
		return false;
	l.rlim_cur = soft < 0 ? RLIM_INFINITY : (rlim_t)soft;
	l.rlim_max = hard < 0 ? RLIM_INFINITY : (rlim_t)hard;
	return setrlimit((__rlimit_resource_t)what, &l) == 0;
}

static int become(uid_t uid)
{
	/* groups first: after the user is changed there is no right to */
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 ||
				      setresuid(uid, uid, uid) < 0))
		return fail(216, "could not become user", "of the unit");
	return 0;
}

/* the child, up to its exec; what goes wrong is its exit status */
static int start(const struct init *in, const char *program, char **argv)
{
	sigset_t none;
	int rc;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (in->nice)
		(void)setpriority(PRIO_PROCESS, 0, in->nice);
	if (in->dir && chdir(in->dir) < 0) {
		rc = fail(200, "could not change to folder", in->dir);
		if (!in->dir_optional)
			return rc;
	}
	/* execvp(3) would have sh read what is no program */
	if (strchr(program, '/'))
		(void)execv(program, argv);
	else
		(void)execvp(program, argv);
	if (errno == ENOENT)
		(void)fprintf(stderr, "nap: `%s` is not on this machine\n", program);
	else
		(void)fail(203, "could not execute", program);
	return 203;
}

static void tell(int status)
{
	char text[16];
	int n = snprintf(text, sizeof text, "%d\n", status);

	(void)!write(STATUS_FD, text, (size_t)n);
}

static int wait_for(pid_t child)
{
	sigset_t all;

	(void)sigfillset(&all);
	for (;;) {
		siginfo_t si;
		int status;
		pid_t pid;

		if (sigwaitinfo(&all, &si) < 0)
			continue;
		/* what the kernel says of terminals and of our own pipes is nobody else's; job control too */
		if (si.si_signo != SIGCHLD && si.si_signo != SIGPIPE && si.si_signo != SIGTTIN &&
			si.si_signo != SIGTTOU && si.si_signo != SIGTSTP)
			(void)kill(child, si.si_signo);
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
			if (pid == child) {
				tell(status);
				return WIFEXITED(status) ? WEXITSTATUS(status)
							 : 128 + WTERMSIG(status);
			}
		}
	}
}

static bool flag(struct init *in, char letter, char *value)
{
	int64_t n;

	switch (letter) {
	case 'u':
		if (!parse_i64(value, 0, UINT32_MAX - 1, &n))
			return false;
		in->uid = (uid_t)n;
		in->has_uid = true;
		return true;
	case 'l':
		return set_limit(value);
	case 'C':
	case 'c':
		in->dir = value;
		in->dir_optional = letter == 'C';
		return true;
	case 'm':
		(void)umask((mode_t)strtoul(value, NULL, 8));
		return true;
	case 'n':
		if (!parse_i64(value, 0, 19, &n))
			return false;
		in->nice = (int)n;
		return true;
	default:
		return false;
	}
}

int init_main(int argc, char **argv)
{
	struct init in = { 0 };
	sigset_t all;
	pid_t child;
	int i = 0, rc;

	for (; i < argc && !streq(argv[i], "--"); i++) {
		if (streq(argv[i], "-s"))
			in.filter = true;
		else if (argv[i][0] != '-' || i + 1 == argc || !flag(&in, argv[i][1], argv[i + 1]))
			return fail(202, "could not apply", argv[i]);
		else
			i++;
	}
	if (argc - i < 3)
		return 202;
	(void)fcntl(STATUS_FD, F_SETFD, FD_CLOEXEC);
	/* an orphan of the program comes to us even where we are not process 1 */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L);
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	rc = in.has_uid ? become(in.uid) : 0;
	if (rc)
		return rc;
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L);
	if (in.filter && !filter_apply())
		return fail(228, "could not apply the filter of", "system calls");
	child = fork();
	if (child < 0)
		return fail(1, "could not start", argv[i + 1]);
	if (child == 0)
		_exit(start(&in, argv[i + 1], argv + i + 2));
	return wait_for(child);
}

int init_kill_main(const char *uid)
{
	int64_t n;

	if (!parse_i64(uid, 1, UINT32_MAX - 1, &n) || become((uid_t)n) != 0 || getuid() != (uid_t)n)
		return 1;
	return kill(-1, SIGKILL) == 0 ? 0 : 1;
}
