#include "job/git.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include "job/gate.h"
#include "job/pack.h"
#include "job/ssh.h"
#include "push/push_repo.h"

#include <fcntl.h>
#include <sys/file.h>

#define ASK_TIMEOUT_MS 60000
#define GIT_MEMORY     (4LL << 30) /* of address space: packs are mapped */
#define ASK_MEMORY     (1LL << 30) /* a list of refs that never ends is kept in memory */

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
	"fetch.unpackLimit=1", "-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60", "-c",
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

/* proc gives one context to all of its callbacks */
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

static size_t relay_more(void *ctx, const char **ret)
{
	const struct relay *relay = ctx;

	return relay->run->more(relay->run->more_ctx, ret);
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
		.more = run->more ? relay_more : NULL,
		.ctx = &relay,
		.go_on = relay_goes_on,
		.on_line = run->say || run->on_line ? relay_line : NULL };

	job_child(job, &v);
	/* a hostile pack must not take the machine's memory, nor its disk */
	argv_add(&v, &job->a, "prlimit");
	argv_addf(&v, &job->a, "--as=%lld", run->memory ? (long long)run->memory : GIT_MEMORY);
	if (run->max_file)
		argv_addf(&v, &job->a, "--fsize=%lld", (long long)run->max_file);
	argv_add(&v, &job->a, "--");
	if (run->max_file) {
		/* so that it hears of the limit, and says it, instead of being killed */
		argv_add(&v, &job->a, "env");
		argv_add(&v, &job->a, "--ignore-signal=XFSZ");
	}
	argv_add(&v, &job->a, "git");
	for (size_t i = 0; i < ARRAY_SIZE(FIXED); i++)
		argv_add(&v, &job->a, FIXED[i]);
	add_protocols(job, &v);
	argv_addf(&v, &job->a, "--git-dir=%s", run->dir ? run->dir : git_dir(job));
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

/*
 * Why git failed: what it says first behind "fatal: ". Where that is only that the other side hung up, the line before
 * it, which is the other side's; the advice that follows is never the reason.
 */
static const char *reason(struct job *job, const struct proc_result *r)
{
	static const char fatal[] = "fatal: ", hung_up[] = "Could not read from remote repository.";
	struct slice rest = { r->err, r->err_len }, line, last = slice_of("it gave no reason");

	while (slice_line(&rest, &line)) {
		line = slice_trim(line);
		if (line.n >= sizeof fatal && memcmp(line.p, fatal, sizeof fatal - 1) == 0) {
			line.p += sizeof fatal - 1;
			line.n -= sizeof fatal - 1;
			if (!slice_eq(line, hung_up))
				last = line;
			break;
		}
		if (line.n && (line.n < 5 || memcmp(line.p, "hint:", 5) != 0))
			last = line;
	}
	return utf8_scrub(&job->a, last.p, MIN(last.n, (size_t)250));
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
	return push_repo_make(
		job->cfg->state, arena_printf(&job->a, "%lld", (long long)job->app_id), e);
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

/* What one fetch needs besides its URL; files that only this user reads, removed again. */
struct route {
	struct argv options;
	const char *const *env;
	const char *credential;
	struct ssh_way ssh;
};

static void route_remove(struct route *r)
{
	if (r->credential)
		(void)unlink(r->credential);
	ssh_way_close(&r->ssh);
}

static const char *quoted(struct job *job, const char *text)
{
	auto_buf struct buf b;

	buf_init(&b, 64 * 1024);
	buf_shell(&b, text);
	return arena_strdup(&job->a, b.data);
}

static bool credential_write(
	struct job *job, const char *url, const char *secret, struct route *r, struct err *e)
{
	const char *host = strstr(url, "://");
	char *line;

	if (!secret || !host)
		return true;
	line = arena_printf(&job->a, "%.*s://%s@%.*s\n", (int)(host - url), url, secret,
		(int)strcspn(host + 3, "/"), host + 3);
	r->credential = arena_printf(&job->a, "%s/work/credential-%lld-%lld", job->cfg->state,
		(long long)job->id, (long long)job->attempt);
	argv_add(&r->options, &job->a, "-c");
	argv_addf(&r->options, &job->a, "credential.helper=store --file=%s",
		quoted(job, r->credential));
	return file_replace(r->credential, line, strlen(line), 0600, e);
}

static bool route_open(
	struct job *job, const char *url, const char *secret, struct route *r, struct err *e)
{
	struct argv env = { 0 };
	struct gate g;

	if (!gate_open(url, job->cfg->git_private != 0, &job->a, &g, e) ||
		!credential_write(job, url, secret, r, e))
		return false;
	if (g.ssh) {
		if (!ssh_way_open(job, &g, &r->ssh, e))
			return false;
		argv_addf(&env, &job->a, "GIT_SSH=%s", r->ssh.program);
		r->env = env.v;
	} else if (g.address[0]) {
		bool v6 = strchr(g.address, ':') != NULL;

		argv_add(&r->options, &job->a, "-c");
		argv_addf(&r->options, &job->a, "http.curloptResolve=%s:%s:%s%s%s", g.host, g.port,
			v6 ? "[" : "", g.address, v6 ? "]" : "");
	}
	return true;
}

/* what git or ssh said, from the most to the least telling */
static const struct {
	const char *said, *code;
	enum err_kind kind;
} FAILURES[] = {
	{ "No space left on device", "disk_full", ERR_UPSTREAM },
	{ "Disk quota exceeded", "disk_full", ERR_UPSTREAM },
	{ "Out of memory", "source_too_large", ERR_TOO_LARGE },
	{ "Operation too slow", "git_timeout", ERR_TIMEOUT },
	{ "timed out", "git_unreachable", ERR_UPSTREAM },
	{ "Could not resolve host", "unknown_host", ERR_UPSTREAM },
	{ "Connection refused", "git_unreachable", ERR_UPSTREAM },
	{ "Failed to connect", "git_unreachable", ERR_UPSTREAM },
	{ "No route to host", "git_unreachable", ERR_UPSTREAM },
	{ "unreachable", "git_unreachable", ERR_UPSTREAM },
	{ "Host key verification failed", "host_key_changed", ERR_UPSTREAM },
	{ "Authentication failed", "git_auth_failed", ERR_INVALID },
	{ "could not read Username", "git_auth_failed", ERR_INVALID },
	{ "could not read Password", "git_auth_failed", ERR_INVALID },
	{ "Permission denied", "git_auth_failed", ERR_INVALID },
	{ "returned error: 403", "git_auth_failed", ERR_INVALID },
	{ "returned error: 30", "redirect_refused", ERR_INVALID },
	{ "returned error: 4", "repository_not_found", ERR_INVALID },
	{ "not found", "repository_not_found", ERR_INVALID },
	{ "does not appear to be a git repository", "repository_not_found", ERR_INVALID },
	{ "not valid: is this a git repository", "repository_not_found", ERR_INVALID },
	{ "No such file or directory", "repository_not_found", ERR_INVALID },
	{ "dubious ownership", "repository_not_owned", ERR_INVALID },
	{ "not our ref", "ref_not_found", ERR_INVALID },
	{ "unadvertised object", "ref_not_found", ERR_INVALID },
	{ "fsck", "source_broken", ERR_INVALID },
	{ "index-pack", "source_broken", ERR_INVALID },
};

/* a pack holds the whole history, compressed: four times the largest tree is generous */
static int64_t max_pack(const struct job *job)
{
	return job->cfg->source_max_bytes * 4;
}

static bool fetch_failed(struct job *job, const struct route *route, const char *url,
	const struct proc_result *r, struct err *e)
{
	if (route->ssh.public && memmem(r->err, r->err_len, "Permission denied", 17))
		job_say(job, "this tenant's key, to be added at the git host: %s",
			route->ssh.public);
	if (memmem(r->err, r->err_len, "File too large", 14))
		return err_set(e, ERR_TOO_LARGE, "source_too_large",
			"the repository at \"%s\" has more than %lld MiB with its history", url,
			(long long)(max_pack(job) >> 20));
	for (size_t i = 0; i < ARRAY_SIZE(FAILURES); i++)
		if (memmem(r->err, r->err_len, FAILURES[i].said, strlen(FAILURES[i].said)))
			return err_set(e, FAILURES[i].kind, FAILURES[i].code,
				"could not fetch \"%s\": %s", url, reason(job, r));
	return err_set(
		e, ERR_UPSTREAM, "git_failed", "could not fetch \"%s\": %s", url, reason(job, r));
}

/* what a fetch that was cut off left: no other process of nap writes here but the one that packs */
static void remove_leftovers(struct job *job)
{
	auto_fd int lock = pack_lock(job);
	const char *folder = arena_printf(&job->a, "%s/objects/pack", git_dir(job));
	auto_dir DIR *d = opendir(folder);
	const struct dirent *entry;

	while (lock >= 0 && d && (entry = readdir(d)))
		if (starts_with(entry->d_name, "tmp_"))
			(void)unlinkat(dirfd(d), entry->d_name, 0);
}

/* refs/heads/main of "ref: refs/heads/main\tHEAD": other names than main are master here */
static const char *own_branch(const char *lines, const char *ref)
{
	if (ref)
		return streq(ref, "main") ? "main" : "master";
	return starts_with(lines, "ref: refs/heads/main\t") ? "main" : "master";
}

/* asks the remote what ref is */
static bool resolve(struct job *job, const struct route *route, const char *url, const char *ref,
	char ret[GIT_ID_SIZE], const char **ret_branch, struct err *e)
{
	const char *const names[] = { ref ? arena_printf(&job->a, "refs/heads/%s", ref) : "HEAD",
		ref ? arena_printf(&job->a, "refs/tags/%s", ref) : "HEAD", ref ? ref : "HEAD" };
	struct argv ask = { 0 };
	struct proc_result r;
	char id[GIT_ID_SIZE] = "";

	for (size_t i = 0; i < route->options.n; i++)
		argv_add(&ask, &job->a, route->options.v[i]);
	for (const char *const *p = (const char *const[]){ "ls-remote", "--symref",
		     "--end-of-options", url, NULL };
		*p; p++)
		argv_add(&ask, &job->a, *p);
	if (!git_run(job,
		    &(struct git_run){ .args = ask.v,
			    .env = route->env,
			    .max = 32 * 1024 * 1024,
			    .memory = ASK_MEMORY },
		    &r, e))
		return false;
	if (r.status != 0)
		return fetch_failed(job, route, url, &r, e);
	for (size_t i = 0; !id[0] && i < ARRAY_SIZE(names); i++)
		(void)pick(r.out, names[i], id);
	if (!id[0] && r.out_len == 0)
		return err_set(
			e, ERR_INVALID, "empty_repository", "repository \"%s\" has no commit", url);
	if (!id[0])
		return err_set(e, ERR_INVALID, "ref_not_found",
			"\"%s\" has no branch or tag \"%s\"", url, ref ? ref : "HEAD");
	*ret_branch = own_branch(r.out, ref);
	memcpy(ret, id, sizeof id);
	return true;
}

static bool download(
	struct job *job, const struct route *route, const char *url, const char *id, struct err *e)
{
	struct argv fetch = { 0 };
	struct proc_result r;
	bool ok;

	for (size_t i = 0; i < route->options.n; i++)
		argv_add(&fetch, &job->a, route->options.v[i]);
	for (const char *const *p = (const char *const[]){ "fetch", "--progress", "--no-tags",
		     "--no-recurse-submodules", "--no-write-fetch-head", "--end-of-options", url,
		     NULL };
		*p; p++)
		argv_add(&fetch, &job->a, *p);
	argv_addf(&fetch, &job->a, "+%s:refs/nap/incoming", id);
	remove_leftovers(job);
	ok = git_run(job,
		&(struct git_run){ .args = fetch.v,
			.env = route->env,
			.say = true,
			.max_file = max_pack(job) },
		&r, e);
	if (ok && r.status == 0)
		return true;
	remove_leftovers(job);
	return ok && fetch_failed(job, route, url, &r, e);
}

static bool bring(struct job *job, const struct route *route, const char *url, const char *ref,
	char ret_commit[GIT_ID_SIZE], const char **ret_branch, struct err *e)
{
	char id[GIT_ID_SIZE] = "";
	const char *kind;

	if (ref && is_commit_id(ref))
		(void)snprintf(id, sizeof id, "%s", ref);
	else if (!resolve(job, route, url, ref, id, ret_branch, e))
		return false;
	if (!download(job, route, url, id, e) || !git_ask(job, &kind, e, "cat-file", "-t", id))
		return false;
	if (!streq(kind, "commit"))
		return err_set(e, ERR_INVALID, "ref_not_found", "\"%s\" is no commit but a %s",
			ref ? ref : "HEAD", kind);
	memcpy(ret_commit, id, sizeof id);
	return true;
}

bool git_fetch(struct job *job, const char *url, const char *secret, const char *ref,
	char ret_commit[GIT_ID_SIZE], const char **ret_branch, struct err *e)
{
	__attribute__((cleanup(route_remove))) struct route route = { .ssh = SSH_WAY_NONE };
	struct err why;
	bool ok;

	*ret_branch = "master";
	if (!route_open(job, url, secret, &route, e))
		return false;
	ok = bring(job, &route, url, ref, ret_commit, ret_branch, e);
	/* a host that does not know the tenant's key yet was seen all the same */
	if (route.ssh.program && !ssh_way_learn(job, &route.ssh, &why)) {
		if (ok)
			*e = why;
		return false;
	}
	return ok;
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
	const char *path = arena_printf(&job->a, "%s/nap-branch", git_dir(job));
	auto_fd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660);

	/* one that lost its operation while it waited moves nothing */
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return err_errno(e, "could not lock \"%s\"", path);
	if (!job_goes_on(job))
		return job_stopped(job, e);
	return git_ask(job, NULL, e, "update-ref", ref, commit) &&
	       git_ask(job, NULL, e, "symbolic-ref", "HEAD", ref);
}
