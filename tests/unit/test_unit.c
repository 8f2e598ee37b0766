/* fcgi/model/unit.c: names and texts of units */
#include "model/unit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void a_name_is_read_back_exactly(void **state)
{
	struct unit_name u;

	(void)state;
	assert_true(unit_name_parse("iwanna.web_1.v12_discovery@3.service", &u));
	assert_string_equal(u.tenant, "iwanna");
	assert_string_equal(u.app, "web_1");
	assert_int_equal(u.release, 12);
	assert_int_equal(u.number, 3);
	assert_true(u.sidekick);
	assert_true(unit_name_parse("a.b.v7-build@1.service", &u));
	assert_true(u.build && !u.sidekick);
	assert_int_equal(u.release, 7);
	assert_true(unit_name_parse("a.b.v1@.service", &u));
	assert_int_equal(u.number, 0);
}

static void what_is_not_of_the_form_is_refused(void **state)
{
	static const char *const bad[] = { "", "web@1.service", "a.b.v1@01.service",
		"a.b.v01@1.service", "a.b.v1@1.socket", "a.b.v0@1.service", "a.b.v1@501.service",
		"a..v1@1.service", "a.b.v1@1.service.service", "a.b.c.v1@1.service",
		"a.b.v1-build_discovery@1.service", "a.b.v-build@1.service" };
	struct unit_name u;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(unit_name_parse(bad[i], &u));
}

static void memory_is_rounded_up_to_few_classes(void **state)
{
	(void)state;
	assert_int_equal(unit_memory_step(6 << 20), 16 << 20);
	assert_int_equal(unit_memory_step(64 << 20), 64 << 20);
	assert_int_equal(unit_memory_step((64 << 20) + 1), 128 << 20);
	assert_int_equal(unit_memory_step(256 << 20), 256 << 20);
}

static const char *value_of(const json_t *list, const char *name)
{
	json_t *o;
	size_t i;

	json_array_foreach (list, i, o) {
		if (strcmp(json_string_value(json_object_get(o, "name")), name) == 0)
			return json_string_value(json_object_get(o, "value"));
	}
	return NULL;
}

static void apps_of_one_class_share_one_text(void **state)
{
	struct unit_class a = { 100 << 20, true, "abc" }, b = { 128 << 20, true, "abc" };
	json_auto_t *x = unit_main_options(&a), *y = unit_main_options(&b);

	(void)state;
	assert_true(json_equal(x, y));
	assert_string_equal(value_of(x, "MachineOf"), "%p_discovery@%i.service");
	assert_string_equal(value_of(x, "Installation"), "abc");
}

static void a_unit_without_a_port_has_no_sidekick(void **state)
{
	struct unit_class c = { 64 << 20, false, "abc" };
	json_auto_t *x = unit_main_options(&c);

	(void)state;
	assert_null(value_of(x, "MachineOf"));
	assert_null(value_of(x, "Wants"));
	assert_null(value_of(x, "EnvironmentFile"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_read_back_exactly),
		cmocka_unit_test(what_is_not_of_the_form_is_refused),
		cmocka_unit_test(memory_is_rounded_up_to_few_classes),
		cmocka_unit_test(apps_of_one_class_share_one_text),
		cmocka_unit_test(a_unit_without_a_port_has_no_sidekick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
