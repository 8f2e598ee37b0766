#include "agent/fleet_units.h"

#include "agent/fleet_body.h"
#include "agent/fleet_name.h"
#include "agent/fleet_page.h"
#include "agent/plan.h"
#include "agent/store.h"
#include "base/log.h"
#include "base/text.h"

#define PREFIX "unable to decode body: "

static void unit_json(const struct agent *ag, const struct agent_unit *u, bool alone, struct buf *b)
{
	bool global = content_is_global(u->content);

	buf_putc(b, '{');
	if (!global || !alone)
		fleet_member(b, "currentState",
			fleet_state_word(global ? FLEET_INACTIVE : plan_current(u)));
	fleet_member(b, "desiredState", fleet_state_word(u->desired));
	if (u->scheduled && !global)
		fleet_member(b, "machineID", ag->machine.id);
	fleet_member(b, "name", u->name);
	if (u->content->n) {
		buf_puts(b, ",\"options\":");
		content_json(u->content, b);
	}
	buf_putc(b, '}');
}

void fleet_units_list(const struct agent *ag, struct http_in *in)
{
	struct fleet_page p;

	if (!fleet_page_begin(in, &p, "units"))
		return;
	for (size_t i = 0; i < ag->n; i++) {
		if (ag->unit[i]->content && fleet_page_takes(&p))
			unit_json(ag, ag->unit[i], false, &p.b);
	}
	fleet_page_reply(in, &p);
}

static struct agent_unit *known(const struct agent *ag, const char *name)
{
	struct agent_unit *u = agent_find(ag, name);

	return u && u->content ? u : NULL;
}

static void unit_get(const struct agent *ag, struct http_in *in, const char *name)
{
	auto_buf struct buf b = { 0 };
	struct agent_unit *u = known(ag, name);

	if (!u) {
		http_reply_error(in, 404, "unit does not exist");
		return;
	}
	buf_init(&b, FLEET_ANSWER_MAX);
	unit_json(ag, u, true, &b);
	http_reply(in, 200, "application/json", b.data, b.len);
}

static void unit_delete(struct agent *ag, struct http_in *in, const char *name)
{
	struct agent_unit *u = known(ag, name);
	struct content *old;
	struct err e = { 0 };

	if (!u) {
		http_reply_error(in, 404, "unit does not exist");
		return;
	}
	old = u->content;
	u->content = NULL;
	if (!store_save(ag, u, &e)) {
		LOG(ERROR, "agent.delete", KV("unit", name), KV("why", e.msg),
			KV("detail", e.detail));
		u->content = old;
		http_reply_error(in, 500, "");
		return;
	}
	content_unref(old);
	u->deleted = u->loaded != NULL;
	ag->asked = ag->dirty = true;
	http_reply(in, 204, NULL, "", 0);
}

struct put {
	json_t *body;
	const char *desired; /* "": not given */
	const json_t *options;
};

static bool put_options(struct put *p, struct err *e)
{
	const json_t *given = fleet_body_member(p->body, "options");
	const char *ignored;

	p->options = NULL;
	if (!given || json_is_null(given))
		return true;
	if (!json_is_array(given))
		return err_set(e, ERR_INVALID, "malformed",
			PREFIX "json: cannot unmarshal %s into Go struct field Unit.options "
			       "of type []*schema.UnitOption",
			fleet_body_kind(given));
	for (size_t i = 0; i < json_array_size(given); i++) {
		const json_t *o = json_array_get(given, i);

		if (!json_is_object(o))
			return err_set(e, ERR_INVALID, "malformed",
				PREFIX "json: cannot unmarshal %s into Go value of type "
				       "schema.UnitOption",
				json_is_null(o) ? "null" : fleet_body_kind(o));
		if (!fleet_body_text(o, "section", PREFIX, "UnitOption.section", &ignored, e) ||
			!fleet_body_text(o, "name", PREFIX, "UnitOption.name", &ignored, e) ||
			!fleet_body_text(o, "value", PREFIX, "UnitOption.value", &ignored, e))
			return false;
	}
	p->options = given;
	return true;
}

static bool put_read(struct http_in *in, const char *name, struct put *p, struct err *e)
{
	static const char *const texts[] = { "currentState", "machineID", "name", "desiredState" };
	static const char *const fields[] = { "Unit.currentState", "Unit.machineID", "Unit.name",
		"Unit.desiredState" };
	const char *given = "";

	if (!fleet_body_read(in, PREFIX, &p->body, e))
		return false;
	if (!json_is_object(p->body) && !json_is_null(p->body))
		return err_set(e, ERR_INVALID, "malformed",
			PREFIX "json: cannot unmarshal %s into Go value of type schema.Unit",
			fleet_body_kind(p->body));
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (!fleet_body_text(p->body, texts[i], PREFIX, fields[i], &p->desired, e))
			return false;
		if (i == 2)
			given = p->desired;
	}
	if (!put_options(p, e))
		return false;
	if (*given && !streq(given, name))
		return err_set(e, ERR_INVALID, "malformed",
			"name in URL \"%s\" differs from unit name in request body \"%s\"", name,
			given);
	return fleet_name_check(name, e);
}

static bool media_type_ok(struct http_in *in)
{
	size_t n;
	const char *type = http_header(in, "Content-Type", &n);
	char said[64];

	if (n != 1) {
		(void)snprintf(said, sizeof said, "expected 1 Content-Type, got %zu", n);
		http_reply_error(in, 415, said);
		return false;
	}
	if (strcspn(type, ";") == 16 && starts_with(type, "application/json"))
		return true;
	http_reply_error(in, 415, "only acceptable Content-Type is application/json");
	return false;
}

/* the unit as it shall be, written down; the caller has checked it */
static void unit_save(struct agent *ag, struct http_in *in, struct agent_unit *u,
	struct content *content, enum fleet_state desired, unsigned int status)
{
	struct content *old = u->content;
	enum fleet_state was = u->desired;
	struct err e = { 0 };

	u->content = content;
	u->desired = desired;
	if (!store_save(ag, u, &e)) {
		LOG(ERROR, "agent.put", KV("unit", u->name), KV("why", e.msg),
			KV("detail", e.detail));
		u->content = old;
		u->desired = was;
		content_unref(content);
		ag->asked = ag->dirty = true; /* one that was new is dropped */
		http_reply_error(in, 500, "");
		return;
	}
	content_unref(old);
	ag->asked = ag->dirty = true;
	http_reply(in, status, NULL, "", 0);
}

static void put_new(struct agent *ag, struct http_in *in, const char *name, const struct put *p)
{
	enum fleet_state desired = FLEET_INACTIVE;
	struct agent_unit *u = agent_find(ag, name);
	struct content *content;
	struct err e = { 0 };

	if (!json_array_size(p->options)) {
		http_reply_error(in, 409, "unit does not exist and options field empty");
		return;
	}
	if (!content_make(p->options, &content, &e)) {
		http_reply_error(in, 400, e.msg);
		return;
	}
	if (!content_check_fleet(content, &e)) {
		http_reply_error(in, 400, e.msg);
		content_unref(content);
		return;
	}
	if (*p->desired && !fleet_state_parse(p->desired, &desired)) {
		http_reply_error(in, 500, "");
		content_unref(content);
		return;
	}
	/* one of that name may still be stopping: it goes first */
	unit_save(ag, in, u ? u : agent_add(ag, name), content, desired, 201);
}

static void put_known(
	struct agent *ag, struct http_in *in, struct agent_unit *u, const struct put *p)
{
	enum fleet_state desired = FLEET_INACTIVE;
	struct content *content = NULL;
	struct err e = { 0 };
	char said[400];
	bool differs;

	/* fleet takes a broken text or word here, and the unit then answers 500 to everything */
	if (json_array_size(p->options) && !content_make(p->options, &content, &e)) {
		http_reply_error(in, 400, e.msg);
		return;
	}
	differs = content && content != u->content;
	if (!differs && content) {
		content_unref(content);
		content = NULL;
	}
	if (*p->desired && !fleet_state_parse(p->desired, &desired)) {
		content_unref(content);
		(void)snprintf(said, sizeof said, "invalid unit state \"%.100s\"", p->desired);
		http_reply_error(in, 400, said);
		return;
	}
	if (!differs && !*p->desired) {
		http_reply_error(in, 409, "must provide DesiredState to update existing unit");
		return;
	}
	if (fleet_name_is_template(u->name) && *p->desired && desired != FLEET_INACTIVE) {
		content_unref(content);
		(void)snprintf(said, sizeof said, "cannot activate template \"%s\"", u->name);
		http_reply_error(in, 400, said);
		return;
	}
	unit_save(ag, in, u, differs ? content : content_ref(u->content), desired,
		differs ? 201 : 204);
}

static void unit_put(struct agent *ag, struct http_in *in, const char *name)
{
	struct put p = { 0 };
	struct agent_unit *u;
	struct err e = { 0 };

	if (!media_type_ok(in))
		return;
	if (!put_read(in, name, &p, &e)) {
		http_reply_error(in, 400, e.msg);
		json_decref(p.body);
		return;
	}
	u = known(ag, name);
	if (u)
		put_known(ag, in, u, &p);
	else
		put_new(ag, in, name, &p);
	json_decref(p.body);
}

void fleet_unit(struct agent *ag, struct http_in *in, const char *name)
{
	if (streq(in->method, "GET"))
		unit_get(ag, in, name);
	else if (streq(in->method, "PUT"))
		unit_put(ag, in, name);
	else if (streq(in->method, "DELETE"))
		unit_delete(ag, in, name);
	else
		http_reply_error(
			in, 405, "only GET, PUT and DELETE supported against this resource");
}
