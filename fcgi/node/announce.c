#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "model/unit.h"
#include "node/health.h"
#include "node/node.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>

#define LOOK_STARTING_MS 500  /* between two checks while it is not healthy */
#define LOOK_STEADY_MS	 3000 /* and while it is */
#define INTERVAL_DEFAULT 10000
#define GONE_MS		 30000 /* nap knows the unit no more: its supervisor shall not turn in circles */

struct sidekick {
	struct node *n;
	const char *main; /* the unit's name */
	const char *dir;  /* its folder: home/MAIN */
	char run_id[65];  /* of the run whose unit.json was read */
	int port;
	char path[256]; /* "": the port alone */
	bool known, has_uid;
	uid_t uid;
	int watch;
};

/* "TENANT.APP.vR_discovery@N.service" is the sidekick of "TENANT.APP.vR@N.service" */
static bool main_of(struct node *n, const char **ret)
{
	struct unit_name name;
	char text[UNIT_NAME_SIZE];

	if (!unit_name_parse(n->unit, &name) || !name.sidekick)
		return false;
	name.sidekick = false;
	unit_name_print(text, &name);
	*ret = arena_strdup(n->a, text);
	return true;
}

/* the id of the run that prepare began and stopped has not ended; false: it is dead */
static bool alive(const struct sidekick *s, char ret[65])
{
	auto_free char *path = xasprintf("%s/alive", s->dir);
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd >= 0 ? read(fd, ret, 64) : -1;

	ret[n > 0 ? n : 0] = '\0';
	return fd >= 0;
}

/* what prepare kept of the unit; read again for each run, in memory that does not grow */
static void read_unit(struct sidekick *s)
{
	auto_free char *path = xasprintf("%s/unit.json", s->dir);
	auto_free char *uid_path = xasprintf("%s/uid", s->dir);
	json_auto_t *unit = json_load_file(path, 0, NULL);
	const char *health = json_string_value(json_object_get(unit, "health"));
	auto_arena struct arena a = { 0 };
	struct err ignored;
	int64_t uid;
	char *text;

	s->known = unit != NULL;
	s->port = (int)json_integer_value(json_object_get(unit, "port"));
	if (s->port < 1 || s->port > 65535)
		s->known = false;
	s->path[0] = '\0';
	if (health && health_path_fine(health))
		(void)snprintf(s->path, sizeof s->path, "%s", health);
	s->has_uid = false;
	if (geteuid() == 0 && file_read(uid_path, 32, &a, &text, NULL, &ignored)) {
		text[strcspn(text, "\n")] = '\0';
		s->has_uid = parse_i64(text, 1, UINT32_MAX - 1, &uid);
		s->uid = (uid_t)uid;
	}
}

static bool healthy(struct sidekick *s)
{
	char run_id[65];

	if (!alive(s, run_id))
		return false;
	if (!s->known || !streq(run_id, s->run_id)) {
		read_unit(s);
		memcpy(s->run_id, run_id, sizeof run_id);
	}
	return s->known && health_check(s->port, s->path[0] ? s->path : NULL, s->has_uid, s->uid);
}

/* up to ms, or until something changes in the main unit's folder: its start and its end */
static void rest(struct sidekick *s, int64_t ms)
{
	struct pollfd p = { s->watch, POLLIN, 0 };
	char events[4096];

	if (s->watch >= 0 &&
		inotify_add_watch(s->watch, s->dir, IN_MOVED_TO | IN_DELETE | IN_ONLYDIR) < 0)
		ms = MIN(ms, LOOK_STARTING_MS);
	(void)poll(&p, 1, (int)MAX(ms, (int64_t)1));
	while (s->watch >= 0 && read(s->watch, events, sizeof events) > 0)
		;
}

/* milliseconds until the next; negative: nap knows the unit no more */
static int64_t announce(struct sidekick *s, bool is_healthy, int64_t last_ms)
{
	auto_arena struct arena a = { 0 };
	struct node n = *s->n;
	json_t *json = NULL;
	enum answer answer;
	int64_t seconds;

	n.a = &a;
	answer = node_call(&n, s->main, "/announce",
		is_healthy ? "{\"healthy\":true}" : "{\"healthy\":false}", &json);
	seconds = json_integer_value(json_object_get(json, "interval"));
	json_decref(json);
	if (answer == ANSWER_GONE)
		return -1;
	/* nap is away, and how long is not known: not all of a machine's sidekicks at once */
	if (answer != ANSWER_OK)
		return MIN(last_ms, 2000 + (int64_t)(getpid() % 1000));
	node_flush(&n);
	return seconds >= 1 && seconds <= 300 ? seconds * 1000 : INTERVAL_DEFAULT;
}

int node_announce(struct node *n)
{
	struct sidekick s = { .n = n, .watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK) };
	int64_t interval = INTERVAL_DEFAULT, next = 0;
	bool said = false, first = true;

	if (!main_of(n, &s.main)) {
		(void)fprintf(stderr, "nap: \"%s\" is no sidekick\n", n->unit);
		return 2;
	}
	s.dir = arena_printf(n->a, "%s/%s", n->home, s.main);
	for (;;) {
		bool now_healthy = healthy(&s);
		int64_t now = clock_mono_ms();

		if (first || now_healthy != said || now >= next) {
			int64_t told = announce(&s, now_healthy, interval);

			if (told < 0) {
				(void)poll(NULL, 0, GONE_MS);
				return 0;
			}
			first = false;
			said = now_healthy;
			interval = told;
			next = now + interval;
		}
		rest(&s, MIN(next - now, now_healthy ? LOOK_STEADY_MS : LOOK_STARTING_MS));
	}
}
