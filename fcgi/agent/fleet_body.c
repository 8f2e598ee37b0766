#include "agent/fleet_body.h"

const char *fleet_body_kind(const json_t *v)
{
	if (json_is_string(v))
		return "string";
	if (json_is_number(v))
		return "number";
	if (json_is_boolean(v))
		return "bool";
	return json_is_array(v) ? "array" : "object";
}

json_t *fleet_body_member(const json_t *o, const char *name)
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

bool fleet_body_read(const struct http_in *in, const char *prefix, json_t **ret, struct err *e)
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

bool fleet_body_text(const json_t *o, const char *name, const char *prefix, const char *field,
	const char **ret, struct err *e)
{
	const json_t *v = fleet_body_member(o, name);

	*ret = v && !json_is_null(v) ? json_string_value(v) : "";
	if (!*ret)
		return err_set(e, ERR_INVALID, "malformed",
			"%sjson: cannot unmarshal %s into Go struct field %s of type string",
			prefix, fleet_body_kind(v), field);
	return true;
}
