#include "agent/fleet_machines.h"

#include "agent/fleet_body.h"
#include "agent/fleet_page.h"
#include "base/log.h"
#include "base/text.h"

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

static void machines_list(const struct agent *ag, struct http_in *in)
{
	struct fleet_page p;

	if (!fleet_page_begin(in, &p, "machines"))
		return;
	if (fleet_page_takes(&p))
		machine_json(ag, &p.b);
	fleet_page_reply(in, &p);
}

struct patch {
	const char *op, *key, *value;
	bool mine;
};

static bool patch_value(const json_t *o, struct patch *p, struct err *e)
{
	static const char shape[] = "struct { Value string \"json:\\\"value\\\"\" }";
	const json_t *v = fleet_body_member(o, "value");

	p->value = "";
	if (!v || json_is_null(v))
		return true;
	if (!json_is_object(v))
		return err_set(e, ERR_INVALID, "malformed",
			"json: cannot unmarshal %s into Go struct field machineMetadataOp.Value of type %s",
			fleet_body_kind(v), shape);
	return fleet_body_text(v, "value", "", "machineMetadataOp.Value", &p->value, e);
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
			fleet_body_kind(o));
	if (!fleet_body_text(o, "op", "", "machineMetadataOp.op", &p->op, e) ||
		!fleet_body_text(o, "path", "", "machineMetadataOp.path", &path, e) ||
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

	if (!fleet_body_read(in, "", &ops, &e)) {
		http_reply_error(in, 400, e.msg);
		return;
	}
	if (!json_is_array(ops) && !json_is_null(ops)) {
		(void)err_set(&e, ERR_INVALID, "malformed",
			"json: cannot unmarshal %s into Go value of type []api.machineMetadataOp",
			fleet_body_kind(ops));
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

void fleet_machines(struct agent *ag, struct http_in *in)
{
	if (streq(in->method, "GET"))
		machines_list(ag, in);
	else if (streq(in->method, "PATCH"))
		machines_patch(ag, in);
	else
		http_reply_error(in, 405, "only GET and PATCH supported against this resource");
}
