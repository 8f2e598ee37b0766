#include "node/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#error "the filter knows x86_64 and aarch64"
#endif

static const unsigned int DENIED[] = { SYS_unshare, SYS_setns, SYS_mount, SYS_umount2,
	SYS_pivot_root, SYS_chroot, SYS_move_mount, SYS_open_tree, SYS_fsopen, SYS_fsmount,
	SYS_fsconfig, SYS_fspick, SYS_mount_setattr, SYS_ptrace, SYS_process_vm_readv,
	SYS_process_vm_writev, SYS_kcmp, SYS_bpf, SYS_perf_event_open, SYS_userfaultfd,
	SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register, SYS_add_key, SYS_request_key,
	SYS_keyctl, SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load,
	SYS_kexec_file_load, SYS_reboot, SYS_swapon, SYS_swapoff, SYS_acct, SYS_quotactl,
	SYS_open_by_handle_at, SYS_name_to_handle_at, SYS_settimeofday, SYS_clock_settime,
	SYS_adjtimex, SYS_clock_adjtime, SYS_sethostname, SYS_setdomainname, SYS_syslog,
	SYS_vhangup, SYS_lookup_dcookie, SYS_nfsservctl, SYS_personality };

#define NEW_NAMESPACES 0x7e020000U
#define X32	       0x40000000U

#define LOAD(field) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned int)offsetof(struct seccomp_data, field))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define IF_EQUAL(k, skip) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), 0, (skip)) /* else: skip so many */

bool filter_apply(void)
{
	struct sock_filter head[] = {
		LOAD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
		RETURN(SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),
		/* x32 numbers are another way to the same calls */
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32, 0, 1),
		RETURN(SECCOMP_RET_ERRNO | ENOSYS),
		IF_EQUAL(SYS_clone3, 1),
		RETURN(SECCOMP_RET_ERRNO | ENOSYS),
		IF_EQUAL(SYS_clone, 4),
		LOAD(args[0]),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NEW_NAMESPACES, 0, 1),
		RETURN(SECCOMP_RET_ERRNO | EPERM),
		RETURN(SECCOMP_RET_ALLOW),
	};
	struct sock_filter f[ARRAY_SIZE(head) + 2 * ARRAY_SIZE(DENIED) + 1];
	struct sock_fprog program = { .len = ARRAY_SIZE(f), .filter = f };
	size_t n = ARRAY_SIZE(head);

	memcpy(f, head, sizeof head);
	for (size_t i = 0; i < ARRAY_SIZE(DENIED); i++) {
		f[n++] = (struct sock_filter)IF_EQUAL(DENIED[i], 1);
		f[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ERRNO | EPERM);
	}
	f[n] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
	return prctl(PR_SET_SECCOMP, (long)SECCOMP_MODE_FILTER, &program, 0L, 0L) == 0;
}
