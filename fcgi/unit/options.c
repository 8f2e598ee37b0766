#include "unit/options.h"

#include "base/text.h"
#include "unit/option_read.h"

#include <limits.h>
#include <signal.h>

bool reading_warn(struct reading *r, const char *why)
{
	unit_words_add(
		&r->o->warnings, r->a, arena_printf(r->a, "%s=%.200s: %s", r->name, r->value, why));
	return true;
}

#define AT(field) offsetof(struct unit_options, field)

static const struct row {
	const char *section, *name;
	read_fn *read;
	size_t at;
	int which;
	const char *how; /* NULL: done; "partly: what", "ignored: why" */
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
	{ "Service", "Type", read_type, AT(type),
		.how = "partly: `simple`, `exec`, `oneshot`; `idle` is simple; `notify`, `forking`, `dbus` run as simple, with a warning" },
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
	{ "Service", "KillMode", read_kill_mode, AT(kill_mode),
		.how = "partly: as systemd while the unit stops, but whatever it says, nothing of a unit outlives its stop" },
	{ "Service", "KillSignal", read_signal, AT(kill_signal) },
	{ "Service", "SendSIGKILL", read_bool, AT(send_sigkill),
		.how = "ignored: what does not end is always killed" },
	{ "Service", "Environment", read_environment, AT(environment) },
	{ "Service", "EnvironmentFile", read_environment_file, AT(environment_files) },
	{ "Service", "PassEnvironment", read_names, AT(pass_environment),
		.how = "ignored: there is nothing to pass" },
	{ "Service", "UnsetEnvironment", read_names, AT(unset_environment) },
	{ "Service", "WorkingDirectory", read_directory, AT(working_directory) },
	{ "Service", "User", read_text, AT(user),
		.how = "ignored: each unit has a user of its own" },
	{ "Service", "Group", read_text, AT(group),
		.how = "ignored: each unit has a group of its own" },
	{ "Service", "DynamicUser", read_bool, AT(dynamic_user),
		.how = "ignored: so it is always" },
	{ "Service", "UMask", read_umask, AT(umask) },
	{ "Service", "Nice", read_int, AT(nice), .how = "partly: 0 and up" },
	{ "Service", "OOMScoreAdjust", read_int, AT(oom_score_adjust),
		.how = "partly: never below 500" },
	{ "Service", "MemoryMax", read_memory, AT(memory_max),
		.how = "partly: crun: of the unit, without swap; else RLIMIT_DATA of each process" },
	{ "Service", "MemoryLimit", read_memory, AT(memory_max),
		.how = "partly: MemoryMax by its former name" },
	{ "Service", "MemorySwapMax", read_memory, AT(memory_swap_max),
		.how = "ignored: there is no swap for units" },
	{ "Service", "TasksMax", read_tasks, AT(tasks_max),
		.how = "partly: crun: of the unit; else RLIMIT_NPROC of its user, not as an ordinary user" },
	{ "Service", "CPUWeight", read_weight, AT(cpu_weight), .how = "partly: crun only" },
	{ "Service", "CPUShares", read_shares, AT(cpu_weight),
		.how = "partly: crun only; 1024 is a weight of 100" },
	{ "Service", "CPUQuota", read_quota, AT(cpu_quota_us), .how = "partly: crun only" },
	{ "Service", "LimitCPU", read_limit, 0, RLIMIT_CPU },
	{ "Service", "LimitFSIZE", read_limit, 0, RLIMIT_FSIZE },
	{ "Service", "LimitDATA", read_limit, 0, RLIMIT_DATA },
	{ "Service", "LimitSTACK", read_limit, 0, RLIMIT_STACK },
	{ "Service", "LimitCORE", read_limit, 0, RLIMIT_CORE },
	{ "Service", "LimitRSS", read_limit, 0, RLIMIT_RSS },
	{ "Service", "LimitNOFILE", read_limit, 0, RLIMIT_NOFILE },
	{ "Service", "LimitAS", read_limit, 0, RLIMIT_AS },
	{ "Service", "LimitNPROC", read_limit, 0, RLIMIT_NPROC },
	{ "Service", "LimitMEMLOCK", read_limit, 0, RLIMIT_MEMLOCK },
	{ "Service", "LimitLOCKS", read_limit, 0, RLIMIT_LOCKS },
	{ "Service", "LimitSIGPENDING", read_limit, 0, RLIMIT_SIGPENDING },
	{ "Service", "LimitMSGQUEUE", read_limit, 0, RLIMIT_MSGQUEUE },
	{ "Service", "LimitNICE", read_limit, 0, RLIMIT_NICE,
		.how = "partly: never more than nap has" },
	{ "Service", "LimitRTPRIO", read_limit, 0, RLIMIT_RTPRIO,
		.how = "partly: never more than nap has" },
	{ "Service", "LimitRTTIME", read_limit, 0, RLIMIT_RTTIME },
	{ "Service", "PrivateNetwork", read_bool, AT(private_network),
		.how = "partly: crun and bwrap only" },
	{ "Service", "PrivateTmp", read_bool, AT(private_tmp),
		.how = "ignored: so it is always, but under setpriv" },
	{ "Service", "PrivateDevices", read_bool, AT(private_devices),
		.how = "ignored: so it is always, but under setpriv" },
	{ "Service", "NoNewPrivileges", read_bool, AT(no_new_privileges),
		.how = "ignored: so it is always" },
	{ "Service", "ProtectSystem", read_protect, AT(protect_system),
		.how = "ignored: always at its strictest, but under setpriv" },
	{ "Service", "ProtectHome", read_protect, AT(protect_home),
		.how = "ignored: no home is seen, but under setpriv" },
	{ "Service", "BindPaths", read_paths, 0, UNIT_PATH_BIND,
		.how = "partly: sources below `%S %E %t` and `/usr` only; setpriv: a link below `$NAP_ROOT`" },
	{ "Service", "BindReadOnlyPaths", read_paths, 0, UNIT_PATH_BIND_RO,
		.how = "partly: as BindPaths" },
	{ "Service", "ReadOnlyPaths", read_paths, 0, UNIT_PATH_RO, .how = "partly: crun only" },
	{ "Service", "ReadOnlyDirectories", read_paths, 0, UNIT_PATH_RO,
		.how = "partly: ReadOnlyPaths by its former name" },
	{ "Service", "ReadWritePaths", read_paths, 0, UNIT_PATH_RW,
		.how = "partly: a bind at the same place, where that is allowed" },
	{ "Service", "ReadWriteDirectories", read_paths, 0, UNIT_PATH_RW,
		.how = "partly: ReadWritePaths by its former name" },
	{ "Service", "InaccessiblePaths", read_paths, 0, UNIT_PATH_HIDDEN,
		.how = "partly: crun only" },
	{ "Service", "InaccessibleDirectories", read_paths, 0, UNIT_PATH_HIDDEN,
		.how = "partly: InaccessiblePaths by its former name" },
	{ "Service", "TemporaryFileSystem", read_paths, 0, UNIT_PATH_TMPFS,
		.how = "partly: crun and bwrap only" },
	{ "X-Fleet", "MachineID", read_text, AT(machine_id) },
	{ "X-Fleet", "MachineOf", read_text, AT(machine_of) },
	{ "X-Fleet", "Conflicts", read_names, AT(fleet_conflicts) },
	{ "X-Fleet", "MachineMetadata", read_names, AT(machine_metadata) },
	{ "X-Fleet", "Replaces", read_names, AT(replaces),
		.how = "ignored: with one machine there is nothing to replace" },
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

	for (size_t i = 0; i < ARRAY_SIZE(ROWS); i++) {
		const struct row *row = &ROWS[i];

		if (streq(row->section, section) && streq(row->name, r->name)) {
			known = true;
			r->which = row->which;
			read = row->read(r, (char *)r->o + row->at);
		}
	}
	if (!known && !is_always_so(section, r->name))
		unit_words_add(&r->o->warnings, r->a,
			arena_printf(r->a, "unknown option \"%s\" in section [%s], ignoring",
				r->name, section));
	else if (!read)
		(void)reading_warn(r, "cannot be read, ignoring");
}

static void put_row(FILE *f, const char *section, const char *name, const char *how)
{
	(void)fprintf(f, "| `[%s] %s` | %s |\n", section, name, how ? how : "done");
}

void unit_options_table(FILE *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(ROWS); i++)
		put_row(f, ROWS[i].section, ROWS[i].name, ROWS[i].how);
	for (size_t i = 0; i < ARRAY_SIZE(ALWAYS_SO); i++)
		put_row(f, "Service", ALWAYS_SO[i],
			"ignored: always at its strictest, or of no use here");
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
