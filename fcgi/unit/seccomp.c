#include "unit/seccomp.h"

#if defined(__x86_64__)
#define ARCH "SCMP_ARCH_X86_64"
#elif defined(__aarch64__)
#define ARCH "SCMP_ARCH_AARCH64"
#else
#error "the filter knows x86_64 and aarch64"
#endif

/* names that an architecture does not have are passed over by libseccomp */
static const char *const ALLOWED[] = { "accept", "accept4", "access", "alarm", "arch_prctl", "bind",
	"brk", "cachestat", "capget", "capset", "chdir", "chmod", "chown", "clock_getres",
	"clock_gettime", "clock_nanosleep", "close", "close_range", "connect", "copy_file_range",
	"creat", "dup", "dup2", "dup3", "epoll_create", "epoll_create1", "epoll_ctl",
	"epoll_ctl_old", "epoll_pwait", "epoll_pwait2", "epoll_wait", "epoll_wait_old", "eventfd",
	"eventfd2", "execve", "execveat", "exit", "exit_group", "faccessat", "faccessat2",
	"fadvise64", "fallocate", "fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchownat",
	"fcntl", "fdatasync", "fgetxattr", "flistxattr", "flock", "fork", "fremovexattr",
	"fsetxattr", "fstat", "fstatfs", "fsync", "ftruncate", "futex", "futex_requeue",
	"futex_wait", "futex_waitv", "futex_wake", "futimesat", "getcpu", "getcwd", "getdents",
	"getdents64", "getegid", "geteuid", "getgid", "getgroups", "getitimer", "getpeername",
	"getpgid", "getpgrp", "getpid", "getppid", "getpriority", "getrandom", "getresgid",
	"getresuid", "getrlimit", "get_robust_list", "getrusage", "getsid", "getsockname",
	"getsockopt", "get_thread_area", "gettid", "gettimeofday", "getuid", "getxattr",
	"inotify_add_watch", "inotify_init", "inotify_init1", "inotify_rm_watch", "io_cancel",
	"ioctl", "io_destroy", "io_getevents", "io_pgetevents", "ioprio_get", "ioprio_set",
	"io_setup", "io_submit", "kill", "landlock_add_rule", "landlock_create_ruleset",
	"landlock_restrict_self", "lchown", "lgetxattr", "link", "linkat", "listen", "listxattr",
	"llistxattr", "lremovexattr", "lseek", "lsetxattr", "lstat", "madvise", "map_shadow_stack",
	"membarrier", "memfd_create", "memfd_secret", "mincore", "mkdir", "mkdirat", "mknod",
	"mknodat", "mlock", "mlock2", "mlockall", "mmap", "mprotect", "mq_getsetattr", "mq_notify",
	"mq_open", "mq_timedreceive", "mq_timedsend", "mq_unlink", "mremap", "msgctl", "msgget",
	"msgrcv", "msgsnd", "msync", "munlock", "munlockall", "munmap", "nanosleep", "newfstatat",
	"open", "openat", "openat2", "pause", "pidfd_getfd", "pidfd_open", "pidfd_send_signal",
	"pipe", "pipe2", "pkey_alloc", "pkey_free", "pkey_mprotect", "poll", "ppoll", "prctl",
	"pread64", "preadv", "preadv2", "prlimit64", "process_madvise", "process_mrelease",
	"pselect6", "pwrite64", "pwritev", "pwritev2", "read", "readahead", "readlink",
	"readlinkat", "readv", "recv", "recvfrom", "recvmmsg", "recvmsg", "remap_file_pages",
	"removexattr", "rename", "renameat", "renameat2", "restart_syscall", "rmdir", "rseq",
	"rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn",
	"rt_sigsuspend", "rt_sigtimedwait", "rt_tgsigqueueinfo", "sched_getaffinity",
	"sched_getattr", "sched_getparam", "sched_get_priority_max", "sched_get_priority_min",
	"sched_getscheduler", "sched_rr_get_interval", "sched_setaffinity", "sched_setattr",
	"sched_setparam", "sched_setscheduler", "sched_yield", "select", "semctl", "semget",
	"semop", "semtimedop", "send", "sendfile", "sendmmsg", "sendmsg", "sendto", "setfsgid",
	"setfsuid", "setgid", "setgroups", "setitimer", "setpgid", "setpriority", "setregid",
	"setresgid", "setresuid", "setreuid", "setrlimit", "set_robust_list", "setsid",
	"setsockopt", "set_thread_area", "set_tid_address", "setuid", "setxattr", "shmat", "shmctl",
	"shmdt", "shmget", "shutdown", "sigaltstack", "signalfd", "signalfd4", "socketpair",
	"splice", "stat", "statfs", "statx", "symlink", "symlinkat", "sync", "sync_file_range",
	"syncfs", "sysinfo", "tee", "tgkill", "time", "timer_create", "timer_delete",
	"timer_getoverrun", "timer_gettime", "timer_settime", "timerfd_create", "timerfd_gettime",
	"timerfd_settime", "times", "tkill", "truncate", "umask", "uname", "unlink", "unlinkat",
	"utime", "utimensat", "utimes", "vfork", "vmsplice", "wait4", "waitid", "waitpid", "write",
	"writev" };

/* CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET: none of them */
#define NEW_NAMESPACES 0x7e020000
/* personality: as it is, and what asks for it; a debugger's no-randomisation too */
static const unsigned int PERSONALITIES[] = { 0x0, 0x8, 0x20000, 0x20008, 0x40000, 0xffffffff };
static const int FAMILIES[] = { 1 /* unix */, 2 /* inet */, 10 /* inet6 */, 16 /* netlink */ };

static void put_equal(struct buf *b, const char *name, unsigned int value)
{
	buf_printf(b,
		",{\"names\":[\"%s\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,"
		"\"value\":%u,\"op\":\"SCMP_CMP_EQ\"}]}",
		name, value);
}

void seccomp_json(struct buf *b)
{
	buf_puts(b, "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38,"
		    "\"architectures\":[\"" ARCH "\"],\"syscalls\":[{\"names\":[");
	for (size_t i = 0; i < ARRAY_SIZE(ALLOWED); i++)
		buf_printf(b, "%s\"%s\"", i ? "," : "", ALLOWED[i]);
	buf_puts(b, "],\"action\":\"SCMP_ACT_ALLOW\"}");
	buf_printf(b,
		",{\"names\":[\"clone\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,"
		"\"value\":%u,\"valueTwo\":0,\"op\":\"SCMP_CMP_MASKED_EQ\"}]}",
		NEW_NAMESPACES);
	for (size_t i = 0; i < ARRAY_SIZE(PERSONALITIES); i++)
		put_equal(b, "personality", PERSONALITIES[i]);
	for (size_t i = 0; i < ARRAY_SIZE(FAMILIES); i++)
		put_equal(b, "socket", (unsigned int)FAMILIES[i]);
	/* what programs ask for out of habit shall be told no, not that the kernel is old */
	buf_puts(b,
		",{\"names\":[\"unshare\",\"setns\",\"mount\",\"umount2\",\"ptrace\",\"bpf\","
		"\"perf_event_open\",\"keyctl\",\"add_key\",\"request_key\",\"io_uring_setup\","
		"\"chroot\",\"pivot_root\",\"quotactl\",\"reboot\",\"settimeofday\",\"clock_settime\","
		"\"adjtimex\",\"clock_adjtime\",\"userfaultfd\",\"name_to_handle_at\","
		"\"open_by_handle_at\",\"process_vm_readv\",\"process_vm_writev\"],"
		"\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":1}]}");
}
