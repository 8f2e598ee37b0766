#include "model/config.h"

#include "base/file.h"
#include "model/address.h"
#include "model/name.h"

#include <ctype.h>

enum kind { TEXT, NUMBER, SIZE };

struct setting {
	const char *name;
	enum kind kind;
	size_t offset;
	const char *fallback;
	const char *help;
};

#define ROW(name, kind, fallback, help) \
	{ \
#name, kind, offsetof(struct config, name), fallback, help \
	}

static const struct setting SETTINGS[] = {
	ROW(state, TEXT, "", "folder that holds all state"),
	ROW(listen, TEXT, "127.0.0.1", "address that nginx and sshd listen on"),
	ROW(port, NUMBER, "8080", "port of the manager and the API"),
	ROW(ssh_port, NUMBER, "2222", "port of git over SSH"),
	ROW(url, TEXT, "",
		"how machines and visitors reach nap; made from listen and port unless set"),
	ROW(domain, TEXT, "localhost",
		"apps are at LABEL-TENANT.DOMAIN; empty: each app has a port of app_ports"),
	ROW(app_ports, TEXT, "30000-31999", "ports of apps where there is no domain"),
	ROW(engine, TEXT, "",
		"fleet endpoints, separated by commas; empty: nap-agent on this machine"),
	ROW(isolation, TEXT, "auto", "auto, crun, bwrap, setpriv or none"),
	ROW(block_port, NUMBER, "20000",
		"first of this copy's 1,000 instance ports; chosen by ./up"),
	ROW(block_uid, NUMBER, "0", "first of this copy's 65,536 user numbers; chosen by ./up"),
	ROW(git_protocols, TEXT, "https ssh",
		"protocols that deploy URLs may use: https ssh http file"),
	ROW(git_private, NUMBER, "0", "1: deploy URLs may point to loopback and private addresses"),
	ROW(git_timeout, NUMBER, "600", "seconds that fetching a source may take"),
	ROW(source_max_bytes, SIZE, "1g", "largest unpacked source"),
	ROW(source_max_entries, NUMBER, "200000", "most files and folders of a source"),
	ROW(source_upload_max, SIZE, "200m", "largest archive that can be sent as a source"),
	ROW(memory_default, SIZE, "256m", "memory of an instance whose profile names none"),
	ROW(memory_reserve, SIZE, "1g", "memory of a machine that apps do not get"),
	ROW(ready_timeout, NUMBER, "60", "seconds within which an instance must be ready"),
	ROW(drain, NUMBER, "10",
		"most seconds that old instances, and those that are restarted, have to end what they are answering"),
	ROW(port_rest, NUMBER, "600", "seconds before a freed port is given again"),
	ROW(orphan_grace, NUMBER, "60",
		"seconds before a unit of nap's that nobody has declared is removed"),
	ROW(silence_grace, NUMBER, "90",
		"seconds after a start or a gap in which missing announcements prove nothing"),
	ROW(build_timeout, NUMBER, "900", "seconds a build may take"),
	ROW(build_memory, SIZE, "2g", "memory of a build"),
	ROW(log_max, SIZE, "10m", "size of an app's kept log"),
	ROW(log_keep_hours, NUMBER, "24", "hours that a destroyed app's log is kept"),
	ROW(journal_port, NUMBER, "19531",
		"port of systemd-journal-gatewayd on the machines of a cluster"),
	ROW(workers, NUMBER, "3", "operations that run at the same time"),
	ROW(api_pool, NUMBER, "4", "processes that answer the API"),
	ROW(login_pool, NUMBER, "2", "processes that answer sign-ins"),
	ROW(wait_pool, NUMBER, "32", "processes that hold requests which wait"),
	ROW(session_hours, NUMBER, "168", "hours that a sign-in lasts"),
	ROW(quota_memory, SIZE, "0", "memory of a new tenant; 0: half of the machines' memory"),
	ROW(quota_instances, NUMBER, "100", "instances of a new tenant"),
	ROW(quota_apps, NUMBER, "200", "apps of a new tenant"),
	ROW(quota_disk, SIZE, "10g", "disk of a new tenant"),
	ROW(disk_max, SIZE, "4g",
		"disk that an instance, or a build, may take on its machine, with $NAP_DATA or the build's cache"),
	ROW(disk_floor, SIZE, "512m",
		"disk that stays free on a machine: below it the unit that grows most is ended"),
	ROW(log_level, TEXT, "info", "error, warning, notice, info or debug"),
};

static const struct setting *find(struct slice name)
{
	for (size_t i = 0; i < ARRAY_SIZE(SETTINGS); i++)
		if (slice_eq(name, SETTINGS[i].name))
			return &SETTINGS[i];
	return NULL;
}

static bool put(struct config *cfg, const struct setting *s, const char *value, const char *where,
	struct err *e)
{
	void *at = (char *)cfg + s->offset;
	const char *wrong = NULL;
	int64_t n = 0;

	if (s->kind == TEXT) {
		free(*(char **)at);
		*(const char **)at = xstrdup(value);
		return true;
	}
	if (s->kind == NUMBER && !parse_i64(value, 0, INT64_MAX, &n))
		wrong = "a whole number is expected";
	if (s->kind == SIZE && !parse_i64(value, 0, INT64_MAX, &n))
		wrong = memory_parse(slice_of(value), &n);
	if (wrong)
		return err_set(e, ERR_INVALID, "setting_invalid",
			"%s: setting \"%s\" is \"%s\": %s", where, s->name, value, wrong);
	*(int64_t *)at = n;
	return true;
}

static bool read_line(struct config *cfg, struct slice line, const char *where, struct err *e)
{
	const char *equals;
	const struct setting *s;
	struct slice name, value;
	auto_free char *text = NULL;

	line = slice_trim(line);
	if (line.n == 0 || line.p[0] == '#')
		return true;
	equals = memchr(line.p, '=', line.n);
	if (!equals)
		return err_set(e, ERR_INVALID, "setting_invalid", "%s: \"key = value\" is expected",
			where);
	name = slice_trim((struct slice){ line.p, (size_t)(equals - line.p) });
	value = slice_trim((struct slice){ equals + 1, line.n - (size_t)(equals + 1 - line.p) });
	s = find(name);
	if (!s)
		return err_set(e, ERR_INVALID, "setting_unknown",
			"%s: setting \"%.*s\" does not exist", where, (int)name.n, name.p);
	text = xstrndup(value.p, value.n);
	return put(cfg, s, text, where, e);
}

static bool read_file(struct config *cfg, const char *path, struct err *e)
{
	auto_arena struct arena a = { 0 };
	struct slice rest, line;
	char *text;
	int number = 0;

	if (!file_read(path, 1024 * 1024, &a, &text, NULL, e))
		return false;
	for (rest = slice_of(text); slice_line(&rest, &line);) {
		char *where = arena_printf(&a, "%s:%d", path, ++number);

		if (!read_line(cfg, line, where, e))
			return false;
	}
	return true;
}

static bool read_environment(struct config *cfg, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(SETTINGS); i++) {
		auto_free char *name = xasprintf("NAP_%s", SETTINGS[i].name);
		const char *value;

		for (char *p = name; *p; p++)
			*p = (char)toupper((unsigned char)*p);
		value = getenv(name);
		if (value && !put(cfg, &SETTINGS[i], value, name, e))
			return false;
	}
	return true;
}

/* Machines of a cluster fetch their units' sources from nap: an address that is theirs too would be their own. */
static bool check_engine(const struct config *cfg, struct err *e)
{
	struct slice rest = slice_of(cfg->engine);

	if (!address_is_loopback(cfg->url))
		return true;
	while (rest.n) {
		const char *comma = memchr(rest.p, ',', rest.n);
		size_t n = comma ? (size_t)(comma - rest.p) : rest.n;
		struct slice one = slice_trim((struct slice){ rest.p, n });
		auto_free char *text = xstrndup(one.p, one.n);

		/* where the cluster behind a unix socket is, its list of machines tells: see lead/view.h */
		if (starts_with(text, "http://") && !address_is_loopback(text))
			return err_set(e, ERR_INVALID, "engine_cannot_reach_nap",
				"setting \"engine\" names the cluster of %s, whose machines cannot reach nap at "
				"\"%s\": set \"url\" (NAP_URL) to an address at which they can",
				text, cfg->url);
		rest.p += n + (comma ? 1 : 0);
		rest.n -= n + (comma ? 1 : 0);
	}
	return true;
}

bool config_load(struct config *ret, struct err *e)
{
	struct config cfg = { 0 };
	const char *path = getenv("NAP_CONF");

	for (size_t i = 0; i < ARRAY_SIZE(SETTINGS); i++)
		if (!put(&cfg, &SETTINGS[i], SETTINGS[i].fallback, "default", e))
			return false;
	if (path && path[0] && !read_file(&cfg, path, e))
		return false;
	if (!read_environment(&cfg, e))
		return false;
	if (cfg.state[0] != '/')
		return err_set(e, ERR_INVALID, "setting_invalid",
			"setting \"state\" is \"%s\": an absolute path is expected (NAP_CONF, NAP_STATE)",
			cfg.state);
	if (!cfg.url[0]) {
		free((void *)(uintptr_t)cfg.url);
		cfg.url = xasprintf("http://%s:%lld", cfg.listen, (long long)cfg.port);
	}
	if (!check_engine(&cfg, e))
		return false;
	*ret = cfg;
	return true;
}

void config_print(FILE *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(SETTINGS); i++)
		(void)fprintf(out, "| `%s` | `%s` | %s |\n", SETTINGS[i].name, SETTINGS[i].fallback,
			SETTINGS[i].help);
}

const char *config_path(const struct config *cfg, const char *below)
{
	return xasprintf("%s/%s", cfg->state, below);
}
