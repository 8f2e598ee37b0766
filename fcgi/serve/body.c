#include "serve/body.h"

#include "base/limits.h"
#include "base/text.h"
#include "model/name.h"

struct decode {
	struct faults *f;
	struct arena *a;
	const struct body_field *field;
	const char *name; /* with its prefix */
	void *at;
};

static void wrong_type(struct decode *d, const char *wanted)
{
	fault_add(d->f, d->name, "wrong_type", "must be %s%s", wanted,
		d->field->flags & BODY_NULL ? " or null" : "");
}

static bool limited(const struct body_field *f)
{
	return f->min != 0 || f->max != 0;
}

static bool string_fits(struct decode *d, const char *name, const char *text)
{
	const struct body_field *f = d->field;
	int64_t n = (int64_t)strlen(text);
	const char *wrong;

	if (limited(f) && f->kind == BODY_STRING && (n < f->min || n > f->max)) {
		fault_add(d->f, name, "out_of_range", "must have %jd to %jd bytes",
			(intmax_t)f->min, (intmax_t)f->max);
		return false;
	}
	wrong = f->check ? f->check(text) : NULL;
	if (wrong)
		fault_add(d->f, name, f->code ? f->code : "invalid_value", "%s", wrong);
	return !wrong;
}

static void take_string(struct decode *d, const json_t *v)
{
	if (!json_is_string(v))
		wrong_type(d, "a text");
	else if (string_fits(d, d->name, json_string_value(v)))
		*(const char **)d->at = json_string_value(v);
}

static void take_number(struct decode *d, int64_t n)
{
	const struct body_field *f = d->field;

	if (limited(f) && (n < f->min || n > f->max)) {
		fault_add(d->f, d->name, f->code ? f->code : "out_of_range",
			"must be from %jd to %jd", (intmax_t)f->min, (intmax_t)f->max);
		return;
	}
	*(struct body_i64 *)d->at = (struct body_i64){ .given = true, .n = n };
}

static void take_i64(struct decode *d, const json_t *v)
{
	if (json_is_integer(v))
		take_number(d, json_integer_value(v));
	else
		wrong_type(d, "a whole number");
}

static void take_memory(struct decode *d, const json_t *v)
{
	const struct body_field *f = d->field;
	int64_t n = 0;
	const char *wrong = NULL;

	if (json_is_integer(v))
		n = json_integer_value(v);
	else if (json_is_string(v))
		wrong = memory_parse(slice_of(json_string_value(v)), &n);
	else
		return wrong_type(d, "a memory size like \"256m\", or a number of bytes");
	if (wrong)
		fault_add(d->f, d->name, f->code ? f->code : "invalid_value", "%s", wrong);
	else
		take_number(d, n);
}

static void take_bool(struct decode *d, const json_t *v)
{
	if (json_is_boolean(v))
		*(struct body_bool *)d->at = (struct body_bool){ true, json_is_true(v) };
	else
		wrong_type(d, "true or false");
}

static void take_strings(struct decode *d, const json_t *v)
{
	const struct body_field *f = d->field;
	struct body_strings got = { .given = true, .n = json_array_size(v) };
	bool good = true;

	if (!json_is_array(v))
		return wrong_type(d, "a list of texts");
	if (limited(f) && ((int64_t)got.n < f->min || (int64_t)got.n > f->max)) {
		fault_add(d->f, d->name, "out_of_range", "must have %jd to %jd items",
			(intmax_t)f->min, (intmax_t)f->max);
		return;
	}
	got.v = arena_alloc(d->a, (got.n + 1) * sizeof *got.v);
	for (size_t i = 0; i < got.n; i++) {
		const json_t *item = json_array_get(v, i);
		const char *name = arena_printf(d->a, "%s[%zu]", d->name, i);

		got.v[i] = json_string_value(item);
		if (!got.v[i]) {
			fault_add(d->f, name, "wrong_type", "must be a text");
			good = false;
		} else if (!string_fits(d, name, got.v[i]))
			good = false;
	}
	if (good)
		*(struct body_strings *)d->at = got;
}

static void take_null(struct decode *d)
{
	if (!(d->field->flags & BODY_NULL)) {
		fault_add(d->f, d->name, "wrong_type", "must not be null");
		return;
	}
	if (d->field->kind == BODY_I64 || d->field->kind == BODY_MEMORY)
		*(struct body_i64 *)d->at = (struct body_i64){ .given = true, .null = true };
}

static void take(struct decode *d, json_t *v)
{
	if (json_is_null(v)) {
		take_null(d);
		return;
	}
	switch (d->field->kind) {
	case BODY_STRING:
		take_string(d, v);
		break;
	case BODY_I64:
		take_i64(d, v);
		break;
	case BODY_MEMORY:
		take_memory(d, v);
		break;
	case BODY_BOOL:
		take_bool(d, v);
		break;
	case BODY_STRINGS:
		take_strings(d, v);
		break;
	case BODY_OBJECT:
		if (json_is_object(v))
			*(json_t **)d->at = v;
		else
			wrong_type(d, "an object");
		break;
	}
}

static bool is_known(const struct body_field *fields, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (streq(fields[i].name, key))
			return true;
	return false;
}

void body_decode_into(struct faults *f, struct arena *a, const json_t *object, const char *prefix,
	const struct body_field *fields, size_t n, void *ret)
{
	const char *before = prefix ? prefix : "";
	const char *key;
	const json_t *value;

	for (size_t i = 0; i < n; i++) {
		const char *name = arena_printf(a, "%s%s", before, fields[i].name);
		struct decode d = { f, a, &fields[i], name, (char *)ret + fields[i].offset };
		json_t *v = json_object_get(object, fields[i].name);

		if (v)
			take(&d, v);
		else if (fields[i].flags & BODY_REQUIRED)
			fault_add(f, name, "required", "is missing");
	}
	/* jansson iterates a const object only through a non-const pointer */
	json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
		if (!is_known(fields, n, key))
			fault_add(f, arena_printf(a, "%s%.200s", before, key), "unknown_field",
				"is not known here");
	}
}

bool body_decode(
	struct request *rq, const struct body_field *fields, size_t n, void *ret, struct err *e)
{
	body_decode_into(&rq->faults, rq->a, rq->json, NULL, fields, n, ret);
	return faults_end(&rq->faults, e);
}
