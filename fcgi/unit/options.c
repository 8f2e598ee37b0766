#include "unit/options.h"
#include "base/text.h"

#include <limits.h>
#include <signal.h>

struct reading {
	struct arena *a;
	const struct unit_place *place;
	struct unit_options *o;
	const char *name, *value; /* the option that is being read */
};

/* reads one value into the field; false: it cannot be read */
typedef bool read_fn(struct reading *r, void *field);

static bool warn(struct reading *r, const char *why)
{
	unit_words_add(
		&r->o->warnings, r->a, arena_printf(r->a, "%s=%.200s: %s", r->name, r->value, why));
	return true;
}

static const char *expanded(struct reading *r)
{
	return unit_specifiers(r->place, r->value, r->a);
}

static bool read_text(struct reading *r, void *field)
{
	*(const char **)field = *r->value ? expanded(r) : NULL;
	return true;
}

static bool read_bool(struct reading *r, void *field)
{
	return unit_parse_bool(r->value, field);
}

static bool read_time(struct reading *r, void *field)
{
	return unit_parse_time(r->value, field);
}

/* a limit in time: 0 and infinity are none */
static bool read_timeout(struct reading *r, void *field)
{
	int64_t us;

	if (!unit_parse_time(r->value, &us))
		return false;
	*(int64_t *)field = us ? us : UNIT_INFINITY;
	return true;
}

static bool read_timeout_both(struct reading *r, void *field)
{
	(void)field;
	return read_timeout(r, &r->o->timeout_start_us) && read_timeout(r, &r->o->timeout_stop_us);
}

static bool read_count(struct reading *r, void *field)
{
	return parse_i64(r->value, 0, INT64_MAX, field);
}

static bool read_int(struct reading *r, void *field)
{
	int64_t n;

	if (!parse_i64(r->value, -1000, 1000, &n))
		return false;
	*(int *)field = (int)n;
	return true;
}

static int64_t machine_memory(void)
{
	return (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
}

static bool percent(const char *text, int64_t most, int64_t *ret)
{
	size_t n = strlen(text);

	return n > 1 && text[n - 1] == '%' &&
	       parse_slice_i64((struct slice){ text, n - 1 }, 0, most, ret);
}

static bool read_memory(struct reading *r, void *field)
{
	int64_t *ret = field, part;

	if (!*r->value)
		*ret = UNIT_INFINITY;
	else if (percent(r->value, 100, &part))
		*ret = machine_memory() / 100 * part;
	else if (!unit_parse_size(r->value, ret))
		return false;
	return true;
}

static bool read_tasks(struct reading *r, void *field)
{
	int64_t *ret = field, part;

	if (!*r->value || streq(r->value, "infinity"))
		*ret = UNIT_INFINITY;
	else if (percent(r->value, 100, &part))
		*ret = MAX((int64_t)32768 / 100 * part, (int64_t)1);
	else
		return parse_i64(r->value, 1, INT_MAX, ret);
	return true;
}

static bool read_weight(struct reading *r, void *field)
{
	if (!*r->value) {
		*(int64_t *)field = 0;
		return true;
	}
	if (streq(r->value, "idle")) {
		*(int64_t *)field = 1;
		return true;
	}
	return parse_i64(r->value, 1, 10000, field);
}

/* CPUShares=, the former form: 1024 is a weight of 100 */
static bool read_shares(struct reading *r, void *field)
{
	int64_t n;

	if (!parse_i64(r->value, 2, 262144, &n))
		return false;
	*(int64_t *)field = MIN(MAX(n * 100 / 1024, (int64_t)1), (int64_t)10000);
	return true;
}

static bool read_quota(struct reading *r, void *field)
{
	int64_t part;

	if (!*r->value) {
		*(int64_t *)field = UNIT_INFINITY;
		return true;
	}
	if (!percent(r->value, 1000000, &part) || part == 0)
		return false;
	*(int64_t *)field = part * 10000;
	return true;
}

static bool read_umask(struct reading *r, void *field)
{
	mode_t mask = 0;
	size_t n = strlen(r->value);

	if (n < 1 || n > 5)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (r->value[i] < '0' || r->value[i] > '7')
			return false;
		mask = mask * 8 + (mode_t)(r->value[i] - '0');
	}
	if (mask > 0777)
		return false;
	*(mode_t *)field = mask;
	return true;
}

/* plain words, no quotes: names of units */
static bool read_names(struct reading *r, void *field)
{
	const char *rest = r->value;
	char *word;

	if (!*rest)
		*(struct unit_words *)field = (struct unit_words){ 0 };
	for (;;) {
		if (!unit_word(&rest, r->a, &word))
			return false;
		if (!word)
			return true;
		unit_words_add(field, r->a, unit_specifiers(r->place, word, r->a));
	}
}

static bool read_environment(struct reading *r, void *field)
{
	const char *rest = r->value;
	char *word;

	if (!*rest)
		*(struct unit_words *)field = (struct unit_words){ 0 };
	for (;;) {
		if (!unit_word(&rest, r->a, &word))
			return false;
		if (!word)
			return true;
		if (!unit_env_set(field, r->a, unit_specifiers(r->place, word, r->a)))
			(void)warn(r, "an assignment is no NAME=value");
	}
}

static bool read_environment_file(struct reading *r, void *field)
{
	const char *path = expanded(r);

	if (!*path) {
		*(struct unit_words *)field = (struct unit_words){ 0 };
		return true;
	}
	if (path[path[0] == '-'] != '/')
		return false;
	unit_words_add(field, r->a, path);
	return true;
}

static bool read_directory(struct reading *r, void *field)
{
	const char *path = expanded(r);

	r->o->working_directory_optional = path[0] == '-';
	path += path[0] == '-';
	if (*path && *path != '/' && !streq(path, "~"))
		return false;
	*(const char **)field = *path ? path : NULL;
	return true;
}

static bool read_type(struct reading *r, void *field)
{
	enum unit_type *ret = field;

	if (streq(r->value, "simple"))
		*ret = UNIT_SIMPLE;
	else if (streq(r->value, "exec"))
		*ret = UNIT_EXEC;
	else if (streq(r->value, "oneshot"))
		*ret = UNIT_ONESHOT;
	else if (streq(r->value, "idle"))
		*ret = UNIT_SIMPLE;
	else if (streq(r->value, "notify") || streq(r->value, "forking") || streq(r->value, "dbus"))
		return warn(r, "is run as Type=simple");
	else
		return false;
	return true;
}

static bool pick(const char *value, const char *const *words, size_t n, int *ret)
{
	for (size_t i = 0; i < n; i++) {
		if (words[i] && streq(words[i], value)) {
			*ret = (int)i;
			return true;
		}
	}
	return false;
}

static bool read_restart(struct reading *r, void *field)
{
	static const char *const words[] = {
		[UNIT_RESTART_NO] = "no",
		[UNIT_RESTART_ON_SUCCESS] = "on-success",
		[UNIT_RESTART_ON_FAILURE] = "on-failure",
		[UNIT_RESTART_ON_ABNORMAL] = "on-abnormal",
		[UNIT_RESTART_ON_WATCHDOG] = "on-watchdog",
		[UNIT_RESTART_ON_ABORT] = "on-abort",
		[UNIT_RESTART_ALWAYS] = "always",
	};
	int n;

	if (!pick(r->value, words, ARRAY_SIZE(words), &n))
		return false;
	*(enum unit_restart *)field = (enum unit_restart)n;
	return true;
}

static bool read_kill_mode(struct reading *r, void *field)
{
	static const char *const words[] = {
		[UNIT_KILL_CONTROL_GROUP] = "control-group",
		[UNIT_KILL_MIXED] = "mixed",
		[UNIT_KILL_PROCESS] = "process",
		[UNIT_KILL_NONE] = "none",
	};
	int n;

	if (!pick(r->value, words, ARRAY_SIZE(words), &n))
		return false;
	*(enum unit_kill *)field = (enum unit_kill)n;
	return true;
}

static bool read_signal(struct reading *r, void *field)
{
	int n = unit_signal(r->value);

	if (n == 0)
		return false;
	*(int *)field = n;
	return true;
}

/* statuses are numbers, signals are names (systemd.service(5) SuccessExitStatus=) */
static bool read_exits(struct reading *r, void *field)
{
	struct unit_exits *x = field;
	const char *rest = r->value;
	char *word;

	if (!*rest)
		*x = (struct unit_exits){ 0 };
	while (unit_word(&rest, r->a, &word) && word) {
		int64_t n;

		if (parse_i64(word, 0, 255, &n))
			x->status[n / 32] |= UINT32_C(1) << (n % 32);
		else if (unit_signal(word))
			x->signals |= UINT64_C(1) << unit_signal(word);
		else
			(void)warn(r, "holds a word that is no status and no signal");
	}
	return true;
}

/* "no", "yes", … : a word of the list, or a boolean */
static bool read_protect(struct reading *r, void *field)
{
	static const char *const words[] = { "full", "strict", "read-only", "tmpfs" };
	bool on;
	int n;

	if (pick(r->value, words, ARRAY_SIZE(words), &n))
		*(const char **)field = words[n];
	else if (unit_parse_bool(r->value, &on))
		*(const char **)field = on ? "yes" : "no";
	else
		return false;
	return true;
}

static const struct {
	const char *name;
	int resource;
	int64_t unit; /* of a number without a letter: LimitCPU= counts seconds, the others bytes or things */
} LIMITS[] = {
	{ "LimitCPU", RLIMIT_CPU, 1 },
	{ "LimitFSIZE", RLIMIT_FSIZE, 1 },
	{ "LimitDATA", RLIMIT_DATA, 1 },
	{ "LimitSTACK", RLIMIT_STACK, 1 },
	{ "LimitCORE", RLIMIT_CORE, 1 },
	{ "LimitRSS", RLIMIT_RSS, 1 },
	{ "LimitNOFILE", RLIMIT_NOFILE, 1 },
	{ "LimitAS", RLIMIT_AS, 1 },
	{ "LimitNPROC", RLIMIT_NPROC, 1 },
	{ "LimitMEMLOCK", RLIMIT_MEMLOCK, 1 },
	{ "LimitLOCKS", RLIMIT_LOCKS, 1 },
	{ "LimitSIGPENDING", RLIMIT_SIGPENDING, 1 },
	{ "LimitMSGQUEUE", RLIMIT_MSGQUEUE, 1 },
	{ "LimitNICE", RLIMIT_NICE, 1 },
	{ "LimitRTPRIO", RLIMIT_RTPRIO, 1 },
	{ "LimitRTTIME", RLIMIT_RTTIME, 1 },
};

static bool limit_value(const char *text, rlim_t *ret)
{
	int64_t n;

	if (!unit_parse_size(text, &n))
		return false;
	*ret = n == UNIT_INFINITY ? RLIM_INFINITY : (rlim_t)n;
	return true;
}

/* "SOFT:HARD" or one value for both */
static bool read_limit(struct reading *r, int resource)
{
	char *soft = arena_strdup(r->a, r->value), *hard = strchr(soft, ':');
	struct rlimit limit;

	if (hard)
		*hard++ = '\0';
	if (!limit_value(soft, &limit.rlim_cur) ||
		!limit_value(hard ? hard : soft, &limit.rlim_max) ||
		limit.rlim_cur > limit.rlim_max)
		return false;
	r->o->limit[resource] = limit;
	r->o->has_limit |= UINT32_C(1) << resource;
	return true;
}

/* ---- paths ---- */

static void add_path(struct reading *r, struct unit_path path)
{
	struct unit_paths *list = &r->o->paths;
	struct unit_path *bigger = arena_alloc(r->a, (list->n + 1) * sizeof *bigger);

	if (list->n)
		memcpy(bigger, list->v, list->n * sizeof *bigger);
	bigger[list->n++] = path;
	list->v = bigger;
}

static void drop_paths(struct reading *r, enum unit_path_kind kind)
{
	struct unit_paths *list = &r->o->paths;
	size_t kept = 0;

	for (size_t i = 0; i < list->n; i++)
		if (list->v[i].kind != kind)
			list->v[kept++] = list->v[i];
	list->n = kept;
}

/* absolute, and no part of it is .. : a unit must not climb */
static bool path_fine(const char *path)
{
	const char *p = path;

	if (*p != '/' || strlen(path) >= PATH_MAX)
		return false;
	while ((p = strstr(p, "/.."))) {
		if (p[3] == '\0' || p[3] == '/')
			return false;
		p += 3;
	}
	return true;
}

static bool one_path(struct reading *r, enum unit_path_kind kind, char *word)
{
	struct unit_path path = { .kind = kind };
	char *colon, *options;

	/* + means beneath RootDirectory=, which no unit here has */
	for (; *word == '-' || *word == '+'; word++)
		path.optional = path.optional || *word == '-';
	path.to = path.from = word;
	if (kind == UNIT_PATH_BIND || kind == UNIT_PATH_BIND_RO || kind == UNIT_PATH_TMPFS) {
		colon = strchr(word, ':');
		if (colon) {
			*colon++ = '\0';
			options = kind == UNIT_PATH_TMPFS ? NULL : strchr(colon, ':');
			if (options)
				*options = '\0';
			if (kind != UNIT_PATH_TMPFS && *colon)
				path.to = colon;
		}
	}
	if (!path_fine(path.from) || !path_fine(path.to))
		return false;
	add_path(r, path);
	return true;
}

static bool read_paths(struct reading *r, enum unit_path_kind kind)
{
	const char *rest = r->value;
	char *word;

	if (!*rest)
		drop_paths(r, kind);
	for (;;) {
		if (!unit_word(&rest, r->a, &word))
			return false;
		if (!word)
			return true;
		if (!one_path(r, kind, unit_specifiers(r->place, word, r->a)))
			(void)warn(r, "holds a path that is not absolute, or climbs");
	}
}

static bool read_bind(struct reading *r, void *field)
{
	(void)field;
	return read_paths(r, UNIT_PATH_BIND);
}

static bool read_bind_ro(struct reading *r, void *field)
{
	(void)field;
	return read_paths(r, UNIT_PATH_BIND_RO);
}

static bool read_ro(struct reading *r, void *field)
{
	(void)field;
	return read_paths(r, UNIT_PATH_RO);
}

static bool read_rw(struct reading *r, void *field)
{
	(void)field;
	return read_paths(r, UNIT_PATH_RW);
}

static bool read_hidden(struct reading *r, void *field)
{
	(void)field;
	return read_paths(r, UNIT_PATH_HIDDEN);
}

static bool read_tmpfs(struct reading *r, void *field)
{
	(void)field;
	return read_paths(r, UNIT_PATH_TMPFS);
}

/* ---- commands ---- */

static const char *prefixes(const char *word, struct unit_command *ret, bool *ret_argv0)
{
	*ret_argv0 = false;
	for (;; word++) {
		if (*word == '-')
			ret->ignore_failure = true;
		else if (*word == '@')
			*ret_argv0 = true;
		else if (*word == ':')
			ret->plain = true;
		else if (*word == '+')
			ret->privileged = true;
		else if (*word != '!' &&
			 *word != '|') /* ! and !! ask for less than nap gives anyway */
			return word;
	}
}

static void add_command(struct reading *r, struct unit_commands *list, struct unit_command c)
{
	struct unit_command *bigger = arena_alloc(r->a, (list->n + 1) * sizeof *bigger);

	if (list->n)
		memcpy(bigger, list->v, list->n * sizeof *bigger);
	bigger[list->n++] = c;
	list->v = bigger;
}

/* one command up to a lone ; or the end; NULL, or what is wrong. *ret_more: there may be another one */
static const char *one_command(
	struct reading *r, const char **rest, struct unit_command *c, bool *ret_more)
{
	char *word;
	const char *path;
	bool argv0;

	*ret_more = false;
	if (!unit_word(rest, r->a, &word))
		return "a quote is not closed";
	if (!word)
		return NULL;
	path = unit_specifiers(r->place, prefixes(word, c, &argv0), r->a);
	if (!*path || path[strlen(path) - 1] == '/')
		return "the command is no file";
	if (*path != '/' && strchr(path, '/'))
		return "the command is neither an absolute path nor a plain name";
	c->path = path;
	if (!argv0)
		unit_words_add(&c->argv, r->a, path);
	for (;;) {
		const char *at = *rest + strspn(*rest, " \t\r\n");
		bool bare = at[0] == ';' && (!at[1] || strchr(" \t\r\n", at[1]));
		bool escaped =
			at[0] == '\\' && at[1] == ';' && (!at[2] || strchr(" \t\r\n", at[2]));

		if (bare || escaped) {
			*rest = at + (bare ? 1 : 2);
			if (bare) {
				*ret_more = true;
				break;
			}
			unit_words_add(&c->argv, r->a, ";");
			continue;
		}
		if (!unit_word(rest, r->a, &word))
			return "a quote is not closed";
		if (!word)
			break;
		unit_words_add(&c->argv, r->a, unit_specifiers(r->place, word, r->a));
	}
	return c->argv.n ? NULL : "the command has no name for itself";
}

static bool read_commands(struct reading *r, void *field)
{
	const char *rest = r->value, *wrong;
	bool more = true;

	if (!*rest)
		*(struct unit_commands *)field = (struct unit_commands){ 0 };
	while (more) {
		struct unit_command c = { 0 };

		wrong = one_command(r, &rest, &c, &more);
		if (wrong) {
			r->o->bad = arena_printf(r->a, "%s=%.200s: %s", r->name, r->value, wrong);
			return true;
		}
		if (c.path)
			add_command(r, field, c);
	}
	return true;
}

/* ---- the table ---- */

#define AT(field) offsetof(struct unit_options, field)

static const struct row {
	const char *section, *name;
	read_fn *read;
	size_t at;
} ROWS[] = {
	{ "Unit", "Description", read_text, AT(description) },
	{ "Unit", "Wants", read_names, AT(wants) },
	{ "Unit", "Requires", read_names, AT(requires) },
	{ "Unit", "Requisite", read_names, AT(requisite) },
	{ "Unit", "BindsTo", read_names, AT(binds_to) },
	{ "Unit", "PartOf", read_names, AT(part_of) },
	{ "Unit", "Conflicts", read_names, AT(conflicts) },
	{ "Unit", "After", read_names, AT(after) },
	{ "Unit", "Before", read_names, AT(before) },
	{ "Unit", "StartLimitIntervalSec", read_time, AT(start_limit_interval_us) },
	{ "Unit", "StartLimitInterval", read_time, AT(start_limit_interval_us) },
	{ "Unit", "StartLimitBurst", read_count, AT(start_limit_burst) },
	{ "Service", "StartLimitInterval", read_time, AT(start_limit_interval_us) },
	{ "Service", "StartLimitBurst", read_count, AT(start_limit_burst) },
	{ "Service", "Type", read_type, AT(type) },
	{ "Service", "RemainAfterExit", read_bool, AT(remain_after_exit) },
	{ "Service", "ExecStartPre", read_commands, AT(start_pre) },
	{ "Service", "ExecStart", read_commands, AT(start) },
	{ "Service", "ExecStartPost", read_commands, AT(start_post) },
	{ "Service", "ExecStop", read_commands, AT(stop) },
	{ "Service", "ExecStopPost", read_commands, AT(stop_post) },
	{ "Service", "Restart", read_restart, AT(restart) },
	{ "Service", "RestartSec", read_time, AT(restart_us) },
	{ "Service", "TimeoutStartSec", read_timeout, AT(timeout_start_us) },
	{ "Service", "TimeoutStopSec", read_timeout, AT(timeout_stop_us) },
	{ "Service", "TimeoutSec", read_timeout_both, 0 },
	{ "Service", "RuntimeMaxSec", read_timeout, AT(runtime_max_us) },
	{ "Service", "SuccessExitStatus", read_exits, AT(success) },
	{ "Service", "RestartPreventExitStatus", read_exits, AT(restart_prevent) },
	{ "Service", "RestartForceExitStatus", read_exits, AT(restart_force) },
	{ "Service", "KillMode", read_kill_mode, AT(kill_mode) },
	{ "Service", "KillSignal", read_signal, AT(kill_signal) },
	{ "Service", "SendSIGKILL", read_bool, AT(send_sigkill) },
	{ "Service", "Environment", read_environment, AT(environment) },
	{ "Service", "EnvironmentFile", read_environment_file, AT(environment_files) },
	{ "Service", "PassEnvironment", read_names, AT(pass_environment) },
	{ "Service", "UnsetEnvironment", read_names, AT(unset_environment) },
	{ "Service", "WorkingDirectory", read_directory, AT(working_directory) },
	{ "Service", "User", read_text, AT(user) },
	{ "Service", "Group", read_text, AT(group) },
	{ "Service", "DynamicUser", read_bool, AT(dynamic_user) },
	{ "Service", "UMask", read_umask, AT(umask) },
	{ "Service", "Nice", read_int, AT(nice) },
	{ "Service", "OOMScoreAdjust", read_int, AT(oom_score_adjust) },
	{ "Service", "MemoryMax", read_memory, AT(memory_max) },
	{ "Service", "MemoryLimit", read_memory, AT(memory_max) },
	{ "Service", "MemorySwapMax", read_memory, AT(memory_swap_max) },
	{ "Service", "TasksMax", read_tasks, AT(tasks_max) },
	{ "Service", "CPUWeight", read_weight, AT(cpu_weight) },
	{ "Service", "CPUShares", read_shares, AT(cpu_weight) },
	{ "Service", "CPUQuota", read_quota, AT(cpu_quota_us) },
	{ "Service", "PrivateNetwork", read_bool, AT(private_network) },
	{ "Service", "PrivateTmp", read_bool, AT(private_tmp) },
	{ "Service", "PrivateDevices", read_bool, AT(private_devices) },
	{ "Service", "NoNewPrivileges", read_bool, AT(no_new_privileges) },
	{ "Service", "ProtectSystem", read_protect, AT(protect_system) },
	{ "Service", "ProtectHome", read_protect, AT(protect_home) },
	{ "Service", "BindPaths", read_bind, 0 },
	{ "Service", "BindReadOnlyPaths", read_bind_ro, 0 },
	{ "Service", "ReadOnlyPaths", read_ro, 0 },
	{ "Service", "ReadOnlyDirectories", read_ro, 0 },
	{ "Service", "ReadWritePaths", read_rw, 0 },
	{ "Service", "ReadWriteDirectories", read_rw, 0 },
	{ "Service", "InaccessiblePaths", read_hidden, 0 },
	{ "Service", "InaccessibleDirectories", read_hidden, 0 },
	{ "Service", "TemporaryFileSystem", read_tmpfs, 0 },
	{ "X-Fleet", "MachineID", read_text, AT(machine_id) },
	{ "X-Fleet", "MachineOf", read_text, AT(machine_of) },
	{ "X-Fleet", "Conflicts", read_names, AT(fleet_conflicts) },
	{ "X-Fleet", "MachineMetadata", read_names, AT(machine_metadata) },
	{ "X-Fleet", "Replaces", read_names, AT(replaces) },
	{ "X-Fleet", "Global", read_bool, AT(global) },
};

/* what every unit here has anyway, asked for or not; and what is of no use without systemd */
static const char *const ALWAYS_SO[] = { "ProtectProc", "ProcSubset", "CapabilityBoundingSet",
	"AmbientCapabilities", "RestrictNamespaces", "RestrictSUIDSGID", "RestrictRealtime",
	"RestrictAddressFamilies", "SystemCallFilter", "SystemCallArchitectures",
	"ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs",
	"ProtectControlGroups", "ProtectClock", "ProtectHostname", "LockPersonality",
	"PrivateUsers", "PrivateIPC", "RemoveIPC", "StandardOutput", "StandardError",
	"SyslogIdentifier", "Delegate", "OOMPolicy" };

static bool is_always_so(const char *section, const char *name)
{
	if (streq(section, "Install") || streq(section, "X-Nap") ||
		(streq(section, "Unit") && streq(name, "Documentation")))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(ALWAYS_SO); i++)
		if (streq(section, "Service") && streq(ALWAYS_SO[i], name))
			return true;
	return false;
}

/* a line that ends in a backslash goes on; the two become a blank (systemd.syntax(7)) */
static char *joined_lines(struct arena *a, const char *value)
{
	char *out = arena_strdup(a, value), *to = out;

	for (const char *s = out; *s; s++) {
		if (s[0] == '\\' && s[1] == '\n') {
			*to++ = ' ';
			s++;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
	while (to > out && strchr(" \t\r\n", to[-1]))
		*--to = '\0';
	return out + strspn(out, " \t\r\n");
}

static void read_option(struct reading *r, const char *section)
{
	bool read = true, known = false;

	for (size_t i = 0; i < ARRAY_SIZE(LIMITS) && streq(section, "Service"); i++) {
		if (streq(LIMITS[i].name, r->name)) {
			known = true;
			read = read_limit(r, LIMITS[i].resource);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(ROWS); i++) {
		const struct row *row = &ROWS[i];

		if (streq(row->section, section) && streq(row->name, r->name)) {
			known = true;
			read = row->read(r, (char *)r->o + row->at);
		}
	}
	if (!known && !is_always_so(section, r->name))
		unit_words_add(&r->o->warnings, r->a,
			arena_printf(r->a, "unknown option \"%s\" in section [%s], ignoring",
				r->name, section));
	else if (!read)
		(void)warn(r, "cannot be read, ignoring");
}

static void set_defaults(struct unit_options *o)
{
	*o = (struct unit_options){
		.start_limit_interval_us = 10000000,
		.start_limit_burst = 5,
		.restart_us = 100000,
		.timeout_start_us = 90000000,
		.timeout_stop_us = 90000000,
		.runtime_max_us = UNIT_INFINITY,
		.kill_signal = SIGTERM,
		.send_sigkill = true,
		.umask = 0022,
		.oom_score_adjust = INT_MIN,
		.memory_max = UNIT_INFINITY,
		.memory_swap_max = UNIT_INFINITY,
		.tasks_max = UNIT_INFINITY,
		.cpu_quota_us = UNIT_INFINITY,
		.protect_system = "no",
		.protect_home = "no",
	};
}

static void check_whole(struct unit_options *o)
{
	if (o->bad)
		return;
	if (o->start.n == 0 && o->stop.n == 0)
		o->bad = "the unit has neither ExecStart= nor ExecStop=";
	else if (o->start.n == 0 && !o->remain_after_exit)
		o->bad = "the unit has no ExecStart=, which only RemainAfterExit=yes allows";
	else if (o->start.n > 1 && o->type != UNIT_ONESHOT)
		o->bad = "the unit has more than one ExecStart=, which only Type=oneshot allows";
	else if (o->type == UNIT_ONESHOT &&
		 (o->restart == UNIT_RESTART_ALWAYS || o->restart == UNIT_RESTART_ON_SUCCESS))
		o->bad = "Type=oneshot cannot have Restart=always or on-success";
}

bool unit_options_parse(const json_t *list, const struct unit_place *place, struct arena *a,
	struct unit_options *ret, struct err *e)
{
	struct unit_options o;
	struct reading r = { .a = a, .place = place, .o = &o };
	json_t *option;
	size_t i;

	set_defaults(&o);
	if (!json_is_array(list))
		return err_set(e, ERR_INVALID, "not_options", "the options are not a list");
	json_array_foreach (list, i, option) {
		const char *section = json_string_value(json_object_get(option, "section"));
		const char *name = json_string_value(json_object_get(option, "name"));
		const char *value = json_string_value(json_object_get(option, "value"));

		if (!section || !name)
			return err_set(e, ERR_INVALID, "not_options",
				"option %zu has no section or no name", i + 1);
		r.name = name;
		r.value = joined_lines(a, value ? value : "");
		read_option(&r, section);
	}
	check_whole(&o);
	if (o.type == UNIT_ONESHOT && o.timeout_start_us == 90000000)
		o.timeout_start_us =
			UNIT_INFINITY; /* systemd.service(5): a oneshot may take its time */
	*ret = o;
	return true;
}

bool unit_exits_has(const struct unit_exits *x, bool by_signal, int number)
{
	if (by_signal)
		return number > 0 && number < 64 && (x->signals >> number & 1);
	return number >= 0 && number < 256 && (x->status[number / 32] >> (number % 32) & 1);
}
