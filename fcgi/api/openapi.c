#include "api/openapi.h"

#include "api/routes.h"
#include "base/file.h"
#include "model/name.h"
#include "serve/upload.h"

#include <ctype.h>

#define SCHEMA_REF "#/components/schemas/"

static json_t *schema_ref(const char *name)
{
	return json_pack("{s:o}", "$ref", json_sprintf(SCHEMA_REF "%s", name));
}

/* Bodies -------------------------------------------------------------------------------------------------------- */

static json_t *type_of(const struct body_field *f)
{
	static const char *const words[] = { [BODY_STRING] = "string",
		[BODY_I64] = "integer",
		[BODY_BOOL] = "boolean",
		[BODY_STRINGS] = "array",
		[BODY_OBJECT] = "object" };

	if (f->kind == BODY_MEMORY)
		return f->flags & BODY_NULL ? json_pack("[s, s, s]", "string", "integer", "null")
					    : json_pack("[s, s]", "string", "integer");
	if (f->flags & BODY_NULL)
		return json_pack("[s, s]", words[f->kind], "null");
	return json_string(words[f->kind]);
}

static void put_limits(json_t *schema, const struct body_field *f)
{
	static const char *const names[][2] = { [BODY_STRING] = { "minLength", "maxLength" },
		[BODY_I64] = { "minimum", "maximum" },
		[BODY_STRINGS] = { "minItems", "maxItems" },
		[BODY_MEMORY] = { "minimum", "maximum" } };

	if (f->kind == BODY_STRINGS)
		(void)json_object_set_new(schema, "items", json_pack("{s:s}", "type", "string"));
	if ((f->min == 0 && f->max == 0) || f->kind == BODY_OBJECT || f->kind == BODY_BOOL)
		return;
	(void)json_object_set_new(schema, names[f->kind][0], json_integer(f->min));
	(void)json_object_set_new(schema, names[f->kind][1], json_integer(f->max));
}

static json_t *body_schema(const struct route *r)
{
	json_t *properties = json_object(), *required = json_array();
	json_t *schema = json_pack("{s:s, s:b, s:o}", "type", "object", "additionalProperties", 0,
		"properties", properties);

	for (size_t i = 0; i < r->body_n; i++) {
		const struct body_field *f = &r->body[i];
		json_t *p = json_pack("{s:o}", "type", type_of(f));

		put_limits(p, f);
		if (f->help)
			(void)json_object_set_new(p, "description", json_string(f->help));
		(void)json_object_set_new(properties, f->name, p);
		if (f->flags & BODY_REQUIRED)
			(void)json_array_append_new(required, json_string(f->name));
	}
	if (json_array_size(required))
		(void)json_object_set(schema, "required", required);
	json_decref(required);
	/* names that the client chooses: env's variables */
	if ((r->flags & BODY_JSON) && r->body_n == 0)
		(void)json_object_set_new(schema, "additionalProperties", json_true());
	return schema;
}

/* each of the types that it may be */
static json_t *file_body(const struct route *r)
{
	json_t *content = json_object();

	for (size_t i = 0; UPLOAD_TYPES[i]; i++)
		(void)json_object_set_new(content, UPLOAD_TYPES[i],
			json_pack("{s:{s:s, s:s}, s:s}", "schema", "type", "string", "format",
				"binary", "example", r->doc.example));
	return json_pack("{s:b, s:o}", "required", 1, "content", content);
}

static json_t *request_body(const struct route *r, struct err *e)
{
	bool text = r->flags & (BODY_TEXT | BODY_FILE);
	json_t *example, *schema;

	if (!r->doc.example) {
		(void)err_set(
			e, ERR_INTERNAL, "internal", "%s %s has no example", r->method, r->path);
		return NULL;
	}
	example = text ? json_string(r->doc.example) : json_loads(r->doc.example, 0, NULL);
	if (!example) {
		(void)err_set(e, ERR_INTERNAL, "internal", "%s %s has an example that is no JSON",
			r->method, r->path);
		return NULL;
	}
	if (r->flags & BODY_FILE) {
		json_decref(example);
		return file_body(r);
	}
	schema = text ? json_pack("{s:s}", "type", "string") : body_schema(r);
	return json_pack("{s:b, s:{s:{s:o, s:o}}}", "required", !(r->flags & BODY_MAYBE), "content",
		text ? "text/plain" : "application/json", "schema", schema, "example", example);
}

/* Parameters ---------------------------------------------------------------------------------------------------- */

static json_t *parameters(const struct route *r)
{
	json_t *list = json_array();

	for (const char *p = r->path; (p = strpbrk(p, ":*"));) {
		int n = (int)strcspn(++p, "/");

		(void)json_array_append_new(
			list, json_pack("{s:o}", "$ref",
				      json_sprintf("#/components/parameters/%.*s", n, p)));
	}
	for (const char *q = r->doc.query; q && *q;) {
		int n = (int)strcspn(q, " ");

		(void)json_array_append_new(
			list, json_pack("{s:o}", "$ref",
				      json_sprintf("#/components/parameters/query-%.*s", n, q)));
		q += n + strspn(q + n, " ");
	}
	if (streq(r->method, "POST") && !(r->flags & ROUTE_NO_KEY))
		(void)json_array_append_new(list,
			json_pack("{s:s}", "$ref", "#/components/parameters/Idempotency-Key"));
	if (r->doc.status == 202)
		(void)json_array_append_new(
			list, json_pack("{s:s}", "$ref", "#/components/parameters/Prefer"));
	return list;
}

/* Answers ------------------------------------------------------------------------------------------------------- */

static json_t *list_schema(const char *answer)
{
	char name[64];

	(void)snprintf(name, sizeof name, "%.*s", (int)strcspn(answer + 1, "]"), answer + 1);
	return json_pack("{s:s, s:[s, s], s:{s:{s:s, s:o}, s:{s:[s, s], s:s}}}", "type", "object",
		"required", "items", "next", "properties", "items", "type", "array", "items",
		schema_ref(name), "next", "type", "string", "null", "description",
		"give it as ?after= for the next page; null: there is none");
}

static json_t *responses(const struct route *r)
{
	int status = r->doc.status ? r->doc.status : r->doc.answer || r->doc.type ? 200 : 204;
	const char *answer = r->doc.answer;
	json_t *good = json_pack("{s:s}", "description", response_reason(status));
	char number[8];

	if (r->doc.type)
		(void)json_object_set_new(good, "content",
			json_pack("{s:{s:{s:s}}}", r->doc.type, "schema", "type", "string"));
	else if (answer)
		(void)json_object_set_new(good, "content",
			json_pack("{s:{s:o}}", "application/json", "schema",
				answer[0] == '[' ? list_schema(answer) : schema_ref(answer)));
	(void)snprintf(number, sizeof number, "%d", status);
	return json_pack("{s:o, s:{s:s}}", number, good, "default", "$ref",
		"#/components/responses/Problem");
}

/* Operations ---------------------------------------------------------------------------------------------------- */

/* "/apps/:app/scale" → "/apps/{app}/scale" */
static void path_template(const char *path, char *ret, size_t size)
{
	size_t n = 0;
	bool open = false;

	for (;; path++) {
		if (open && (*path == '/' || !*path)) {
			ret[n++] = '}';
			open = false;
		}
		assert(n + 2 < size);
		if (*path == ':' || *path == '*') {
			ret[n++] = '{';
			open = true;
		} else
			ret[n++] = *path;
		if (!*path)
			return;
	}
}

/* "getAppsAppScale" */
static json_t *operation_id(const struct route *r)
{
	char text[160];
	size_t n = 0;
	bool up = false;

	for (const char *p = r->method; *p; p++)
		text[n++] = (char)tolower((unsigned char)*p);
	for (const char *p = r->path; *p && n + 1 < sizeof text; p++) {
		if (!isalnum((unsigned char)*p))
			up = true;
		else {
			text[n++] = up ? (char)toupper((unsigned char)*p) : *p;
			up = false;
		}
	}
	return json_stringn(text, n);
}

static json_t *security(const struct route *r)
{
	if (r->access == ACCESS_NONE)
		return json_array();
	if (r->access == ACCESS_SESSION)
		return json_pack("[{s:[], s:[]}]", "cookie", "csrf");
	return json_pack("[{s:[]}, {s:[], s:[]}]", "token", "cookie", "csrf");
}

static json_t *operation(const struct route *r, struct err *e)
{
	char tag[40];
	json_t *body = NULL, *o;

	if (!r->doc.summary) {
		(void)err_set(
			e, ERR_INTERNAL, "internal", "%s %s has no summary", r->method, r->path);
		return NULL;
	}
	if ((r->flags & (BODY_JSON | BODY_TEXT | BODY_FILE)) && !(body = request_body(r, e)))
		return NULL;
	(void)snprintf(tag, sizeof tag, "%.*s", (int)strcspn(r->path + 1, "/"), r->path + 1);
	o = json_pack("{s:o, s:s, s:[s], s:s, s:o, s:o}", "operationId", operation_id(r), "summary",
		r->doc.summary, "tags", tag, "x-access", route_access_word(r->access), "security",
		security(r), "responses", responses(r));
	(void)json_object_set_new(o, "parameters", parameters(r));
	if (body)
		(void)json_object_set_new(o, "requestBody", body);
	return o;
}

static bool put_route(json_t *paths, const struct route *r, struct err *e)
{
	char path[200], method[16];
	json_t *o = operation(r, e), *at;

	if (!o)
		return false;
	path_template(r->path, path, sizeof path);
	at = json_object_get(paths, path);
	if (!at) {
		at = json_object();
		(void)json_object_set_new(paths, path, at);
	}
	for (size_t i = 0; i < sizeof method; i++) {
		method[i] = (char)tolower((unsigned char)r->method[i]);
		if (!r->method[i])
			break;
	}
	(void)json_object_set_new(at, method, o);
	return true;
}

static json_t *codes(void)
{
	json_t *list = json_array();

	for (const struct response_code *c = RESPONSE_CODES; c->code; c++)
		(void)json_array_append_new(
			list, json_pack("{s:s, s:i, s:s}", "code", c->code, "status", c->status,
				      "description", c->help));
	return list;
}

static json_t *reserved(void)
{
	json_t *list = json_array();

	for (const char *const *w = RESERVED_NAMES; *w; w++)
		(void)json_array_append_new(list, json_string(*w));
	return list;
}

json_t *openapi_make(const struct routes *routes, json_t *base, struct err *e)
{
	json_t *paths = json_object();

	(void)json_object_set_new(base, "paths", paths);
	for (const struct route_table *const *t = routes->tables; *t; t++)
		for (size_t i = 0; i < (*t)->n; i++) {
			const struct route *r = &(*t)->v[i];

			if (route_door(r->access) == DOOR_PUBLIC && !put_route(paths, r, e)) {
				json_decref(base);
				return NULL;
			}
		}
	(void)json_object_set_new(base, "x-error-codes", codes());
	(void)json_object_set_new(base, "x-reserved-names", reserved());
	return base;
}

bool openapi_print(const struct routes *routes, FILE *in, FILE *out, struct err *e)
{
	json_error_t fault;
	json_t *base = json_loadf(in, JSON_REJECT_DUPLICATES, &fault);
	json_auto_t *document = base ? openapi_make(routes, base, e) : NULL;

	if (!base)
		return err_set(e, ERR_INVALID, "malformed", "openapi.in.json: %s, line %d",
			fault.text, fault.line);
	if (!document)
		return false;
	if (json_dumpf(document, out, JSON_INDENT(1)) != 0 || fputc('\n', out) == EOF)
		return err_errno(e, "could not write the document");
	return true;
}

/* The file that stands beside the manager: made by `make openapi`, tested equal to the table. */
static bool openapi_get(struct request *rq, struct response *rs, struct err *e)
{
	auto_free char *path = xasprintf("%s/web/openapi.json", rq->cfg->state);
	char *text;

	if (!file_read(path, 4 * 1024 * 1024, rq->a, &text, NULL, e))
		return err_set(e, ERR_INTERNAL, "internal", "web/openapi.json cannot be read");
	response_text(rs, 200, "application/json", text);
	return true;
}

static const struct route openapi_routes[] = {
	{ "GET", "/openapi.json", ACCESS_NONE, ROUTE_BARE, openapi_get,
		.doc = { "This document", .type = "application/json" } },
};
ROUTE_TABLE(openapi);
