/*
 * git, as a child process: argv only, a fixed environment, no hooks, the protocols of the setting (git-config(1)
 * protocol.allow), limits of time and memory. An app's bare repository is $NAP_STATE/git/APP_ID.git.
 *
 * Errors are for people: "git_failed" with git's last line, credentials redacted.
 */
#ifndef NAP_JOB_GIT_H
#define NAP_JOB_GIT_H

#include "job/job.h"

#define GIT_ID_SIZE 65

/* path of the app's repository, in the job's arena */
const char *git_dir(struct job *job);

/* Makes it if it is missing (push/push_repo.h). */
NODISCARD bool git_ensure(struct job *job, struct err *e);

/*
 * Fetches ref (NULL: the remote's HEAD; a branch, a tag or a commit) of url, and says what commit that is.
 * secret: "user:password" of the URL, percent-encoded, or NULL; it goes by a credential file, never on a command line.
 * ret_branch: the name of the branch that the repository's own would have: main or master.
 *
 * ssh uses the tenant's deploy key (job/ssh.h), which is shown in the log where the host does not know it; the keys of
 * hosts are believed at first sight and must stay the same.
 *
 * Errors: those of gate_open; "git_timeout" (too slow, or longer than git_timeout), "source_too_large", "disk_full",
 * "git_unreachable", "git_auth_failed", "repository_not_found", "redirect_refused", "host_key_changed", "source_broken",
 * "empty_repository", "ref_not_found", else "git_failed". A failed fetch leaves no files behind.
 */
NODISCARD bool git_fetch(struct job *job, const char *url, const char *secret, const char *ref,
	char ret_commit[GIT_ID_SIZE], const char **ret_branch, struct err *e);

/* One line of git's output, without its newline; a non-zero exit is ERR_NOT_FOUND "git_failed". */
NODISCARD bool git_line(struct job *job, const char **ret, struct err *e, const char *const *args);
#define git_ask(job, ret, e, ...) git_line(job, ret, e, (const char *const[]){ __VA_ARGS__, NULL })

/* The blob at COMMIT:PATH; not there: ERR_NOT_FOUND; over max: ERR_TOO_LARGE. */
NODISCARD bool git_blob(struct job *job, const char *commit, const char *path, size_t max,
	const char **ret, size_t *ret_n, struct err *e);

/* Runs git in the repository; env: more variables, or NULL; input: its stdin, or NULL. Output is kept to max bytes. */
struct git_run {
	const char *const *args;
	const char *const *env;
	const char *input;
	size_t input_len, max;
	size_t (*more)(void *ctx, const char **ret); /* instead of input: proc.h's */
	void *more_ctx;
	proc_line_fn *on_line;
	void *line_ctx;
	const char *dir;  /* another repository than the app's; NULL: that one */
	int64_t memory;	  /* of address space; 0: as much as packs need */
	int64_t max_file; /* no file that it writes may be larger; 0: any */
	bool say;	  /* its output goes to the operation's log */
};
NODISCARD bool git_run(
	struct job *job, const struct git_run *run, struct proc_result *ret, struct err *e);

/* Pins a release's commit (refs/nap/releases/N) and moves the default branch to it. */
NODISCARD bool git_pin(struct job *job, int64_t release, const char *commit, struct err *e);
NODISCARD bool git_set_branch(
	struct job *job, const char *branch, const char *commit, struct err *e);

#endif
