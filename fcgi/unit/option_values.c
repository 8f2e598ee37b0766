#include "base/text.h"
#include "unit/option_read.h"

#include <limits.h>

static const char *expanded(struct reading *r)
{
	return unit_specifiers(r->place, r->value, r->a);
}

bool read_text(struct reading *r, void *field)
{
	*(const char **)field = *r->value ? expanded(r) : NULL;
	return true;
}

bool read_bool(struct reading *r, void *field)
{
	return unit_parse_bool(r->value, field);
}

bool read_time(struct reading *r, void *field)
{
	return unit_parse_time(r->value, field);
}

/* a limit in time: 0 and infinity are none */
bool read_timeout(struct reading *r, void *field)
{
	int64_t us;

	if (!unit_parse_time(r->value, &us))
		return false;
	*(int64_t *)field = us ? us : UNIT_INFINITY;
	return true;
}

bool read_timeout_both(struct reading *r, void *field)
{
	(void)field;
	return read_timeout(r, &r->o->timeout_start_us) && read_timeout(r, &r->o->timeout_stop_us);
}

bool read_count(struct reading *r, void *field)
{
	return parse_i64(r->value, 0, INT64_MAX, field);
}

bool read_int(struct reading *r, void *field)
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

bool read_memory(struct reading *r, void *field)
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

bool read_tasks(struct reading *r, void *field)
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

bool read_weight(struct reading *r, void *field)
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
bool read_shares(struct reading *r, void *field)
{
	int64_t n;

	if (!parse_i64(r->value, 2, 262144, &n))
		return false;
	*(int64_t *)field = MIN(MAX(n * 100 / 1024, (int64_t)1), (int64_t)10000);
	return true;
}

bool read_quota(struct reading *r, void *field)
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

bool read_umask(struct reading *r, void *field)
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

/* adds each word of the value to the list, which an empty value empties */
static bool add_words(struct reading *r, struct unit_words *list,
	bool (*add)(struct unit_words *list, struct arena *a, const char *word),
	const char *refused)
{
	const char *rest = r->value;
	char *word;

	if (!*rest)
		*list = (struct unit_words){ 0 };
	for (;;) {
		if (!unit_word(&rest, r->a, &word))
			return false;
		if (!word)
			return true;
		if (!add(list, r->a, unit_specifiers(r->place, word, r->a)))
			(void)reading_warn(r, refused);
	}
}

static bool add_name(struct unit_words *list, struct arena *a, const char *word)
{
	unit_words_add(list, a, word);
	return true;
}

/* plain words, no quotes: names of units */
bool read_names(struct reading *r, void *field)
{
	return add_words(r, field, add_name, NULL);
}

bool read_environment(struct reading *r, void *field)
{
	return add_words(r, field, unit_env_set, "an assignment is no NAME=value");
}

bool read_environment_file(struct reading *r, void *field)
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

bool read_directory(struct reading *r, void *field)
{
	const char *path = expanded(r);

	r->o->working_directory_optional = path[0] == '-';
	path += path[0] == '-';
	if (*path && *path != '/' && !streq(path, "~"))
		return false;
	*(const char **)field = *path ? path : NULL;
	return true;
}

bool read_type(struct reading *r, void *field)
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
		return reading_warn(r, "is run as Type=simple");
	else
		return false;
	return true;
}

/* the place of the word among words */
static bool pick(const char *value, const char *const *words, size_t n, unsigned int *ret)
{
	for (unsigned int i = 0; i < n; i++) {
		if (streq(words[i], value)) {
			*ret = i;
			return true;
		}
	}
	return false;
}

bool read_restart(struct reading *r, void *field)
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

	return pick(r->value, words, ARRAY_SIZE(words), (enum unit_restart *)field);
}

bool read_kill_mode(struct reading *r, void *field)
{
	static const char *const words[] = {
		[UNIT_KILL_CONTROL_GROUP] = "control-group",
		[UNIT_KILL_MIXED] = "mixed",
		[UNIT_KILL_PROCESS] = "process",
		[UNIT_KILL_NONE] = "none",
	};

	return pick(r->value, words, ARRAY_SIZE(words), (enum unit_kill *)field);
}

bool read_signal(struct reading *r, void *field)
{
	int n = unit_signal(r->value);

	if (n == 0)
		return false;
	*(int *)field = n;
	return true;
}

/* statuses are numbers, signals are names (systemd.service(5) SuccessExitStatus=) */
bool read_exits(struct reading *r, void *field)
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
			(void)reading_warn(r, "holds a word that is no status and no signal");
	}
	return true;
}

/* "no", "yes", … : a word of the list, or a boolean */
bool read_protect(struct reading *r, void *field)
{
	static const char *const words[] = { "full", "strict", "read-only", "tmpfs" };
	unsigned int n;
	bool on;

	if (pick(r->value, words, ARRAY_SIZE(words), &n))
		*(const char **)field = words[n];
	else if (unit_parse_bool(r->value, &on))
		*(const char **)field = on ? "yes" : "no";
	else
		return false;
	return true;
}

static bool limit_value(const char *text, rlim_t *ret)
{
	int64_t n;

	if (!unit_parse_size(text, &n))
		return false;
	*ret = n == UNIT_INFINITY ? RLIM_INFINITY : (rlim_t)n;
	return true;
}

/* "SOFT:HARD" or one value for both */
bool read_limit(struct reading *r, void *field)
{
	char *soft = arena_strdup(r->a, r->value), *hard = strchr(soft, ':');
	struct rlimit limit;

	(void)field;
	if (hard)
		*hard++ = '\0';
	if (!limit_value(soft, &limit.rlim_cur) ||
		!limit_value(hard ? hard : soft, &limit.rlim_max) ||
		limit.rlim_cur > limit.rlim_max)
		return false;
	r->o->limit[r->which] = limit;
	r->o->has_limit |= UINT32_C(1) << r->which;
	return true;
}
