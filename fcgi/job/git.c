#include "job/git.h"

#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"

#include <errno.h>
#include <sys/stat.h>

#define ASK_TIMEOUT_MS 60000

const char *git_dir(struct job *job)
{
	return arena_printf(&job->a, "%s/git/%lld.git", job->cfg->state, (long long)job->app_id);
}

static void add_protocols(struct job *job, struct argv *v)
{
	static const char *const known[] = { "https", "ssh", "http", "file" };
	auto_free char *padded = xasprintf(" %s ", job->cfg->git_protocols);

	argv_add(v, &job->a, "-c");
	argv_add(v, &job->a, "protocol.allow=never");
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		auto_free char *word = xasprintf(" %s ", known[i]);

		if (strstr(padded, word)) {
			argv_add(v, &job->a, "-c");
			argv_addf(v, &job->a, "protocol.%s.allow=always", known[i]);
		}
	}
}

static const char *const FIXED[] = { "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0", "-c",
	"core.bigFileThreshold=8m", "-c", "pack.threads=1", "-c", "core.fsync=all", "-c",
	"safe.directory=*", "-c", "http.followRedirects=false", "-c", "submodule.recurse=false",
	"-c", "fetch.fsckObjects=true", "-c", "fetch.fsck.badTimezone=warn", "-c",
	"fetch.fsck.missingSpaceBeforeDate=warn", "-c", "fetch.fsck.zeroPaddedFilemode=warn", "-c",
	"advice.detachedHead=false" };

static const char *const ENVIRONMENT[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8",
	"HOME=/nonexistent", "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1",
	"GIT_CONFIG_GLOBAL=/dev/null", "GIT_ASKPASS=/bin/false", "GIT_SSH_VARIANT=ssh" };

static const char *const *environment(struct job *job, const char *const *more)
{
	struct argv v = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(ENVIRONMENT); i++)
		argv_add(&v, &job->a, ENVIRONMENT[i]);
	for (; more && *more; more++)
		argv_add(&v, &job->a, *more);
	return v.v;
}

/* proc gives one context to both of its callbacks */
struct relay {
	struct job *job;
	const struct git_run *run;
};

static void relay_line(void *ctx, const char *line, size_t n)
{
	struct relay *relay = ctx;

	if (relay->run->say)
		job_line(relay->job, line, n);
	else
		relay->run->on_line(relay->run->line_ctx, line, n);
}

static bool relay_goes_on(void *ctx)
{
	return job_goes_on(((struct relay *)ctx)->job);
}

bool git_run(struct job *job, const struct git_run *run, struct proc_result *ret, struct err *e)
{
	struct relay relay = { job, run };
	struct argv v = { 0 };
	struct proc_spec spec = { .timeout_ms = job->cfg->git_timeout * 1000,
		.max_bytes = run->max ? run->max : 64 * 1024,
		.input = run->input,
		.input_len = run->input_len,
		.ctx = &relay,
		.go_on = relay_goes_on,
		.on_line = run->say || run->on_line ? relay_line : NULL };

	/* a hostile pack must not take the machine's memory: 2 GiB of address space */
	argv_add(&v, &job->a, "prlimit");
	argv_add(&v, &job->a, "--as=4294967296");
	argv_add(&v, &job->a, "--");
	argv_add(&v, &job->a, "git");
	for (size_t i = 0; i < ARRAY_SIZE(FIXED); i++)
		argv_add(&v, &job->a, FIXED[i]);
	add_protocols(job, &v);
	argv_addf(&v, &job->a, "--git-dir=%s", git_dir(job));
	for (const char *const *p = run->args; *p; p++)
		argv_add(&v, &job->a, *p);
	spec.argv = v.v;
	spec.env = environment(job, run->env);
	if (!proc_run(&spec, &job->a, ret, e))
		return false;
	if (ret->cancelled)
		return job_stopped(job, e);
	if (ret->timed_out)
		return err_set(e, ERR_TIMEOUT, "git_timeout", "git did not end within %lld s",
			(long long)job->cfg->git_timeout);
	return true;
}

/* the last line of what git said, without "fatal: " */
static const char *reason(struct job *job, const struct proc_result *r)
{
	struct slice rest = { r->err, r->err_len }, line;
	const char *last = "it gave no reason";

	while (slice_line(&rest, &line)) {
		line = slice_trim(line);
		if (line.n > 7 && memcmp(line.p, "fatal: ", 7) == 0)
			line = (struct slice){ line.p + 7, line.n - 7 };
		if (line.n && line.n < 250 && memcmp(line.p, "hint:", MIN(line.n, (size_t)5)) != 0)
			last = utf8_scrub(&job->a, line.p, line.n);
	}
	return last;
}

bool git_line(struct job *job, const char **ret, struct err *e, const char *const *args)
{
	struct git_run run = { .args = args };
	struct proc_result r;
	char *end;

	if (!git_run(job, &run, &r, e))
		return false;
	if (r.status != 0)
		return err_set(e, ERR_NOT_FOUND, "git_failed", "git: %s", reason(job, &r));
	end = strchr(r.out, '\n');
	if (end)
		*end = '\0';
	if (ret)
		*ret = r.out;
	return true;
}

bool git_ensure(struct job *job, struct err *e)
{
	static const char *const settings[][2] = { { "core.sharedRepository", "0660" },
		{ "transfer.hideRefs", "refs/nap" }, { "receive.autogc", "false" },
		{ "gc.auto", "0" }, { "http.receivepack", "true" },
		{ "receive.shallowUpdate", "true" } };
	const char *dir = git_dir(job),
		   *made = arena_printf(&job->a, "%s.%lld.new", dir, (long long)job->attempt);
	struct proc_result r;
	struct argv init = { 0 };

	if (access(dir, F_OK) == 0)
		return true;
	if (!tree_remove(made, e))
		return false;
	argv_add(&init, &job->a, "git");
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		argv_add(&init, &job->a, "-c");
		argv_addf(&init, &job->a, "%s=%s", settings[i][0], settings[i][1]);
	}
	argv_add(&init, &job->a, "init");
	argv_add(&init, &job->a, "--quiet");
	argv_add(&init, &job->a, "--bare");
	argv_add(&init, &job->a, "--template=");
	argv_add(&init, &job->a, "--shared=0660");
	argv_add(&init, &job->a, "--initial-branch=master");
	argv_add(&init, &job->a, made);
	if (!proc_run(&(struct proc_spec){ .argv = init.v,
			      .env = environment(job, NULL),
			      .timeout_ms = ASK_TIMEOUT_MS,
			      .max_bytes = 4096 },
		    &job->a, &r, e))
		return false;
	if (r.status != 0)
		return err_set(e, ERR_INTERNAL, "git_failed", "could not make a repository: %s",
			reason(job, &r));
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		const char *const set[] = { "git", "config", "--file",
			arena_printf(&job->a, "%s/config", made), settings[i][0], settings[i][1],
			NULL };

		if (!proc_run(&(struct proc_spec){ .argv = set,
				      .env = environment(job, NULL),
				      .timeout_ms = ASK_TIMEOUT_MS,
				      .max_bytes = 4096 },
			    &job->a, &r, e))
			return false;
	}
	if (chmod(made, 02770) < 0)
		return err_errno(e, "could not open folder \"%s\" to its group", made);
	if (rename(made, dir) < 0 && errno != EEXIST && errno != ENOTEMPTY)
		return err_errno(e, "could not put repository \"%s\" in place", dir);
	return tree_remove(made, e);
}

static bool is_commit_id(const char *ref)
{
	size_t n = strlen(ref);

	return (n == 40 || n == 64) && strspn(ref, "0123456789abcdef") == n;
}

/* the object of a ref name in ls-remote's "OBJECT\tNAME" lines; a tag's commit (NAME^{}) wins over the tag */
static bool pick(const char *lines, const char *name, char ret[GIT_ID_SIZE])
{
	struct slice rest = slice_of(lines), line;
	auto_free char *peeled = xasprintf("%s^{}", name);
	bool found = false;

	while (slice_line(&rest, &line)) {
		const char *tab = memchr(line.p, '\t', line.n);
		size_t n = tab ? (size_t)(tab - line.p) : 0;
		struct slice what = { tab ? tab + 1 : "", tab ? line.n - n - 1 : 0 };

		if (n == 0 || n >= GIT_ID_SIZE ||
			(!slice_eq(what, name) && !slice_eq(what, peeled)))
			continue;
		memcpy(ret, line.p, n);
		ret[n] = '\0';
		found = true;
		if (slice_eq(what, peeled))
			return true;
	}
	return found;
}

/* Credentials for one fetch: a store file that only this user reads, removed again. */
struct credential {
	const char *path;
};

static void credential_remove(struct credential *c)
{
	if (c->path)
		(void)unlink(c->path);
}

static bool credential_write(
	struct job *job, const char *url, const char *secret, struct credential *ret, struct err *e)
{
	const char *host = strstr(url, "://");
	const char *path = arena_printf(&job->a, "%s/work/credential-%lld-%lld", job->cfg->state,
		(long long)job->id, (long long)job->attempt);
	char *line;

	if (!secret || !host)
		return true;
	line = arena_printf(&job->a, "%.*s://%s@%.*s\n", (int)(host - url), url, secret,
		(int)strcspn(host + 3, "/"), host + 3);
	if (!file_replace(path, line, strlen(line), 0600, e))
		return false;
	ret->path = path;
	return true;
}

static bool fetch_failed(
	struct job *job, const char *url, const struct proc_result *r, struct err *e)
{
	return err_set(
		e, ERR_UPSTREAM, "git_failed", "could not fetch \"%s\": %s", url, reason(job, r));
}

bool git_fetch(struct job *job, const char *url, const char *secret, const char *ref,
	char ret_commit[GIT_ID_SIZE], struct err *e)
{
	__attribute__((cleanup(credential_remove))) struct credential credential = { NULL };
	struct argv ask = { 0 }, fetch = { 0 };
	struct proc_result r;
	char id[GIT_ID_SIZE] = "";

	if (!credential_write(job, url, secret, &credential, e))
		return false;
	if (credential.path) {
		argv_add(&ask, &job->a, "-c");
		argv_addf(&ask, &job->a, "credential.helper=store --file=%s", credential.path);
	}
	fetch = ask;
	fetch.size = 0; /* its own copy at the next word */
	if (ref && is_commit_id(ref)) {
		(void)snprintf(id, sizeof id, "%s", ref);
	} else {
		const char *const names[] = { ref ? arena_printf(&job->a, "refs/heads/%s", ref)
						  : "HEAD",
			ref ? arena_printf(&job->a, "refs/tags/%s", ref) : "HEAD",
			ref ? ref : "HEAD" };

		argv_add(&ask, &job->a, "ls-remote");
		argv_add(&ask, &job->a, "--end-of-options");
		argv_add(&ask, &job->a, url);
		if (!git_run(job, &(struct git_run){ .args = ask.v, .max = 32 * 1024 * 1024 }, &r,
			    e))
			return false;
		if (r.status != 0)
			return fetch_failed(job, url, &r, e);
		for (size_t i = 0; !id[0] && i < ARRAY_SIZE(names); i++)
			(void)pick(r.out, names[i], id);
		if (!id[0] && r.out_len == 0)
			return err_set(e, ERR_INVALID, "empty_repository",
				"repository \"%s\" has no commit", url);
		if (!id[0])
			return err_set(e, ERR_INVALID, "ref_not_found",
				"\"%s\" has no branch or tag \"%s\"", url, ref ? ref : "HEAD");
	}
	argv_add(&fetch, &job->a, "fetch");
	argv_add(&fetch, &job->a, "--no-tags");
	argv_add(&fetch, &job->a, "--no-recurse-submodules");
	argv_add(&fetch, &job->a, "--no-write-fetch-head");
	argv_add(&fetch, &job->a, "--end-of-options");
	argv_add(&fetch, &job->a, url);
	argv_addf(&fetch, &job->a, "+%s:refs/nap/incoming", id);
	if (!git_run(job, &(struct git_run){ .args = fetch.v, .say = true }, &r, e))
		return false;
	if (r.status != 0)
		return fetch_failed(job, url, &r, e);
	(void)snprintf(ret_commit, GIT_ID_SIZE, "%s", id);
	return true;
}

bool git_blob(struct job *job, const char *commit, const char *path, size_t max, const char **ret,
	size_t *ret_n, struct err *e)
{
	const char *const args[] = { "cat-file", "blob",
		arena_printf(&job->a, "%s:%s", commit, path), NULL };
	struct proc_result r;

	if (!git_run(job, &(struct git_run){ .args = args, .max = max + 1 }, &r, e))
		return false;
	if (r.status != 0)
		return err_set(
			e, ERR_NOT_FOUND, "not_found", "the source has no file \"%s\"", path);
	if (r.out_len > max)
		return err_set(e, ERR_TOO_LARGE, "too_large", "\"%s\" is larger than %zu bytes",
			path, max);
	*ret = r.out;
	*ret_n = r.out_len;
	return true;
}

bool git_pin(struct job *job, int64_t release, const char *commit, struct err *e)
{
	const char *ref = arena_printf(&job->a, "refs/nap/releases/%lld", (long long)release);

	return git_ask(job, NULL, e, "update-ref", ref, commit);
}

bool git_set_branch(struct job *job, const char *branch, const char *commit, struct err *e)
{
	const char *ref = arena_printf(&job->a, "refs/heads/%s", branch);

	return git_ask(job, NULL, e, "update-ref", ref, commit) &&
	       git_ask(job, NULL, e, "symbolic-ref", "HEAD", ref);
}
