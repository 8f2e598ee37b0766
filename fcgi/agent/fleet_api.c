#include "agent/fleet_api.h"

#include "agent/fleet_name.h"
#include "agent/plan.h"
#include "agent/store.h"
#include "base/log.h"
#include "base/text.h"

#define ANSWER_MAX (64 * 1024 * 1024)

/* Members whose value is empty are left out */

static void member(struct buf *b, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	if (b->data[b->len - 1] != '{')
		buf_putc(b, ',');
	buf_printf(b, "\"%s\":", key);
	put_json(b, value);
}

static void unit_json(const struct agent *ag, const struct agent_unit *u, bool alone, struct buf *b)
{
	bool global = content_is_global(u->content);

	buf_putc(b, '{');
	if (!global || !alone)
		member(b, "currentState",
			fleet_state_word(global ? FLEET_INACTIVE : plan_current(u)));
	member(b, "desiredState", fleet_state_word(u->desired));
	if (u->scheduled && !global)
		member(b, "machineID", ag->machine.id);
	member(b, "name", u->name);
	if (u->content->n) {
		buf_puts(b, ",\"options\":");
		content_json(u->content, b);
	}
	buf_putc(b, '}');
}

static void state_json(const struct agent *ag, const struct agent_unit *u, struct buf *b)
{
	struct unit_words w = plan_words(u);

	buf_putc(b, '{');
	member(b, "hash", u->loaded->hash);
	member(b, "machineID", ag->machine.id);
	member(b, "name", u->name);
	member(b, "systemdActiveState", w.active);
	member(b, "systemdLoadState", w.load);
	member(b, "systemdSubState", w.sub);
	buf_putc(b, '}');
}

static void machine_json(const struct agent *ag, struct buf *b)
{
	const char **keys;
	size_t n = 0, want = json_object_size(ag->machine.metadata);
	const char *key;
	json_t *v;

	buf_puts(b, "{\"id\":");
	put_json(b, ag->machine.id);
	keys = xcalloc(want + 1, sizeof *keys);
	json_object_foreach (ag->machine.metadata, key, v)
		keys[n++] = key;
	for (size_t i = 1; i < n; i++) {
		for (size_t k = i; k && strcmp(keys[k - 1], keys[k]) > 0; k--) {
			const char *swap = keys[k];

			keys[k] = keys[k - 1];
			keys[k - 1] = swap;
		}
	}
	for (size_t i = 0; i < n; i++) {
		buf_puts(b, i ? "," : ",\"metadata\":{");
		put_json(b, keys[i]);
		buf_putc(b, ':');
		put_json(b, machine_get(&ag->machine, keys[i]));
	}
	buf_puts(b, n ? "},\"primaryIP\":\"127.0.0.1\"}" : ",\"primaryIP\":\"127.0.0.1\"}");
	free(keys);
}

/* Pages: everything is counted, and what falls on the page printed. */

struct page {
	struct buf b;
	const char *member;
	unsigned int number;
	size_t seen, first;
};

static bool page_begin(struct http_in *in, struct page *p, const char *what)
{
	const char *token = http_query(in, "nextPageToken", 0);
	struct err e = { 0 };

	*p = (struct page){ .member = what, .number = 1 };
	if (token && http_query(in, "nextPageToken", 1)) {
		http_reply_error(in, 400, "too many values for page token");
		return false;
	}
	if (token && !fleet_token_parse(token, &p->number, &e)) {
		http_reply_error(in, 400, e.msg);
		return false;
	}
	p->first = (size_t)(p->number - 1) * FLEET_PAGE_LIMIT;
	buf_init(&p->b, ANSWER_MAX);
	return true;
}

/* true: the next entry is on the page, its text goes to p->b */
static bool page_takes(struct page *p)
{
	size_t at = p->seen++;

	if (at < p->first || at >= p->first + FLEET_PAGE_LIMIT)
		return false;
	if (p->b.len)
		buf_putc(&p->b, ',');
	return true;
}

static void page_reply(struct http_in *in, struct page *p)
{
	auto_buf struct buf b = { 0 };
	char token[FLEET_TOKEN_SIZE];
	/* a full last page still has a token: fleet looks at the page alone */
	bool full = p->seen >= p->first + FLEET_PAGE_LIMIT;

	buf_init(&b, ANSWER_MAX);
	buf_putc(&b, '{');
	if (full) {
		fleet_token_print(token, p->number + 1);
		member(&b, "nextPageToken", token);
	}
	if (p->b.len) {
		buf_printf(&b, "%s\"%s\":[", full ? "," : "", p->member);
		buf_add(&b, p->b.data, p->b.len);
		buf_putc(&b, ']');
	}
	buf_putc(&b, '}');
	http_reply(in, 200, "application/json", b.data, b.len);
	buf_release(&p->b);
}

/* Machines */

static void machines_list(const struct agent *ag, struct http_in *in)
{
	struct page p;

	if (!page_begin(in, &p, "machines"))
		return;
	if (page_takes(&p))
		machine_json(ag, &p.b);
	page_reply(in, &p);
}

static const char *json_kind(const json_t *v)
{
	if (json_is_string(v))
		return "string";
	if (json_is_number(v))
		return "number";
	if (json_is_boolean(v))
		return "bool";
	return json_is_array(v) ? "array" : "object";
}

/* encoding/json looks a member up without regard to case */
static json_t *folded(const json_t *o, const char *name)
{
	const char *key;
	json_t *v, *found = json_object_get(o, name);

	if (found)
		return found;
	json_object_foreach ((json_t *)(uintptr_t)o, key, v) {
		if (strcasecmp(key, name) == 0)
			found = v;
	}
	return json_is_null(found) ? NULL : found;
}

static bool decode_body(const struct http_in *in, const char *prefix, json_t **ret, struct err *e)
{
	size_t blank = strspn(in->body.data, " \t\r\n");
	json_error_t je;

	if (blank >= in->body.len)
		return err_set(e, ERR_INVALID, "malformed", "%sEOF", prefix);
	*ret = json_loadb(
		in->body.data, in->body.len, JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY, &je);
	if (*ret)
		return true;
	if (json_error_code(&je) == json_error_premature_end_of_input)
		return err_set(e, ERR_INVALID, "malformed", "%sunexpected EOF", prefix);
	return err_set(e, ERR_INVALID, "malformed", "%s%s", prefix, je.text);
}

struct patch {
	const char *op, *key, *value;
	bool mine;
};

static bool text_of(
	const json_t *o, const char *name, const char *field, const char **ret, struct err *e)
{
	const json_t *v = folded(o, name);

	*ret = v && !json_is_null(v) ? json_string_value(v) : "";
	if (!*ret)
		return err_set(e, ERR_INVALID, "malformed",
			"json: cannot unmarshal %s into Go struct field machineMetadataOp.%s of type string",
			json_kind(v), field);
	return true;
}

static bool patch_value(const json_t *o, struct patch *p, struct err *e)
{
	static const char shape[] = "struct { Value string \"json:\\\"value\\\"\" }";
	const json_t *v = folded(o, "value");

	p->value = "";
	if (!v || json_is_null(v))
		return true;
	if (!json_is_object(v))
		return err_set(e, ERR_INVALID, "malformed",
			"json: cannot unmarshal %s into Go struct field machineMetadataOp.Value of type %s",
			json_kind(v), shape);
	return text_of(v, "value", "Value", &p->value, e);
}

static bool is_hex(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!strchr("0123456789abcdef", s[i]) || !s[i])
			return false;
	}
	return true;
}

/* "/ID/metadata/KEY" */
static bool patch_path(const struct agent *ag, const char *path, struct patch *p)
{
	const char *id = path + 1, *end = path[0] == '/' ? strchr(id, '/') : NULL;

	if (!end || end == id || !is_hex(id, (size_t)(end - id)) ||
		!starts_with(end, "/metadata/") || !end[10] || strchr(end + 10, '/'))
		return false;
	p->key = end + 10;
	p->mine = (size_t)(end - id) == strlen(ag->machine.id) && starts_with(id, ag->machine.id);
	return true;
}

static bool patch_read(const struct agent *ag, const json_t *o, struct patch *p, struct err *e)
{
	const char *path;

	if (!json_is_object(o))
		return err_set(e, ERR_INVALID, "malformed",
			"json: cannot unmarshal %s into Go value of type api.machineMetadataOp",
			json_kind(o));
	if (!text_of(o, "op", "op", &p->op, e) || !text_of(o, "path", "path", &path, e) ||
		!patch_value(o, p, e))
		return false;
	if (!streq(p->op, "add") && !streq(p->op, "remove") && !streq(p->op, "replace"))
		return err_set(
			e, ERR_INVALID, "malformed", "invalid op: expect add, remove, or replace");
	if (!patch_path(ag, path, p))
		return err_set(e, ERR_INVALID, "malformed", "machine metadata path invalid");
	if (!streq(p->op, "remove") && !*p->value)
		return err_set(e, ERR_INVALID, "malformed",
			"invalid value: add and replace require a value");
	return true;
}

static void machines_patch(struct agent *ag, struct http_in *in)
{
	json_auto_t *ops = NULL;
	struct err e = { 0 };
	struct patch p = { 0 };

	if (!decode_body(in, "", &ops, &e)) {
		http_reply_error(in, 400, e.msg);
		return;
	}
	if (!json_is_array(ops) && !json_is_null(ops)) {
		(void)err_set(&e, ERR_INVALID, "malformed",
			"json: cannot unmarshal %s into Go value of type []api.machineMetadataOp",
			json_kind(ops));
		http_reply_error(in, 400, e.msg);
		return;
	}
	for (size_t i = 0; i < json_array_size(ops); i++) {
		if (!patch_read(ag, json_array_get(ops, i), &p, &e)) {
			http_reply_error(in, 400, e.msg);
			return;
		}
	}
	for (size_t i = 0; i < json_array_size(ops); i++) {
		if (patch_read(ag, json_array_get(ops, i), &p, &e) && p.mine &&
			!machine_patch(
				&ag->machine, p.key, streq(p.op, "remove") ? NULL : p.value, &e)) {
			LOG(ERROR, "agent.patch", KV("why", e.msg));
			http_reply_error(in, 500, "");
			return;
		}
	}
	ag->asked = ag->dirty = true;
	http_reply(in, 204, "application/json", "", 0);
}

/* Units */

static void units_list(const struct agent *ag, struct http_in *in)
{
	struct page p;

	if (!page_begin(in, &p, "units"))
		return;
	for (size_t i = 0; i < ag->n; i++) {
		if (ag->unit[i]->content && page_takes(&p))
			unit_json(ag, ag->unit[i], false, &p.b);
	}
	page_reply(in, &p);
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
	buf_init(&b, ANSWER_MAX);
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

static bool put_text(
	const json_t *o, const char *type, const char *name, const char **ret, struct err *e)
{
	const json_t *v = folded(o, name);

	*ret = v && !json_is_null(v) ? json_string_value(v) : "";
	if (!*ret)
		return err_set(e, ERR_INVALID, "malformed",
			"unable to decode body: json: cannot unmarshal %s into Go struct field %s.%s of type string",
			json_kind(v), type, name);
	return true;
}

static bool put_options(struct put *p, struct err *e)
{
	const json_t *given = folded(p->body, "options");
	const char *ignored;

	p->options = NULL;
	if (!given || json_is_null(given))
		return true;
	if (!json_is_array(given))
		return err_set(e, ERR_INVALID, "malformed",
			"unable to decode body: json: cannot unmarshal %s into Go struct field Unit.options "
			"of type []*schema.UnitOption",
			json_kind(given));
	for (size_t i = 0; i < json_array_size(given); i++) {
		const json_t *o = json_array_get(given, i);

		if (!json_is_object(o))
			return err_set(e, ERR_INVALID, "malformed",
				"unable to decode body: json: cannot unmarshal %s into Go value of type "
				"schema.UnitOption",
				json_is_null(o) ? "null" : json_kind(o));
		if (!put_text(o, "UnitOption", "section", &ignored, e) ||
			!put_text(o, "UnitOption", "name", &ignored, e) ||
			!put_text(o, "UnitOption", "value", &ignored, e))
			return false;
	}
	p->options = given;
	return true;
}

static bool put_read(struct http_in *in, const char *name, struct put *p, struct err *e)
{
	static const char *const texts[] = { "currentState", "machineID", "name", "desiredState" };
	const char *given = "";

	if (!decode_body(in, "unable to decode body: ", &p->body, e))
		return false;
	if (!json_is_object(p->body) && !json_is_null(p->body))
		return err_set(e, ERR_INVALID, "malformed",
			"unable to decode body: json: cannot unmarshal %s into Go value of type schema.Unit",
			json_kind(p->body));
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (!put_text(p->body, "Unit", texts[i], &p->desired, e))
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

/* States */

static void states_list(const struct agent *ag, struct http_in *in)
{
	const char *name = http_query(in, "unitName", 0), *machine = http_query(in, "machineID", 0);
	struct page p;

	if (!page_begin(in, &p, "states"))
		return;
	for (size_t i = 0; i < ag->n; i++) {
		const struct agent_unit *u = ag->unit[i];

		if (u->loaded && (!name || !*name || streq(name, u->name)) &&
			(!machine || !*machine || streq(machine, ag->machine.id)) && page_takes(&p))
			state_json(ag, u, &p.b);
	}
	page_reply(in, &p);
}

static void state_get(const struct agent *ag, struct http_in *in, const char *name)
{
	auto_buf struct buf b = { 0 };
	const struct agent_unit *u = agent_find(ag, name);

	if (!u || !u->loaded) {
		http_reply_error(in, 404, "unit does not exist");
		return;
	}
	buf_init(&b, ANSWER_MAX);
	state_json(ag, u, &b);
	http_reply(in, 200, "application/json", b.data, b.len);
}

static void discovery(struct http_in *in)
{
	static const char text[] =
		"{\"kind\":\"discovery#restDescription\",\"discoveryVersion\":\"v1\",\"id\":\"fleet:v1\","
		"\"name\":\"schema\",\"version\":\"v1\",\"title\":\"fleet API\","
		"\"description\":\"fleet's API v1, served by nap-agent for one machine\","
		"\"documentationLink\":\"http://github.com/coreos/fleet\",\"protocol\":\"rest\","
		"\"icons\":{\"x16\":\"\",\"x32\":\"\"},\"labels\":[],"
		"\"baseUrl\":\"$ENDPOINT/fleet/v1/\",\"basePath\":\"/fleet/v1/\","
		"\"rootUrl\":\"$ENDPOINT/\",\"servicePath\":\"fleet/v1/\",\"batchPath\":\"batch\","
		"\"parameters\":{},\"auth\":{},\"schemas\":{"
		"\"Machine\":{\"id\":\"Machine\",\"type\":\"object\",\"properties\":{"
		"\"id\":{\"type\":\"string\",\"required\":true},\"primaryIP\":{\"type\":\"string\"},"
		"\"metadata\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}}},"
		"\"MachinePage\":{\"id\":\"MachinePage\",\"type\":\"object\",\"properties\":{"
		"\"machines\":{\"type\":\"array\",\"items\":{\"$ref\":\"Machine\"}},"
		"\"nextPageToken\":{\"type\":\"string\"}}},"
		"\"UnitOption\":{\"id\":\"UnitOption\",\"type\":\"object\",\"properties\":{"
		"\"section\":{\"type\":\"string\"},\"name\":{\"type\":\"string\"},"
		"\"value\":{\"type\":\"string\"}}},"
		"\"Unit\":{\"id\":\"Unit\",\"type\":\"object\",\"properties\":{"
		"\"name\":{\"type\":\"string\"},\"options\":{\"type\":\"array\",\"items\":{\"$ref\":\"UnitOption\"}},"
		"\"currentState\":{\"type\":\"string\",\"enum\":[\"inactive\",\"loaded\",\"launched\"]},"
		"\"desiredState\":{\"type\":\"string\",\"enum\":[\"inactive\",\"loaded\",\"launched\"]},"
		"\"machineID\":{\"type\":\"string\",\"required\":true}}},"
		"\"UnitPage\":{\"id\":\"UnitPage\",\"type\":\"object\",\"properties\":{"
		"\"units\":{\"type\":\"array\",\"items\":{\"$ref\":\"Unit\"}},"
		"\"nextPageToken\":{\"type\":\"string\"}}},"
		"\"UnitState\":{\"id\":\"UnitState\",\"type\":\"object\",\"properties\":{"
		"\"hash\":{\"type\":\"string\"},\"machineID\":{\"type\":\"string\"},"
		"\"name\":{\"type\":\"string\"},\"systemdActiveState\":{\"type\":\"string\"},"
		"\"systemdLoadState\":{\"type\":\"string\"},\"systemdSubState\":{\"type\":\"string\"}}},"
		"\"UnitStatePage\":{\"id\":\"UnitStatePage\",\"type\":\"object\",\"properties\":{"
		"\"states\":{\"type\":\"array\",\"items\":{\"$ref\":\"UnitState\"}},"
		"\"nextPageToken\":{\"type\":\"string\"}}}},"
		"\"resources\":{"
		"\"Machines\":{\"methods\":{\"List\":{\"id\":\"fleet.Machine.List\",\"path\":\"machines\","
		"\"httpMethod\":\"GET\",\"parameters\":{\"nextPageToken\":{\"type\":\"string\","
		"\"location\":\"query\"}},\"response\":{\"$ref\":\"MachinePage\"}}}},"
		"\"Units\":{\"methods\":{\"List\":{\"id\":\"fleet.Unit.List\",\"path\":\"units\","
		"\"httpMethod\":\"GET\",\"parameters\":{\"nextPageToken\":{\"type\":\"string\","
		"\"location\":\"query\"}},\"response\":{\"$ref\":\"UnitPage\"}},"
		"\"Get\":{\"id\":\"fleet.Unit.Get\",\"path\":\"units/{unitName}\",\"httpMethod\":\"GET\","
		"\"parameters\":{\"unitName\":{\"type\":\"string\",\"location\":\"path\",\"required\":true}},"
		"\"parameterOrder\":[\"unitName\"],\"response\":{\"$ref\":\"Unit\"}},"
		"\"Delete\":{\"id\":\"fleet.Unit.Delete\",\"path\":\"units/{unitName}\","
		"\"httpMethod\":\"DELETE\",\"parameters\":{\"unitName\":{\"type\":\"string\","
		"\"location\":\"path\",\"required\":true}},\"parameterOrder\":[\"unitName\"]},"
		"\"Set\":{\"id\":\"fleet.Unit.Set\",\"path\":\"units/{unitName}\",\"httpMethod\":\"PUT\","
		"\"parameters\":{\"unitName\":{\"type\":\"string\",\"location\":\"path\",\"required\":true}},"
		"\"parameterOrder\":[\"unitName\"],\"request\":{\"$ref\":\"Unit\"}}}},"
		"\"UnitState\":{\"methods\":{\"List\":{\"id\":\"fleet.UnitState.List\",\"path\":\"state\","
		"\"httpMethod\":\"GET\",\"parameters\":{\"nextPageToken\":{\"type\":\"string\","
		"\"location\":\"query\"},\"unitName\":{\"type\":\"string\",\"location\":\"query\"},"
		"\"machineID\":{\"type\":\"string\",\"location\":\"query\"}},"
		"\"response\":{\"$ref\":\"UnitStatePage\"}}}}}}";

	http_reply(in, 200, "application/json", text, sizeof text - 1);
}

/* Paths */

static bool is(const struct http_in *in, const char *method)
{
	return streq(in->method, method);
}

static void machines(struct agent *ag, struct http_in *in)
{
	if (is(in, "GET"))
		machines_list(ag, in);
	else if (is(in, "PATCH"))
		machines_patch(ag, in);
	else
		http_reply_error(in, 405, "only GET and PATCH supported against this resource");
}

static void unit(struct agent *ag, struct http_in *in, const char *name)
{
	if (is(in, "GET"))
		unit_get(ag, in, name);
	else if (is(in, "PUT"))
		unit_put(ag, in, name);
	else if (is(in, "DELETE"))
		unit_delete(ag, in, name);
	else
		http_reply_error(
			in, 405, "only GET, PUT and DELETE supported against this resource");
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
		machines(ag, in);
	else if (streq(rest, "units") && is(in, "GET"))
		units_list(ag, in);
	else if (streq(rest, "state") && is(in, "GET"))
		states_list(ag, in);
	else if (streq(rest, "units") || streq(rest, "state"))
		http_reply_error(in, 405, "only GET supported against this resource");
	else if (starts_with(rest, "units/") && rest[6] && !strchr(rest + 6, '/'))
		unit(ag, in, rest + 6);
	else if (starts_with(rest, "state/") && rest[6] && !strchr(rest + 6, '/') && is(in, "GET"))
		state_get(ag, in, rest + 6);
	else if (starts_with(rest, "state/") && rest[6] && !strchr(rest + 6, '/'))
		http_reply_error(in, 405, "only GET supported against this resource");
	else if (streq(rest, "discovery") && is(in, "GET"))
		discovery(in);
	else if (streq(rest, "discovery"))
		http_reply_error(in, 400, "");
	else
		http_reply_error(in, 404, "");
}
