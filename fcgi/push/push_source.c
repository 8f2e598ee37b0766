#include "push/push_source.h"
#include "base/limits.h"
#include "base/proc.h"
#include "base/text.h"

#define GIT_TIMEOUT_MS 120000

static const char *const *git_env(struct arena *a)
{
	static const char *const kept[] = { "GIT_DIR", "GIT_OBJECT_DIRECTORY",
		"GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH", "GIT_SHALLOW_FILE",
		"GIT_CONFIG_COUNT" };
	struct argv env = { 0 };
	const char *count = getenv("GIT_CONFIG_COUNT");
	int64_t n = 0;

	argv_add(&env, a, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	argv_add(&env, a, "HOME=/nonexistent");
	argv_add(&env, a, "LANG=C.UTF-8");
	argv_add(&env, a, "GIT_CONFIG_NOSYSTEM=1");
	argv_add(&env, a, "GIT_CONFIG_GLOBAL=/dev/null");
	argv_add(&env, a, "GIT_TERMINAL_PROMPT=0");
	argv_add(&env, a, "GIT_NO_REPLACE_OBJECTS=1");
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (getenv(kept[i]))
			argv_addf(&env, a, "%s=%s", kept[i], getenv(kept[i]));
	if (!count || !parse_i64(count, 0, 100, &n))
		n = 0;
	for (int64_t i = 0; i < n; i++) {
		const char *key = arena_printf(a, "GIT_CONFIG_KEY_%d", (int)i);
		const char *value = arena_printf(a, "GIT_CONFIG_VALUE_%d", (int)i);

		argv_addf(&env, a, "%s=%s", key, getenv(key) ? getenv(key) : "");
		argv_addf(&env, a, "%s=%s", value, getenv(value) ? getenv(value) : "");
	}
	return env.v;
}

static bool git(const char *const *argv, size_t max_bytes, struct arena *a, struct proc_result *ret,
	struct err *e)
{
	struct proc_spec spec = { .argv = argv,
		.env = git_env(a),
		.timeout_ms = GIT_TIMEOUT_MS,
		.max_bytes = max_bytes };

	if (!proc_run(&spec, a, ret, e))
		return false;
	if (ret->timed_out)
		return err_set(e, ERR_TIMEOUT, "source_unreadable",
			"git took too long to read the commit");
	return true;
}

/* the first line of what git printed; NULL when it failed */
static bool git_word(const char *const *argv, struct arena *a, const char **ret, struct err *e)
{
	struct proc_result r;

	if (!git(argv, 4096, a, &r, e))
		return false;
	*ret = NULL;
	if (r.status == 0 && r.out_len) {
		r.out[strcspn(r.out, "\n")] = '\0';
		*ret = r.out;
	}
	return true;
}

bool push_is_zero(const char *commit)
{
	return strspn(commit, "0") == strlen(commit);
}

static bool next_word(struct slice *rest, struct slice *ret)
{
	*rest = slice_trim(*rest);
	ret->p = rest->p;
	ret->n = 0;
	while (rest->n && *rest->p != ' ' && *rest->p != '\t') {
		rest->p++;
		rest->n--;
		ret->n++;
	}
	return ret->n > 0;
}

static void keep_id(char *ret, struct slice id, int64_t *ret_size, int64_t size)
{
	if (id.n <= 64) {
		memcpy(ret, id.p, id.n);
		ret[id.n] = '\0';
		*ret_size = size;
	}
}

/* "100644 blob ID    SIZE\tPATH"; SIZE is "-" for folders and submodules. What is no such line counts as an entry. */
void push_tree_line(struct push_tree *t, struct arena *a, const char *line, size_t n)
{
	struct slice rest = { line, n }, mode, type, id, size;
	struct push_source *s = t->source;
	const char *tab = memchr(line, '\t', n);
	int64_t bytes = 0;

	if (++s->entries > MAX_TREE_ENTRIES) {
		s->too_many = true;
		return;
	}
	if (!tab)
		return;
	rest.n = (size_t)(tab - line);
	if (!next_word(&rest, &mode) || !next_word(&rest, &type) || !next_word(&rest, &id) ||
		!next_word(&rest, &size))
		return;
	if (parse_slice_i64(size, 0, INT64_MAX, &bytes) &&
		__builtin_add_overflow(s->bytes, bytes, &s->bytes))
		s->bytes = INT64_MAX;
	rest = (struct slice){ tab + 1, n - (size_t)(tab + 1 - line) };
	if (slice_eq(type, "commit") && !s->submodule)
		s->submodule = utf8_scrub(a, rest.p, rest.n);
	if (slice_eq(rest, "profile")) {
		t->profile_is_file = slice_eq(mode, "100644") || slice_eq(mode, "100755");
		keep_id(t->profile, id, &t->profile_size, bytes);
	}
	if (slice_eq(rest, "run"))
		s->run = slice_eq(type, "blob");
	if (slice_eq(rest, ".gitattributes") && slice_eq(type, "blob"))
		keep_id(t->attributes, id, &t->attributes_size, bytes);
}

struct reading {
	struct push_tree tree;
	struct arena *a;
};

static void on_line(void *ctx, const char *line, size_t n)
{
	struct reading *r = ctx;

	push_tree_line(&r->tree, r->a, line, n);
}

static bool go_on(void *ctx)
{
	const struct reading *r = ctx;

	return !r->tree.source->too_many;
}

static bool blob(const char *id, size_t max, struct arena *a, const char **ret, size_t *ret_len,
	struct err *e)
{
	struct proc_result r;

	if (!git((const char *const[]){ "git", "cat-file", "blob", id, NULL }, max, a, &r, e))
		return false;
	if (r.status != 0)
		return err_set(e, ERR_INVALID, "source_unreadable",
			"git could not read the commit's files");
	*ret = r.out;
	*ret_len = r.out_len;
	return true;
}

bool push_source_read(const char *commit, struct arena *a, struct push_source *ret, struct err *e)
{
	struct push_source s = { 0 };
	struct reading reading = { { .source = &s }, a };
	struct proc_spec spec = { .env = git_env(a),
		.timeout_ms = GIT_TIMEOUT_MS,
		.max_bytes = 0,
		.on_line = on_line,
		.go_on = go_on,
		.ctx = &reading };
	struct proc_result r;

	/* -t: folders count too, or a tree of empty ones would be walked for ever */
	spec.argv = (const char *const[]){ "git", "ls-tree", "-r", "-t", "-l", "--full-tree",
		commit, NULL };
	if (!proc_run(&spec, a, &r, e))
		return false;
	if (!s.too_many && (r.status != 0 || r.timed_out))
		return err_set(e, ERR_INVALID, "source_unreadable",
			"git could not read the commit's tree");
	if (!s.too_many && reading.tree.profile[0]) {
		if (!reading.tree.profile_is_file)
			return err_set(e, ERR_INVALID, "profile_invalid",
				"profile: it is not a regular file");
		if (reading.tree.profile_size > MAX_PROFILE_BYTES)
			return err_set(e, ERR_INVALID, "profile_invalid",
				"profile: it is larger than %d bytes", MAX_PROFILE_BYTES);
		if (!blob(reading.tree.profile, MAX_PROFILE_BYTES, a, &s.profile, &s.profile_len,
			    e))
			return false;
	}
	if (!s.too_many && reading.tree.attributes[0]) {
		const char *text;
		size_t n;

		if (!blob(reading.tree.attributes, 65536, a, &text, &n, e))
			return false;
		s.lfs = memmem(text, n, "filter=lfs", 10) != NULL;
	}
	*ret = s;
	return true;
}

bool push_related(const char *one, const char *other, struct arena *a, bool *ret, struct err *e)
{
	struct proc_result r;

	if (!git((const char *const[]){ "git", "merge-base", one, other, NULL }, 4096, a, &r, e))
		return false;
	*ret = r.status != 1;
	return true;
}

bool push_is_ancestor(const char *old, const char *later, struct arena *a, bool *ret, struct err *e)
{
	struct proc_result r;

	if (!git((const char *const[]){ "git", "merge-base", "--is-ancestor", old, later, NULL },
		    4096, a, &r, e))
		return false;
	*ret = r.status == 0;
	return true;
}

bool push_ref_read(const char *ref, struct arena *a, const char **ret_commit, struct err *e)
{
	return git_word((const char *const[]){ "git", "rev-parse", "--verify", "--quiet",
				"--end-of-options", ref, NULL },
		a, ret_commit, e);
}

bool push_head(struct arena *a, const char **ret_ref, const char **ret_commit, struct err *e)
{
	const char *ref, *commit;

	if (!git_word((const char *const[]){ "git", "symbolic-ref", "--quiet", "HEAD", NULL }, a,
		    &ref, e))
		return false;
	if (!ref)
		return err_set(e, ERR_INTERNAL, "internal", "the repository has no HEAD");
	if (!push_ref_read(ref, a, &commit, e))
		return false;
	*ret_ref = ref;
	*ret_commit = commit;
	return true;
}

bool push_head_set(const char *ref, struct arena *a, struct err *e)
{
	struct proc_result r;

	if (!git((const char *const[]){ "git", "symbolic-ref", "HEAD", ref, NULL }, 4096, a, &r, e))
		return false;
	return r.status == 0 || err_set(e, ERR_INTERNAL, "internal",
					"could not set HEAD to \"%s\": %.100s", ref, r.err);
}

bool push_ref_move(
	const char *ref, const char *to, const char *from, struct arena *a, struct err *e)
{
	struct proc_result r;
	const char *const move[] = { "git", "update-ref", ref, to, from, NULL };
	const char *const drop[] = { "git", "update-ref", "-d", ref, from, NULL };

	if (!git(push_is_zero(to) ? drop : move, 4096, a, &r, e))
		return false;
	return r.status == 0 ||
	       err_set(e, ERR_CONFLICT, "branch_moved", "branch \"%s\" has moved meanwhile", ref);
}
