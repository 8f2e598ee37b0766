#include "unit/unit_dir.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>

#define MAX_OPTIONS (64 * 1024 * 1024)
#define MAX_EVENTS  (256 * 1024)

static const char *const ISOLATIONS[] = {
	[ISOLATION_CRUN] = "crun",
	[ISOLATION_BWRAP] = "bwrap",
	[ISOLATION_SETPRIV] = "setpriv",
	[ISOLATION_NONE] = "none",
};

const char *isolation_word(enum isolation i)
{
	return ISOLATIONS[i];
}

bool isolation_parse(const char *word, enum isolation *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(ISOLATIONS); i++) {
		if (streq(word, ISOLATIONS[i])) {
			*ret = (enum isolation)i;
			return true;
		}
	}
	return false;
}

const char *unit_tools(struct arena *a)
{
	char self[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	char *slash;

	if (n < 0)
		return "/usr/bin";
	self[n] = '\0';
	slash = strrchr(self, '/');
	return arena_strndup(a, self, slash ? (size_t)(slash - self) : 0);
}

const char *unit_path(const struct unit *u, const char *file)
{
	return arena_printf(u->a, "%s/%s", u->dir, file);
}

/* the file's first word; NULL: none */
static const char *first_word(struct arena *a, const char *path)
{
	struct err ignored;
	char *text;

	if (!file_read(path, 4096, a, &text, NULL, &ignored))
		return NULL;
	text[strcspn(text, " \t\r\n")] = '\0';
	return *text ? text : NULL;
}

static const char *folder_above(struct arena *a, const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash > path ? arena_strndup(a, path, (size_t)(slash - path)) : "/";
}

static bool read_options(struct unit *u, struct err *e)
{
	json_error_t je;
	json_t *list;
	bool ok;
	char *text;
	size_t len;

	if (!file_read(unit_path(u, "options.json"), MAX_OPTIONS, u->a, &text, &len, e))
		return err_set(e, ERR_INVALID, "no_unit", "\"%s\" holds no unit", u->dir);
	list = json_loadb(text, len, 0, &je);
	if (!list)
		return err_set(
			e, ERR_INVALID, "no_unit", "options.json of \"%s\" is no JSON", u->dir);
	/* the agent's form is the list; fleet's whole unit is fine too */
	ok = unit_options_parse(json_is_object(list) ? json_object_get(list, "options") : list,
		&u->place, u->a, &u->options, e);
	json_decref(list);
	return ok;
}

bool unit_open(const char *dir, struct arena *a, struct unit *ret, struct err *e)
{
	struct unit u = { .a = a, .uid = getuid(), .root = geteuid() == 0 };
	const char *word;
	char *real = realpath(dir, NULL);
	int64_t uid;

	if (!real)
		return err_set(e, ERR_INVALID, "no_unit", "folder \"%s\" does not exist", dir);
	arena_defer(a, free, real);
	u.dir = real;
	u.folder = strrchr(real, '/') + 1;
	u.agent = folder_above(a, folder_above(a, real));
	u.state = folder_above(a, u.agent);
	u.tools = unit_tools(a);
	word = first_word(a, unit_path(&u, "name"));
	u.name = word ? word : u.folder;
	word = first_word(a, unit_path(&u, "uid"));
	if (word && parse_i64(word, 0, UINT32_MAX - 1, &uid))
		u.uid = (uid_t)uid;
	word = first_word(a, arena_printf(a, "%s/block", u.agent));
	u.cgroup = arena_printf(a, "/nap-%.32s/%s", word ? word : "0", u.folder);
	word = first_word(a, arena_printf(a, "%s/isolation", u.agent));
	if (!word || !isolation_parse(word, &u.isolation))
		return err_set(e, ERR_INVALID, "no_isolation",
			"%s/isolation does not say how units are isolated", u.agent);
	u.place = (struct unit_place){
		.name = u.name,
		.etc = arena_printf(a, "%s/etc", u.agent),
		.lib = arena_printf(a, "%s/lib", u.agent),
		.run = arena_printf(a, "%s/run", u.agent),
		.machine_id = first_word(a, arena_printf(a, "%s/machine-id", u.agent)),
		.boot_id = first_word(a, arena_printf(a, "%s/boot-id", u.agent)),
		.uid = u.uid,
	};
	if (!read_options(&u, e))
		return false;
	u.title = u.options.description ? arena_printf(a, "%s - %s", u.name, u.options.description)
					: u.name;
	*ret = u;
	return true;
}

/* replaced whole, not fsynced: after a crash of the machine nothing of it is true anyway */
static void put(const struct unit *u, const char *file, const char *text)
{
	const char *path = unit_path(u, file), *tmp = arena_printf(u->a, "%s.new", path);
	auto_fd int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
		rename(tmp, path) < 0)
		(void)fprintf(
			stderr, "<3>nap-unit: could not write \"%s\": %s\n", path, strerror(errno));
}

void unit_phase(const struct unit *u, const char *phase, const struct unit_end *end,
	int64_t restarts, pid_t pid)
{
	static const struct unit_end fine = { "success", 0, 0 };

	if (!end)
		end = &fine;
	put(u, "phase",
		arena_printf(u->a, "%s %s %d %d %lld %lld %d\n", phase, end->result, end->code,
			end->signal, (long long)clock_now_us(), (long long)restarts, (int)pid));
}

bool unit_state_read(const struct unit *u, struct unit_state *ret)
{
	struct unit_state s = { .phase = "" };
	struct err ignored;
	long long since, restarts;
	char *text;

	if (!file_read(unit_path(u, "phase"), 4096, u->a, &text, NULL, &ignored))
		return false;
	if (sscanf(text, "%23s %23s %d %d %lld %lld %d", s.phase, s.result, &s.code, &s.signal,
		    &since, &restarts, &s.pid) != 7)
		return false;
	s.since_us = since;
	s.restarts = restarts;
	*ret = s;
	return true;
}

/* The agent reads on from where it was; a file that grew too long is begun anew, keeping the former one. */
void unit_event(const struct unit *u, const char *fmt, ...)
{
	const char *path = unit_path(u, "events");
	auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	auto_free char *text = NULL, *line = NULL;
	struct stat st;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	for (char *p = text; *p; p++)
		if (*p == '\n')
			*p = ' ';
	line = xasprintf("%lld %s\n", (long long)clock_now_us(), text);
	if (fd < 0 || write(fd, line, strlen(line)) < 0)
		(void)fprintf(stderr, "<4>nap-unit: %s\n", text);
	else if (fstat(fd, &st) == 0 && st.st_size > MAX_EVENTS)
		(void)rename(path, unit_path(u, "events.old"));
}

void unit_end_write(const struct unit *u, const struct unit_end *end)
{
	put(u, "end", arena_printf(u->a, "%s %d %d\n", end->result, end->code, end->signal));
}

bool unit_end_take(const struct unit *u, struct unit_end *ret)
{
	const char *path = unit_path(u, "end");
	struct err ignored;
	char *text, result[24];
	int code, sig;
	bool ok = file_read(path, 4096, u->a, &text, NULL, &ignored) &&
		  sscanf(text, "%23s %d %d", result, &code, &sig) == 3;

	(void)unlink(path);
	if (ok)
		*ret = (struct unit_end){ arena_strdup(u->a, result), code, sig };
	return ok;
}

bool unit_stop_ordered(const struct unit *u)
{
	const char *word = first_word(u->a, unit_path(u, "desired"));

	return word && !streq(word, "launched");
}

const char *unit_exit_code(const struct unit_end *end)
{
	return end->code >= 0 ? "exited" : "killed";
}

const char *unit_exit_status(struct arena *a, const struct unit_end *end)
{
	return end->code >= 0 ? arena_printf(a, "%d", end->code) : unit_signal_name(end->signal);
}

static void add_files(const struct unit *u, struct unit_words *env)
{
	for (size_t i = 0; i < u->options.environment_files.n; i++) {
		const char *path = u->options.environment_files.v[i];
		struct err ignored;
		char *text;

		if (file_read(path + (*path == '-'), 1 << 20, u->a, &text, NULL, &ignored))
			unit_environment_file(text, u->a, env);
	}
}

bool unit_environment_there(const struct unit *u)
{
	for (size_t i = 0; i < u->options.environment_files.n; i++) {
		const char *path = u->options.environment_files.v[i];
		struct err e;
		char *text;

		if (*path == '-' || file_read(path, 1 << 20, u->a, &text, NULL, &e))
			continue;
		unit_event(u, "%s: Failed to load environment files: %s", u->name, e.msg);
		return false;
	}
	return true;
}

struct unit_words unit_environment(const struct unit *u, bool privileged)
{
	const struct unit_options *o = &u->options;
	struct unit_words env = { 0 };
	const char *id = first_word(u->a, unit_path(u, "invocation"));

	(void)unit_env_set(
		&env, u->a, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	(void)unit_env_set(&env, u->a, "LANG=C.UTF-8");
	(void)unit_env_set(&env, u->a, "HOME=/");
	if (id)
		(void)unit_env_set(&env, u->a, arena_printf(u->a, "INVOCATION_ID=%s", id));
	/* nap's helper is root: nothing that a unit's text could set reaches it */
	for (size_t i = 0; !privileged && i < o->environment.n; i++)
		(void)unit_env_set(&env, u->a, o->environment.v[i]);
	if (!privileged)
		add_files(u, &env);
	for (size_t i = 0; i < o->unset_environment.n; i++)
		unit_env_unset(&env, o->unset_environment.v[i]);
	return env;
}
