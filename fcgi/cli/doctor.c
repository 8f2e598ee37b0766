/*
 * What could be wrong with a nap, and what to do about it.
 *
 * Each check is a row of CHECKS. One that asks by REST works from everywhere; one that looks at files and processes is for
 * the machine itself, where NAP_STATE names nap's folder. What cannot be looked at is "unknown", with the reason, never ok.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/text.h"
#include "cli/account.h"
#include "cli/rest.h"
#include "cli/table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <sys/statvfs.h>
#include <time.h>

#define SILENT_US  (90 * INT64_C(1000000)) /* the leader looks at the engine every few seconds */
#define QUEUED_US  (120 * INT64_C(1000000))
#define CLOCK_S	   5
#define COMMAND_MS 20000
#define DISK_WARN  80
#define DISK_FULL  95

struct doctor {
	struct cli *c;
	const char *state; /* NULL: not on this machine */
	bool admin;
	json_t *found;
	const char *check;
	int faults;
};

static void PRINTF(4, 5)
	tell(struct doctor *d, const char *state, const char *todo, const char *fmt, ...)
{
	auto_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	d->faults += streq(state, "fault");
	(void)json_array_append_new(d->found,
		json_pack("{s:s, s:s, s:s, s:s?}", "check", d->check, "state", state, "detail",
			utf8_scrub(&d->c->a, text, strlen(text)), "todo", todo));
}
#define ok(d, ...)	      tell(d, "ok", NULL, __VA_ARGS__)
#define unknown(d, ...)	      tell(d, "unknown", NULL, __VA_ARGS__)
#define warning(d, todo, ...) tell(d, "warning", todo, __VA_ARGS__)
#define fault(d, todo, ...)   tell(d, "fault", todo, __VA_ARGS__)

/* A GET whose failure is a finding and no error. */
static bool look(struct doctor *d, const char *path, const char *wanted, struct rest_answer *ret)
{
	const struct rest_request rq = { .path = path, .wanted = wanted, .may_fail = true };

	return rest_call(d->c, &rq, ret);
}

static int64_t silence_us(const json_t *o, const char *key)
{
	int64_t at;

	return clock_parse_rfc3339(rest_text(o, key), &at) ? clock_now_us() - at : INT64_MAX;
}

/* -- by REST ------------------------------------------------------------------------------------------------------ */

static const char START[] =
	"start it: ./up --detach; what each part says is in $NAP_STATE/service/*/log/main/current";

static void check_address(struct doctor *d)
{
	struct rest_answer an;

	if (!look(d, "/version", "Date", &an))
		fault(d, START, "%s does not answer", d->c->url);
	else if (an.status != 200)
		fault(d, START, "%s answers %ld", d->c->url, an.status);
	else if (!streq(rest_text(an.json, "version"), PACKAGE_VERSION))
		warning(d, "install the same version on both sides", "%s runs %s, and this is %s",
			d->c->url, rest_text(an.json, "version"), PACKAGE_VERSION);
	else
		ok(d, "%s runs %s", d->c->url, PACKAGE_VERSION);
}

static void check_credential(struct doctor *d)
{
	const char *isolation;
	struct rest_answer an;

	if (!look(d, "/session", NULL, &an) || an.status != 200) {
		fault(d, "log in again: nap login", "the token is not taken");
		return;
	}
	d->admin = streq(rest_text(an.json, "role"), "admin");
	isolation = rest_text(an.json, "isolation");
	ok(d, "%s (%s)", rest_text(an.json, "tenant"), rest_text(an.json, "role"));
	d->check = "isolation";
	if (streq(isolation, "none"))
		fault(d,
			"let nap run as root, or allow user namespaces, and set NAP_ISOLATION=auto",
			"apps are not kept apart from each other");
	else
		ok(d, "%s", isolation);
}

static void check_database(struct doctor *d)
{
	struct rest_answer an;

	if (look(d, "/ready", NULL, &an) && an.status == 200)
		ok(d, "PostgreSQL answers");
	else
		fault(d, START, "PostgreSQL does not answer");
}

static void check_engine(struct doctor *d)
{
	struct rest_answer an;
	int64_t silence;

	if (!look(d, "/engine", NULL, &an) || an.status != 200) {
		unknown(d, "only the operator may ask");
		return;
	}
	silence = silence_us(an.json, "observed_at");
	if (json_is_true(json_object_get(an.json, "held")))
		fault(d, "look at what runs, then: ./up --engine adopt, or ./up --engine prune",
			"the leader waits: %s", rest_text(an.json, "held_reason"));
	else if (!json_is_true(json_object_get(an.json, "reachable")))
		fault(d, "is the agent, or the cluster that NAP_ENGINE names, running?",
			"the engine does not answer: %s", rest_text(an.json, "error"));
	else
		ok(d, "it answers");
	d->check = "leader";
	if (silence > SILENT_US)
		fault(d, START, "no leader has looked at the engine for %lld s",
			silence == INT64_MAX ? 0LL : (long long)(silence / 1000000));
	else
		ok(d, "it looked at the engine %lld s ago", (long long)(silence / 1000000));
}

static void check_machines(struct doctor *d)
{
	struct rest_answer an;
	const json_t *m;
	size_t i, n = 0;

	if (!look(d, "/machines?limit=1000", NULL, &an) || an.status != 200) {
		unknown(d, "they could not be asked for");
		return;
	}
	json_array_foreach (json_object_get(an.json, "items"), i, m)
		n += silence_us(m, "observed_at") <= SILENT_US;
	if (n == 0)
		fault(d, "is the agent, or the cluster that NAP_ENGINE names, running?",
			"there is no machine");
	else if (n < i)
		warning(d, "start them, or take them out of the cluster",
			"%zu of %zu were not seen for a while", i - n, i);
	else
		ok(d, "%zu", n);
}

/* the workers' heartbeat is that nothing waits while nothing runs */
static void check_workers(struct doctor *d)
{
	struct rest_answer queued, running;
	const json_t *op;
	int64_t longest = 0;
	size_t i;

	if (!look(d, "/operations?state=queued&limit=1000", NULL, &queued) ||
		queued.status != 200 ||
		!look(d, "/operations?state=running&limit=1", NULL, &running) ||
		running.status != 200) {
		unknown(d, "operations could not be asked for");
		return;
	}
	json_array_foreach (json_object_get(queued.json, "items"), i, op)
		longest = MAX(longest, silence_us(op, "created_at"));
	if (longest > QUEUED_US && !json_array_size(json_object_get(running.json, "items")))
		fault(d, START, "an operation waits for %lld s, and none runs",
			(long long)(longest / 1000000));
	else
		ok(d, "%zu operations wait", i);
}

static void check_clock(struct doctor *d)
{
	struct rest_answer an;
	struct tm tm = { 0 };
	int64_t apart;

	if (!look(d, "/health", "Date", &an) ||
		!strptime(an.header, "%a, %d %b %Y %H:%M:%S GMT", &tm)) {
		unknown(d, "the answer has no date");
		return;
	}
	apart = clock_now() - timegm(&tm);
	if (apart > CLOCK_S || apart < -CLOCK_S)
		warning(d, "set both clocks by NTP", "this clock and nap's are %lld s apart",
			(long long)apart);
	else
		ok(d, "this clock and nap's agree");
}

/* -- on the machine ------------------------------------------------------------------------------------------------ */

static bool here(struct doctor *d)
{
	if (!d->state)
		unknown(d, "it is looked at on nap's machine, where NAP_STATE names its folder");
	return d->state != NULL;
}

static const char *below(struct doctor *d, const char *name)
{
	return arena_printf(&d->c->a, "%s/%s", d->state, name);
}

/* runs it; NULL: it could not be, or failed, which ret_why tells */
static const char *output(struct doctor *d, const char *const *argv, const char **ret_why)
{
	struct proc_result r;
	struct err e;

	if (!proc_run(
		    &(struct proc_spec){
			    .argv = argv, .timeout_ms = COMMAND_MS, .max_bytes = 65536 },
		    &d->c->a, &r, &e)) {
		*ret_why = arena_strdup(&d->c->a, e.msg);
		return NULL;
	}
	*ret_why = *r.err ? r.err : r.out;
	return r.status == 0 ? r.out : NULL;
}

static void check_services(struct doctor *d)
{
	auto_dir DIR *dir = NULL;
	const struct dirent *entry;
	const char *down = "", *why;
	size_t n = 0;

	if (!here(d))
		return;
	dir = opendir(below(d, "service"));
	while (dir && (entry = readdir(dir))) {
		const char *folder = below(d, arena_printf(&d->c->a, "service/%s", entry->d_name));
		const char *text;

		if (entry->d_name[0] == '.' ||
			access(arena_printf(&d->c->a, "%s/run", folder), F_OK) < 0)
			continue;
		text = output(d, (const char *const[]){ "sv", "status", folder, NULL }, &why);
		n++;
		if ((!text || !starts_with(text, "run:")) && strstr(why, "ermission denied")) {
			unknown(d, "only nap's owner may ask");
			return;
		}
		if (!text || !starts_with(text, "run:"))
			down = arena_printf(&d->c->a, "%s %s", down, entry->d_name);
	}
	if (n == 0)
		fault(d, START, "nothing was started in \"%s\"", d->state);
	else if (*down)
		fault(d, START, "these do not run:%s", down);
	else
		ok(d, "all %zu run", n);
}

static void check_disk(struct doctor *d)
{
	static const char todo[] =
		"make room: destroy apps that are not needed, or give the disk more";
	struct statvfs fs;
	int64_t percent;
	char left[BYTES_TEXT_SIZE];

	if (!here(d))
		return;
	if (statvfs(d->state, &fs) < 0 || !fs.f_blocks) {
		unknown(d, "\"%s\": %s", d->state, strerror(errno));
		return;
	}
	percent = 100 - (int64_t)(fs.f_bavail * 100 / fs.f_blocks);
	(void)bytes_text(left, (int64_t)(fs.f_bavail * fs.f_frsize));
	if (percent >= DISK_FULL)
		fault(d, todo, "%lld %% used, %s left", (long long)percent, left);
	else if (percent >= DISK_WARN)
		warning(d, todo, "%lld %% used, %s left", (long long)percent, left);
	else
		ok(d, "%lld %% used, %s left", (long long)percent, left);
}

/* the numbers of $NAP_STATE/sql against those that the database has run: asked as nap's own user, who may */
static const char *migrations_run(struct doctor *d, const char **ret_why)
{
	int64_t port = 0, uid = 0;
	struct argv v = { 0 };
	struct err e;
	char *block;

	if (!file_read(below(d, "block"), 100, &d->c->a, &block, NULL, &e) ||
		sscanf(block, "%" SCNd64 " %" SCNd64, &port, &uid) != 2) {
		*ret_why = "the folder holds no nap";
		return NULL;
	}
	if (uid && geteuid() == 0) {
		argv_add(&v, &d->c->a, "setpriv");
		argv_addf(&v, &d->c->a, "--reuid=%lld", (long long)uid + 3);
		argv_addf(&v, &d->c->a, "--regid=%lld", (long long)uid + 3);
		argv_addf(&v, &d->c->a, "--groups=%lld", (long long)uid + 5);
	}
	for (const char *const *p = (const char *const[]){ "psql", "-XAt", "-U", "nap_owner", "-d",
		     "nap", "-c", "SELECT version FROM migration", "-h", NULL };
		*p; p++)
		argv_add(&v, &d->c->a, *p);
	argv_add(&v, &d->c->a, below(d, "run/db"));
	return output(d, v.v, ret_why);
}

static bool has_number(const char *lines, int64_t number)
{
	struct slice rest = slice_of(lines), line;
	int64_t n;

	while (slice_line(&rest, &line))
		if (parse_slice_i64(line, 0, INT64_MAX, &n) && n == number)
			return true;
	return false;
}

static void check_migrations(struct doctor *d)
{
	const char *run, *why = "", *missing = "";
	auto_dir DIR *dir = NULL;
	const struct dirent *entry;

	if (!here(d))
		return;
	run = migrations_run(d, &why);
	dir = opendir(below(d, "sql"));
	if (!run || !dir) {
		unknown(d, "the database could not be asked: %s", term_text(&d->c->a, why));
		return;
	}
	while ((entry = readdir(dir))) {
		int64_t number;

		if (!ends_with(entry->d_name, ".sql") ||
			!parse_slice_i64(
				(struct slice){ entry->d_name, strcspn(entry->d_name, "_") }, 1,
				9999, &number))
			continue;
		if (!has_number(run, number))
			missing = arena_printf(&d->c->a, "%s %s", missing, entry->d_name);
	}
	if (*missing)
		fault(d, "run them: ./up --detach", "these have not run:%s", missing);
	else
		ok(d, "the schema is this version's");
}

static void check_rights(struct doctor *d)
{
	static const struct {
		const char *path;
		mode_t never;
	} closed[] = { { ".", 0022 }, { "admin-token", 0077 }, { "db", 0077 }, { "git", 0007 },
		{ "work", 0077 }, { "tree", 0077 }, { "run/agent", 0007 }, { "run/db", 0007 },
		{ "bin", 0022 }, { "nap.conf", 0022 } };
	const char *wrong = "";
	struct stat st;

	if (!here(d))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(closed); i++)
		if (stat(below(d, closed[i].path), &st) == 0 && (st.st_mode & closed[i].never))
			wrong = arena_printf(&d->c->a, "%s chmod %o \"%s\";", wrong,
				st.st_mode & 07777 & ~closed[i].never, below(d, closed[i].path));
	if (*wrong)
		fault(d, arena_printf(&d->c->a, "close them:%s", wrong),
			"other users may read or write what is nap's");
	else
		ok(d, "files and folders are closed");
}

static void check_git(struct doctor *d)
{
	const char *why, *text;

	if (!here(d))
		return;
	text = output(d, (const char *const[]){ "git", "--version", NULL }, &why);
	if (text)
		ok(d, "%.*s", (int)strcspn(text, "\n"), text);
	else
		fault(d, "install it: apt-get install git", "git does not run: %s", why);
}

static const struct {
	const char *name;
	void (*run)(struct doctor *d);
} CHECKS[] = {
	{ "address", check_address },
	{ "credential", check_credential },
	{ "database", check_database },
	{ "engine", check_engine },
	{ "machines", check_machines },
	{ "workers", check_workers },
	{ "clock", check_clock },
	{ "services", check_services },
	{ "migrations", check_migrations },
	{ "disk", check_disk },
	{ "rights", check_rights },
	{ "git", check_git },
};

static void print(struct cli *c, const json_t *found)
{
	struct table t = table_new(&c->a, &c->out, "CHECK !STATE *DETAIL");
	const json_t *one;
	size_t i;

	json_array_foreach (found, i, one)
		table_row(&t, rest_text(one, "check"), rest_text(one, "state"),
			rest_text(one, "detail"));
	table_print(&t);
	json_array_foreach (found, i, one)
		if (*rest_text(one, "todo"))
			(void)fprintf(c->out.file, "%s: %s\n", rest_text(one, "check"),
				rest_text(one, "todo"));
}

int cli_doctor(struct cli *c)
{
	struct doctor d = { .c = c, .state = account_state(c) };
	json_auto_t *body = json_pack("{s:[], s:i}", "items", "faults", 0);

	d.found = json_object_get(body, "items");
	for (size_t i = 0; i < ARRAY_SIZE(CHECKS); i++) {
		d.check = CHECKS[i].name;
		CHECKS[i].run(&d);
	}
	(void)json_object_set_new(body, "faults", json_integer(d.faults));
	if (!rest_print_json(c, body))
		print(c, d.found);
	return d.faults ? CLI_FAILED : CLI_OK;
}
