/*
 * The walls around one command of a unit, by what the machine allows (A/isolation):
 *
 *	crun     OCI container: pid, ipc, uts, mount and cgroup namespaces, own uid, no capabilities, a seccomp filter,
 *	         memory, pids and CPU limits by cgroup v1 or v2, a skeleton root (crun.c)
 *	bwrap    the same namespaces and root by bubblewrap, limits by setrlimit(2), a smaller filter (bwrap.c)
 *	setpriv  own uid and setrlimit(2) only; NAP_ROOT names a folder of links in place of mounts (plain.c)
 *	none     nothing at all, and only where the operator asked for it (NAP_ISOLATION=none)
 *
 * In each of them the first process is `nap-run -i`, which waits for what it started, hands signals on, reaps what is
 * left to it, and reports the exact wait status on descriptor 3: a container's exit code cannot tell a signal from 128 + n.
 */
#ifndef NAP_UNIT_SANDBOX_H
#define NAP_UNIT_SANDBOX_H

#include "base/buf.h"
#include "unit/unit_dir.h"

struct sandbox {
	pid_t pid;  /* to wait for: our child, or adopted by us (PR_SET_CHILD_SUBREAPER) */
	pid_t init; /* to signal: nap-run -i; 0: not known (yet) */
	int status; /* where its wait status comes from: a pipe */
};

/* Starts c in u's sandbox. Errors: ERR_UPSTREAM "not_started", ERR_INVALID "bad_path" and what is wrong with it. */
NODISCARD bool sandbox_start(const struct unit *u, const struct unit_command *c,
	const struct unit_words *env, struct sandbox *ret, struct err *e);

/* Starts c beside what runs in b, where that can be had inside the same walls (ExecStartPost=, ExecStop=). */
NODISCARD bool sandbox_join(const struct unit *u, const struct sandbox *b,
	const struct unit_command *c, const struct unit_words *env, struct sandbox *ret,
	struct err *e);

/* The wait status of what ran in b, once b->pid has been waited for with outer; closes b. */
int sandbox_status(struct sandbox *b, int outer);

/* To the first process, or to each process of the unit. */
void sandbox_signal(const struct sandbox *b, int number);
void sandbox_signal_all(const struct unit *u, const struct sandbox *b, int number);

/* Ends everything that is left of the unit, whoever started it, and takes its container away. True: nothing is left. */
bool sandbox_clear(const struct unit *u);

/* how often the kernel killed a process of the unit for its memory, by its cgroup; 0 where there is none */
int64_t sandbox_oom_kills(const struct unit *u);

/* One namespace of mounts for this process and its children, without the second cgroup hierarchy that crun 1.8 refuses. */
void sandbox_prepare_mounts(void);

/* the command as an init of its own: nap-run -i OPTIONS -- ARGV; "nap-run" lies at tool */
struct unit_words sandbox_argv(const struct unit *u, const struct unit_command *c,
	const struct unit_words *env, const char *tool, const char *const *options);

/* Tries which of them really works on this machine, as this user, with S's folders: a word of isolation_word(). */
NODISCARD bool sandbox_probe(
	const char *state, const char *wanted, enum isolation *ret, struct err *e);

/* what the three files share: the paths of the unit that may be mounted, in order of their destination */
struct unit_mount {
	const char *from, *to;
	bool read_only, tmpfs, file;
};
NODISCARD bool sandbox_mounts(
	const struct unit *u, struct unit_mount **ret, size_t *ret_n, struct err *e);

/* the unit's limit for the resource, no higher than what nap-unit itself may give; false: none is set */
bool sandbox_limit(const struct unit *u, int resource, struct rlimit *ret);
/* 500 and up: an app goes before anything of nap's (RULES) */
int sandbox_oom_score(const struct unit *u);

/* Appends the member "resources" of crun's config.json; root: where cgroups are mounted, v1, v2 or both. */
void sandbox_resources(struct buf *b, const struct unit_options *o, const char *root);

NODISCARD bool crun_start(const struct unit *u, const struct unit_words *argv,
	const struct unit_words *env, int status_fd, struct sandbox *ret, struct err *e);
NODISCARD bool crun_exec(const struct unit *u, const struct unit_words *argv,
	const struct unit_words *env, int status_fd, struct sandbox *ret, struct err *e);
void crun_delete(const struct unit *u);

#endif
