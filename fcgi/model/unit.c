#include "model/unit.h"

#include "base/buf.h"
#include "base/limits.h"

void unit_name_print(char ret[UNIT_NAME_SIZE], const struct unit_name *u)
{
	int n = snprintf(ret, UNIT_NAME_SIZE, "%s.%s.v%lld%s@", u->tenant, u->app,
		(long long)u->release,
		u->sidekick ? "_discovery"
		: u->build  ? "-build"
			    : "");

	if (u->number)
		n += snprintf(ret + n, UNIT_NAME_SIZE - (size_t)n, "%d", u->number);
	(void)snprintf(ret + n, UNIT_NAME_SIZE - (size_t)n, ".service");
}

/* cuts s before the first c; false: there is none, or the piece is empty or does not fit */
static bool cut(struct slice *rest, char c, char *ret, size_t size)
{
	const char *end = memchr(rest->p, c, rest->n);
	size_t n = end ? (size_t)(end - rest->p) : 0;

	if (n == 0 || n >= size)
		return false;
	memcpy(ret, rest->p, n);
	ret[n] = '\0';
	rest->p += n + 1;
	rest->n -= n + 1;
	return true;
}

bool unit_name_parse(const char *text, struct unit_name *ret)
{
	static const char sidekick[] = "_discovery", build[] = "-build", suffix[] = ".service";
	struct slice rest = slice_of(text);
	struct unit_name u = { 0 };
	char version[40], back[UNIT_NAME_SIZE];
	size_t n;
	int64_t number = 0;

	if (!cut(&rest, '.', u.tenant, sizeof u.tenant) || !cut(&rest, '.', u.app, sizeof u.app) ||
		!cut(&rest, '@', version, sizeof version) || version[0] != 'v')
		return false;
	n = strlen(version);
	u.sidekick = ends_with(version, sidekick);
	if (u.sidekick)
		n -= sizeof sidekick - 1;
	u.build = ends_with(version, build);
	if (u.build)
		n -= sizeof build - 1;
	if (!parse_slice_i64((struct slice){ version + 1, n - 1 }, 1, INT64_MAX, &u.release) ||
		rest.n < sizeof suffix - 1)
		return false;
	rest.n -= sizeof suffix - 1;
	if (rest.n && !parse_slice_i64(rest, 1, MAX_INSTANCES, &number))
		return false;
	u.number = (int)number;
	unit_name_print(back, &u);
	if (!streq(back, text))
		return false;
	*ret = u;
	return true;
}

int64_t unit_memory_step(int64_t bytes)
{
	int64_t step = (bytes > 64LL << 20 ? 64LL : 16LL) << 20;

	return (bytes + step - 1) / step * step;
}

static void option(json_t *list, const char *section, const char *name, const char *value)
{
	assert(strlen(name) + 1 + strlen(value) <= MAX_UNIT_LINE && !strchr(value, '\n'));
	(void)json_array_append_new(list,
		json_pack("{s:s, s:s, s:s}", "section", section, "name", name, "value", value));
}

struct line {
	const char *name, *value;
};

static void options(json_t *list, const char *section, const struct line *lines, size_t n)
{
	for (size_t i = 0; i < n; i++)
		option(list, section, lines[i].name, lines[i].value);
}

/*
 * The program sees its environment only from inside the sandbox, as its own user: systemd would give an
 * EnvironmentFile= to the + commands too, and a tenant's LD_PRELOAD would run as root. NAP_ROOT is empty wherever paths
 * can be mounted; nap-unit sets it to a folder of links where they cannot.
 */
#define RUN_START \
	"/bin/sh -c 'set -a; . \"${NAP_ROOT}/run/nap-self/env\"; set +a; cd \"${NAP_ROOT}/app\" && " \
	"exec \"${NAP_ROOT}/run/nap-run\" /bin/sh \"${NAP_ROOT}/run/nap-self/start\"'"

static const struct line RUN[] = {
	{ "Type", "simple" },
	{ "Environment", "NAP_ROOT=" },
	{ "ExecStartPre", "+%S/nap/bin/nap-node prepare %n" },
	{ "ExecStart", RUN_START },
	{ "ExecStopPost", "+%S/nap/bin/nap-node stopped %n" },
	{ "SuccessExitStatus", "250" },
	{ "TimeoutStartSec", "300" },
	{ "KillMode", "mixed" },
};

static const struct line MAIN_RUN[] = {
	{ "Restart", "always" },
	{ "RestartSec", "1" },
	{ "RestartPreventExitStatus", "250 251" },
	{ "TimeoutStopSec", "10" },
	{ "TasksMax", "256" },
	{ "BindPaths", "-%S/nap/%n/view:/app -%S/nap/%n/exit:/run/nap-exit -%S/nap/%n/data:/data "
		       "-%S/nap/%n/out:/out" },
};

/* the end of a build takes as long as its result is large: it is copied to its place by ExecStopPost= */
static const struct line BUILD_RUN[] = {
	{ "Restart", "no" },
	{ "TimeoutStopSec", "300" },
	{ "TasksMax", "1024" },
	{ "BindPaths",
		"-%S/nap/%n/view:/app -%S/nap/%n/exit:/run/nap-exit -%S/nap/%n/cache:/cache" },
};

static const struct line WALLS[] = {
	{ "DynamicUser", "yes" },
	{ "ProtectSystem", "strict" },
	{ "ProtectHome", "yes" },
	{ "PrivateTmp", "yes" },
	{ "PrivateDevices", "yes" },
	{ "NoNewPrivileges", "yes" },
	{ "ProtectProc", "invisible" },
	{ "ProcSubset", "pid" },
	{ "CapabilityBoundingSet", "" },
	{ "RestrictNamespaces", "yes" },
	{ "RestrictSUIDSGID", "yes" },
	{ "UMask", "0077" },
	{ "LimitCORE", "0" },
	{ "LimitNOFILE", "65536" },
	{ "InaccessiblePaths",
		"-%E/nap -%S/nap -%t/nap -/run/fleet.sock -/run/docker.sock -/run/dbus -/run/systemd/private" },
	{ "BindReadOnlyPaths", "-%t/nap/%n:/run/nap-self %S/nap/bin/nap-run:/run/nap-run" },
};

json_t *unit_main_options(const struct unit_class *c)
{
	json_t *list = json_array();
	char memory[32];

	(void)snprintf(memory, sizeof memory, "%lld", (long long)unit_memory_step(c->memory));
	option(list, "Unit", "Description", "nap %p %i");
	if (c->sidekick)
		option(list, "Unit", "Wants", "%p_discovery@%i.service");
	option(list, "Unit", "StartLimitIntervalSec", "0");
	options(list, "Service", RUN, ARRAY_SIZE(RUN));
	options(list, "Service", MAIN_RUN, ARRAY_SIZE(MAIN_RUN));
	option(list, "Service", "MemoryMax", memory);
	options(list, "Service", WALLS, ARRAY_SIZE(WALLS));
	if (c->sidekick)
		option(list, "X-Fleet", "MachineOf", "%p_discovery@%i.service");
	option(list, "X-Nap", "Installation", c->installation);
	return list;
}

json_t *unit_sidekick_options(const char *installation)
{
	static const struct line service[] = {
		{ "ExecStart", "+%S/nap/bin/nap-node announce %n" },
		{ "Restart", "always" },
		{ "RestartSec", "1" },
		{ "TimeoutStopSec", "2" },
	};
	json_t *list = json_array();

	option(list, "Unit", "Description", "nap discovery %p %i");
	option(list, "Unit", "StartLimitIntervalSec", "0");
	options(list, "Service", service, ARRAY_SIZE(service));
	option(list, "X-Nap", "Installation", installation);
	return list;
}

json_t *unit_build_options(const struct unit_build_class *c)
{
	json_t *list = json_array();
	char memory[32], seconds[32];

	(void)snprintf(memory, sizeof memory, "%lld", (long long)unit_memory_step(c->memory));
	(void)snprintf(seconds, sizeof seconds, "%lld", (long long)c->seconds);
	option(list, "Unit", "Description", "nap build %p");
	options(list, "Service", RUN, ARRAY_SIZE(RUN));
	options(list, "Service", BUILD_RUN, ARRAY_SIZE(BUILD_RUN));
	option(list, "Service", "RuntimeMaxSec", seconds);
	option(list, "Service", "MemoryMax", memory);
	options(list, "Service", WALLS, ARRAY_SIZE(WALLS));
	option(list, "X-Nap", "Installation", c->installation);
	return list;
}
