#include "agent/fleet_api.h"

#include "agent/fleet_discovery.h"
#include "agent/fleet_machines.h"
#include "agent/fleet_page.h"
#include "agent/fleet_units.h"
#include "agent/plan.h"
#include "base/text.h"

/* States */

static void state_json(const struct agent *ag, const struct agent_unit *u, struct buf *b)
{
	struct unit_states w = plan_words(u);

	buf_putc(b, '{');
	fleet_member(b, "hash", u->loaded->hash);
	fleet_member(b, "machineID", ag->machine.id);
	fleet_member(b, "name", u->name);
	fleet_member(b, "systemdActiveState", w.active);
	fleet_member(b, "systemdLoadState", w.load);
	fleet_member(b, "systemdSubState", w.sub);
	buf_putc(b, '}');
}

static void states_list(const struct agent *ag, struct http_in *in)
{
	const char *name = http_query(in, "unitName", 0), *machine = http_query(in, "machineID", 0);
	struct fleet_page p;

	if (!fleet_page_begin(in, &p, "states"))
		return;
	for (size_t i = 0; i < ag->n; i++) {
		const struct agent_unit *u = ag->unit[i];

		if (u->loaded && (!name || !*name || streq(name, u->name)) &&
			(!machine || !*machine || streq(machine, ag->machine.id)) &&
			fleet_page_takes(&p))
			state_json(ag, u, &p.b);
	}
	fleet_page_reply(in, &p);
}

static void state_get(const struct agent *ag, struct http_in *in, const char *name)
{
	auto_buf struct buf b = { 0 };
	const struct agent_unit *u = agent_find(ag, name);

	if (!u || !u->loaded) {
		http_reply_error(in, 404, "unit does not exist");
		return;
	}
	buf_init(&b, FLEET_ANSWER_MAX);
	state_json(ag, u, &b);
	http_reply(in, 200, "application/json", b.data, b.len);
}

/* Paths */

static bool is(const struct http_in *in, const char *method)
{
	return streq(in->method, method);
}

/* Go's ServeMux sends a path with //, . or .. to the clean one */
static bool unclean(const char *path)
{
	for (const char *p = path; (p = strchr(p, '/')); p++) {
		size_t n = strcspn(p + 1, "/");

		if ((n == 0 && p[1]) || (n == 1 && p[1] == '.') ||
			(n == 2 && p[1] == '.' && p[2] == '.'))
			return true;
	}
	return false;
}

static char *clean(struct arena *a, const char *path)
{
	char *out = arena_alloc(a, strlen(path) + 2), *to = out;

	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && starts_with(path, "..")) {
			while (to > out && *--to != '/')
				;
		} else if (n && !(n == 1 && *path == '.')) {
			*to++ = '/';
			memcpy(to, path, n);
			to += n;
		}
		path += n + (path[n] ? 1 : 0);
	}
	if (to == out)
		*to++ = '/';
	*to = '\0';
	return out;
}

static void redirect(struct http_in *in)
{
	const char *to = clean(&in->a, in->raw);
	char *body = arena_printf(&in->a, "<a href=\"%s\">Moved Permanently</a>.\n\n", to);
	struct MHD_Response *r =
		MHD_create_response_from_buffer(strlen(body), body, MHD_RESPMEM_MUST_COPY);

	(void)MHD_add_response_header(r, "Location", to);
	(void)MHD_add_response_header(r, "Content-Type", "text/html; charset=utf-8");
	http_reply_with(in, 301, r);
}

void fleet_api(void *ctx, struct http_in *in)
{
	struct agent *ag = ctx;
	const char *p = in->path, *rest = NULL;

	if (unclean(p)) {
		redirect(in);
		return;
	}
	if (starts_with(p, "/fleet/v1/"))
		rest = p + 10;
	else if (starts_with(p, "/v1-alpha/"))
		rest = p + 10;
	if (!rest)
		http_reply_error(in, streq(p, "/") || streq(p, "/fleet/v1") ? 405 : 404, "");
	else if (streq(rest, "machines"))
		fleet_machines(ag, in);
	else if (streq(rest, "units") && is(in, "GET"))
		fleet_units_list(ag, in);
	else if (streq(rest, "state") && is(in, "GET"))
		states_list(ag, in);
	else if (streq(rest, "units") || streq(rest, "state"))
		http_reply_error(in, 405, "only GET supported against this resource");
	else if (starts_with(rest, "units/") && rest[6] && !strchr(rest + 6, '/'))
		fleet_unit(ag, in, rest + 6);
	else if (starts_with(rest, "state/") && rest[6] && !strchr(rest + 6, '/') && is(in, "GET"))
		state_get(ag, in, rest + 6);
	else if (starts_with(rest, "state/") && rest[6] && !strchr(rest + 6, '/'))
		http_reply_error(in, 405, "only GET supported against this resource");
	else if (streq(rest, "discovery") && is(in, "GET"))
		fleet_discovery(in);
	else if (streq(rest, "discovery"))
		http_reply_error(in, 400, "");
	else
		http_reply_error(in, 404, "");
}
