#include "lead/routes.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <time.h>

#define MAX_ROUTES_BYTES (64 * 1024 * 1024)
#define RELOAD_EVERY_MS	 500
#define TELL_AGAIN_MS	 5000
#define ASK_TIMEOUT_MS	 1000

void routes_init(struct routes *r, const struct config *cfg, struct http *http, int64_t epoch)
{
	*r = (struct routes){ .cfg = cfg, .http = http, .epoch = epoch };
	buf_init(&r->body, MAX_ROUTES_BYTES);
}

void routes_release(struct routes *r)
{
	buf_release(&r->body);
}

bool routes_settled(const struct routes *r)
{
	return r->count > 0 && r->answered == r->count;
}

/* -- the text ---------------------------------------------------------------------------------------------------- */

static void print_upstreams(struct buf *b, const struct route *routes, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		const struct route *r = &routes[k];

		if (r->servers_n < 2)
			continue;
		buf_printf(b, "upstream app_%" PRId64 " {\n\trandom two least_conn;\n", r->app_id);
		/* a server that refused is passed over for two seconds; the next tick takes it out */
		for (size_t s = 0; s < r->servers_n; s++)
			buf_printf(b, "\tserver %s max_fails=1 fail_timeout=2s;\n", r->servers[s]);
		buf_puts(b, "\tkeepalive 16;\n}\n");
	}
}

static void print_apps(struct buf *b, const struct route *routes, size_t n)
{
	buf_puts(b, "map $host $nap_app_of_host {\n\tdefault \"\";\n");
	for (size_t k = 0; k < n; k++)
		if (routes[k].host[0])
			buf_printf(b, "\t%s %" PRId64 ";\n", routes[k].host, routes[k].app_id);
	buf_puts(b, "}\nmap $server_port $nap_app {\n\tdefault $nap_app_of_host;\n");
	for (size_t k = 0; k < n; k++)
		if (routes[k].port)
			buf_printf(b, "\t%d %" PRId64 ";\n", routes[k].port, routes[k].app_id);
	buf_puts(b, "}\n");
}

static void print_targets(struct buf *b, const struct route *routes, size_t n)
{
	buf_puts(b, "map $nap_app $nap_upstream {\n\tdefault \"\";\n");
	for (size_t k = 0; k < n; k++) {
		const struct route *r = &routes[k];

		if (r->servers_n == 1)
			buf_printf(b, "\t%" PRId64 " %s;\n", r->app_id, r->servers[0]);
		else if (r->servers_n > 1)
			buf_printf(b, "\t%" PRId64 " app_%" PRId64 ";\n", r->app_id, r->app_id);
	}
	buf_puts(b, "}\nmap $nap_app $nap_page {\n\tdefault none;\n");
	for (size_t k = 0; k < n; k++)
		buf_printf(b, "\t%" PRId64 " %s;\n", routes[k].app_id, routes[k].page);
	buf_puts(b, "}\n");
}

static void print_ports(
	struct buf *b, const struct config *cfg, const struct route *routes, size_t n)
{
	bool any = false;

	for (size_t k = 0; k < n; k++) {
		if (!routes[k].port)
			continue;
		if (!any)
			buf_puts(b, "server {\n");
		any = true;
		buf_printf(b, "\tlisten %s:%d;\n", cfg->listen, routes[k].port);
	}
	if (any)
		buf_printf(b, "\tinclude %s/nginx/app-locations.conf;\n}\n", cfg->state);
}

void routes_text(struct buf *b, const struct config *cfg, const struct route *routes, size_t n)
{
	print_upstreams(b, routes, n);
	print_apps(b, routes, n);
	print_targets(b, routes, n);
	print_ports(b, cfg, routes, n);
}

/* -- the file ---------------------------------------------------------------------------------------------------- */

/* epoch and count in the first line of the file that is there; 0 if there is none */
static bool read_head(const char *path, int64_t *ret_epoch, int64_t *ret_count, struct err *e)
{
	auto_arena struct arena a = { 0 };
	char *text;
	intmax_t epoch = 0, count = 0;

	if (!file_read(path, MAX_ROUTES_BYTES, &a, &text, NULL, e)) {
		if (e->kind != ERR_NOT_FOUND)
			return false;
		text = arena_strdup(&a, "");
	}
	if (sscanf(text, "# nap routes, generation %jd.%jd", &epoch, &count) != 2)
		epoch = count = 0;
	*ret_epoch = epoch;
	*ret_count = count;
	return true;
}

static bool replace(struct routes *r, const char *path, struct err *e)
{
	auto_buf struct buf text = { 0 };
	int64_t epoch, count;

	buf_init(&text, MAX_ROUTES_BYTES);
	if (!read_head(path, &epoch, &count, e))
		return false;
	if (epoch > r->epoch)
		return err_set(e, ERR_CONFLICT, "leadership_lost",
			"the routes are those of a later leader");
	r->count++;
	buf_printf(&text,
		"# nap routes, generation %" PRId64 ".%" PRId64 "\n"
		"map \"\" $nap_generation {\n\tdefault \"%" PRId64 ".%" PRId64 "\";\n}\n",
		r->epoch, r->count, r->epoch, r->count);
	buf_add(&text, r->body.data, r->body.len);
	if (text.failed)
		return err_set(e, ERR_TOO_LARGE, "routes_too_large",
			"the routes need more than %d MiB", MAX_ROUTES_BYTES >> 20);
	return file_replace(path, text.data, text.len, 0644, e);
}

static bool write_file(struct routes *r, struct err *e)
{
	auto_free char *path = xasprintf("%s/nginx/routes.conf", r->cfg->state);
	auto_free char *lock_path = xasprintf("%s/nginx/routes.lock", r->cfg->state);
	auto_fd int lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (lock < 0)
		return err_errno(e, "could not open \"%s\"", lock_path);
	if (flock(lock, LOCK_EX) != 0)
		return err_errno(e, "could not lock \"%s\"", lock_path);
	return replace(r, path, e);
}

/* runsv reads commands from this pipe (runsv(8)); nobody there: the apps' nginx is down, and reads the file at its start */
static void tell_nginx(struct routes *r)
{
	auto_free char *path = xasprintf("%s/service/apps/supervise/control", r->cfg->state);
	auto_fd int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	r->told_ms = clock_mono_ms();
	if (fd < 0 || write(fd, "h", 1) != 1)
		LOG(DEBUG, "routes.reload", KV("error", strerror(errno)));
}

/* the count of our epoch that nginx answers, 0 if it answers another's; false: it does not answer */
static bool ask_nginx(struct routes *r, int64_t *ret)
{
	auto_free char *socket = xasprintf("%s/run/web/routes.sock", r->cfg->state);
	struct http_call call = { .method = "GET",
		.url = "http://routes/",
		.socket = socket,
		.timeout_ms = ASK_TIMEOUT_MS,
		.max_bytes = 4096 };
	intmax_t epoch = 0, count = 0;
	bool ok = http_one(r->http, &call) && call.status == 200;

	if (!ok || sscanf(call.answer.data, "%jd.%jd", &epoch, &count) != 2 || epoch != r->epoch)
		count = 0;
	http_call_release(&call);
	*ret = count;
	return ok;
}

static void pause_ms(long ms)
{
	(void)nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

static void settle(struct routes *r, int wait_ms)
{
	int64_t now = clock_mono_ms(), end = now + wait_ms;

	if (now - r->told_ms < RELOAD_EVERY_MS && r->told_ms < r->since) {
		if (r->told_ms + RELOAD_EVERY_MS > end)
			return; /* coalesced: the next tick tells */
		pause_ms(r->told_ms + RELOAD_EVERY_MS - now);
	}
	if (r->told_ms < r->since || clock_mono_ms() - r->told_ms > TELL_AGAIN_MS)
		tell_nginx(r);
	for (long ms = 5;; ms = MIN(ms * 2, 50L)) {
		if (!ask_nginx(r, &r->answered) || routes_settled(r) || clock_mono_ms() + ms > end)
			return;
		pause_ms(ms);
	}
}

bool routes_apply(
	struct routes *r, const struct route *routes, size_t n, int wait_ms, struct err *e)
{
	auto_buf struct buf body = { 0 };

	buf_init(&body, MAX_ROUTES_BYTES);
	routes_text(&body, r->cfg, routes, n);
	if (r->count == 0 || body.len != r->body.len ||
		memcmp(body.data, r->body.data, body.len) != 0) {
		buf_clear(&r->body);
		buf_add(&r->body, body.data, body.len);
		if (!write_file(r, e)) {
			buf_clear(&r->body); /* unlike what is there: written at the next call */
			return false;
		}
		r->since = clock_mono_ms();
		if (r->told_ms == r->since)
			r->told_ms--;
	}
	if (!routes_settled(r))
		settle(r, wait_ms);
	return true;
}
