/*
 * web/openapi.json says what the route table says: it was made from it (`make openapi`), and whatever it refers to is
 * there.
 */
#include "api/openapi.h"
#include "api/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static json_t *load(const char *path)
{
	json_error_t fault;
	json_t *v = json_load_file(path, JSON_REJECT_DUPLICATES, &fault);

	if (!v)
		print_error("%s:%d: %s\n", path, fault.line, fault.text);
	return v;
}

static void the_document_is_made_of_the_table(void **state)
{
	json_t *base = load(TOP "/fcgi/api/openapi.in.json");
	json_auto_t *there = load(TOP "/web/openapi.json");
	json_auto_t *made = NULL;
	struct err e = { 0 };

	(void)state;
	assert_non_null(base);
	assert_non_null(there);
	made = openapi_make(&ROUTES, base, &e);
	if (!made)
		print_error("%s\n", e.msg);
	assert_non_null(made);
	if (!json_equal(made, there))
		print_error("web/openapi.json is not what the table says: run `make openapi`\n");
	assert_true(json_equal(made, there));
}

static int dangling(const json_t *root, json_t *v)
{
	const char *ref = json_string_value(json_object_get(v, "$ref"));
	const char *key;
	json_t *item;
	size_t i;
	int bad = 0;

	if (ref) {
		const json_t *at = root;

		for (const char *p = ref + 1; *p == '/';) {
			size_t n = strcspn(++p, "/");
			auto_free char *word = xstrndup(p, n);

			at = json_object_get(at, word);
			p += n;
		}
		if (!at) {
			print_error("%s is nowhere\n", ref);
			bad++;
		}
	}
	json_object_foreach (v, key, item)
		bad += dangling(root, item);
	json_array_foreach (v, i, item)
		bad += dangling(root, item);
	return bad;
}

static void every_reference_leads_somewhere(void **state)
{
	json_auto_t *there = load(TOP "/web/openapi.json");

	(void)state;
	assert_non_null(there);
	assert_int_equal(dangling(there, there), 0);
}

/* a route is found by one row only, so no row is hidden by another */
static void no_two_rows_answer_the_same(void **state)
{
	(void)state;
	for (const struct route_table *const *t = ROUTES.tables; *t; t++)
		for (size_t i = 0; i < (*t)->n; i++) {
			const struct route *r = &(*t)->v[i];
			auto_arena struct arena a = { 0 };
			struct request rq = { .a = &a,
				.door = route_door(r->access),
				.method = r->method,
				.path = arena_strdup(&a, r->path) };
			const char *allow = NULL;
			struct err e;

			assert_int_not_equal(r->access, ACCESS_DENY);
			assert_true(route_match(&ROUTES, &rq, &allow, &e));
			assert_ptr_equal(rq.route, r);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_document_is_made_of_the_table),
		cmocka_unit_test(every_reference_leads_somewhere),
		cmocka_unit_test(no_two_rows_answer_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
