/*
 * Reading requests: parameters, queries, cursors, cookies, bodies, routes. No network and no database.
 */
#include "base/clock.h"
#include "serve/idempotency.h"
#include "serve/route.h"
#include "serve/session.h"
#include "serve/wait.h"
#include "store/credential.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct arena a;

static int clear(void **state)
{
	(void)state;
	arena_clear(&a);
	return 0;
}

/* a GET of this URI at the manager's door, and more CGI variables after it */
static struct request parsed(const char *uri, const char *first, const char *second)
{
	char **env = arena_alloc(&a, 8 * sizeof *env);
	struct request rq = { .a = &a };
	struct err e;
	size_t n = 0;

	env[n++] = arena_strdup(&a, "REQUEST_METHOD=GET");
	env[n++] = arena_strdup(&a, "NAP_DOOR=public");
	env[n++] = arena_printf(&a, "REQUEST_URI=%s", uri);
	if (first)
		env[n++] = arena_strdup(&a, first);
	if (second)
		env[n++] = arena_strdup(&a, second);
	assert_true(request_parse(env, &rq, &e));
	return rq;
}

static void the_path_is_what_stands_behind_the_base(void **state)
{
	(void)state;
	assert_string_equal(parsed("/api/v1/apps?x=1", NULL, NULL).path, "/apps");
	assert_string_equal(parsed("/api/v1/", NULL, NULL).path, "/");
	assert_string_equal(parsed("/api/v2/apps", NULL, NULL).path, "");
	assert_string_equal(parsed("/node/v1/x", "NAP_DOOR=node", NULL).path, "");
}

static void an_id_that_nginx_did_not_give_is_made(void **state)
{
	struct request given = parsed("/api/v1/x", "REQUEST_ID=abc-1", NULL);
	struct request made = parsed("/api/v1/x", NULL, NULL);
	struct request bad = parsed("/api/v1/x", "REQUEST_ID=a b", NULL);

	(void)state;
	assert_string_equal(given.id, "abc-1");
	assert_int_equal(strlen(made.id), 32);
	assert_int_equal(strlen(bad.id), 32);
	assert_string_not_equal(made.id, bad.id);
}

static void query_values_are_decoded(void **state)
{
	struct request rq = parsed("/api/v1/x?q=a%2Bb+c&e=&f&q=2&%71%72=3", NULL, NULL);

	(void)state;
	assert_string_equal(request_query(&rq, "q"), "a+b c");
	assert_string_equal(request_query(&rq, "e"), "");
	assert_string_equal(request_query(&rq, "f"), "");
	assert_string_equal(request_query(&rq, "qr"), "3");
	assert_null(request_query(&rq, "g"));
}

static void percent_signs_make_only_text(void **state)
{
	static const char *const bad[] = { "%", "%4", "%4g", "%00", "%0a", "%7f", "%ff", "%c0%80",
		"a%e2%82" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_null(percent_decode(&a, bad[i], strlen(bad[i]), false));
	assert_string_equal(percent_decode(&a, "%E4%BD%a0+", 10, false), "\xe4\xbd\xa0+");
}

static void headers_are_found_by_their_names(void **state)
{
	struct request rq = parsed("/api/v1/x", "HTTP_IF_MATCH=\"3\"", "CONTENT_TYPE=text/plain");

	(void)state;
	assert_string_equal(request_header(&rq, "If-Match"), "\"3\"");
	assert_string_equal(request_header(&rq, "Content-Type"), "text/plain");
	assert_null(request_header(&rq, "Accept"));
}

static void a_cursor_comes_back_as_it_went(void **state)
{
	const char *cursor = cursor_make(&a, "web/1 ü");
	struct request rq =
		parsed(arena_printf(&a, "/api/v1/x?limit=7&after=%s", cursor), NULL, NULL);
	const char *after = NULL;
	int64_t limit = 0;
	struct err e;

	(void)state;
	assert_true(request_page(&rq, &limit, &after, &e));
	assert_int_equal(limit, 7);
	assert_string_equal(after, "web/1 ü");
	rq = parsed("/api/v1/x", NULL, NULL);
	assert_true(request_page(&rq, &limit, &after, &e));
	assert_int_equal(limit, 50);
	assert_null(after);
}

static void pages_out_of_range_are_faults(void **state)
{
	static const char *const bad[] = { "limit=0", "limit=1001", "limit=", "limit=1x",
		"after=", "after=%20", "after=****" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct request rq = parsed(arena_printf(&a, "/api/v1/x?%s", bad[i]), NULL, NULL);
		const char *after;
		int64_t limit;
		struct err e;

		assert_false(request_page(&rq, &limit, &after, &e));
		assert_string_equal(e.code, "validation_failed");
		assert_int_equal(rq.faults.n, 1);
	}
}

static void if_match_takes_lists_and_stars(void **state)
{
	static const struct {
		const char *header;
		bool fits;
	} rows[] = { { "HTTP_IF_MATCH=\"7\"", true }, { "HTTP_IF_MATCH=\"6\", \"7\"", true },
		{ "HTTP_IF_MATCH=*", true }, { "HTTP_IF_MATCH=7", false },
		{ "HTTP_IF_MATCH=\"77\"", false }, { "HTTP_IF_MATCH=W/\"7\"", false },
		{ "X=", true } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct request rq = parsed("/api/v1/x", rows[i].header, NULL);
		struct err e;

		assert_int_equal(request_if_match(&rq, 7, &e), rows[i].fits);
	}
}

static void prefer_wait_is_found_among_others(void **state)
{
	static const struct {
		const char *header;
		int64_t seconds;
	} rows[] = { { "HTTP_PREFER=wait=10", 10 }, { "HTTP_PREFER=respond-async, wait=5", 5 },
		{ "HTTP_PREFER=Wait=3; x", 3 }, { "HTTP_PREFER=wait=9999", 60 },
		{ "HTTP_PREFER=wait=", 0 }, { "HTTP_PREFER=wait=-1", 0 },
		{ "HTTP_PREFER=await=3", 0 }, { "X=", 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct request rq = parsed("/api/v1/x", rows[i].header, NULL);

		assert_int_equal(wait_preferred(&rq), rows[i].seconds);
	}
}

static void each_cookie_of_a_name_is_found(void **state)
{
	static const char jar[] = "a=1; nap=x;nap=y=z; nap2=no ;  nap=;nap";

	(void)state;
	assert_string_equal(cookie_get(&a, jar, "nap", 0), "x");
	assert_string_equal(cookie_get(&a, jar, "nap", 1), "y=z");
	assert_string_equal(cookie_get(&a, jar, "nap", 2), "");
	assert_null(cookie_get(&a, jar, "nap", 3));
	assert_string_equal(cookie_get(&a, jar, "nap2", 0), "no");
	assert_null(cookie_get(&a, NULL, "nap", 0));
}

static void only_our_own_pages_may_change_things(void **state)
{
	static const struct {
		const char *first, *second;
		bool ours;
	} rows[] = { { "HTTP_SEC_FETCH_SITE=same-origin", NULL, true },
		{ "HTTP_SEC_FETCH_SITE=same-site", NULL, false },
		{ "HTTP_SEC_FETCH_SITE=none", NULL, false },
		{ "HTTP_ORIGIN=http://nap.test:80", "HTTP_HOST=nap.test:80", true },
		{ "HTTP_ORIGIN=https://NAP.test", "HTTP_HOST=nap.test", true },
		{ "HTTP_ORIGIN=http://nap.test.evil", "HTTP_HOST=nap.test", false },
		{ "HTTP_ORIGIN=null", "HTTP_HOST=null", false },
		{ "HTTP_HOST=nap.test", NULL, false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct request rq = parsed("/api/v1/x", rows[i].first, rows[i].second);
		struct err e;

		assert_int_equal(session_same_origin(&rq, &e), rows[i].ours);
	}
}

/* -- bodies ----------------------------------------------------------------------------------------------------- */

struct sample {
	const char *name;
	struct body_i64 n, memory;
	struct body_bool on;
	struct body_strings list;
	json_t *object;
};

static const char *no_z(const char *s)
{
	return strchr(s, 'z') ? "must hold no z" : NULL;
}

static const struct body_field SAMPLE[] = {
	{ "name", BODY_STRING, offsetof(struct sample, name), BODY_REQUIRED, .min = 1, .max = 4,
		.check = no_z, .code = "name_invalid" },
	{ "n", BODY_I64, offsetof(struct sample, n), BODY_NULL, .min = -2, .max = 9 },
	{ "memory", BODY_MEMORY, offsetof(struct sample, memory), 0, .min = 1024, .max = 1 << 30 },
	{ "on", BODY_BOOL, offsetof(struct sample, on), .help = NULL },
	{ "list", BODY_STRINGS, offsetof(struct sample, list), 0, .min = 1, .max = 2,
		.check = no_z },
	{ "object", BODY_OBJECT, offsetof(struct sample, object), .help = NULL },
};

/* "field code" of each fault, with blanks between; "" if there are none */
static const char *decode(const char *text, struct sample *ret)
{
	struct request rq = { .a = &a, .faults.a = &a };
	const char *said = "";
	struct err e;
	bool ok;

	*ret = (struct sample){ 0 };
	rq.json = json_loads(text, 0, NULL);
	assert_non_null(rq.json);
	arena_defer(&a, (void (*)(void *))json_decref, rq.json);
	ok = body_decode(&rq, SAMPLE, ARRAY_SIZE(SAMPLE), ret, &e);
	assert_int_equal(ok, rq.faults.n == 0);
	for (size_t i = 0; i < rq.faults.n; i++)
		said = arena_printf(&a, "%s%s%s:%s", said, i ? " " : "", rq.faults.v[i].field,
			rq.faults.v[i].code);
	return said;
}

static void a_good_body_fills_its_struct(void **state)
{
	struct sample s;

	(void)state;
	assert_string_equal(decode("{\"name\":\"abc\",\"n\":-2,\"memory\":\"1m\",\"on\":false,"
				   "\"list\":[\"x\",\"y\"],\"object\":{\"k\":1}}",
				    &s),
		"");
	assert_string_equal(s.name, "abc");
	assert_true(s.n.given && !s.n.null && s.n.n == -2);
	assert_int_equal(s.memory.n, 1 << 20);
	assert_true(s.on.given && !s.on.on);
	assert_int_equal(s.list.n, 2);
	assert_string_equal(s.list.v[1], "y");
	assert_int_equal(json_object_size(s.object), 1);
	assert_string_equal(decode("{\"name\":\"a\",\"n\":null,\"memory\":4096}", &s), "");
	assert_true(s.n.given && s.n.null && !s.on.given && !s.list.given);
	assert_int_equal(s.memory.n, 4096);
}

static void every_fault_is_told(void **state)
{
	struct sample s;

	(void)state;
	assert_string_equal(decode("{}", &s), "name:required");
	assert_string_equal(
		decode("{\"name\":3,\"n\":\"1\",\"memory\":true,\"on\":1,\"list\":{},\"object\":[]}",
			&s),
		"name:wrong_type n:wrong_type memory:wrong_type on:wrong_type list:wrong_type "
		"object:wrong_type");
	assert_string_equal(decode("{\"name\":\"\",\"n\":10,\"memory\":\"1\",\"list\":[]}", &s),
		"name:out_of_range n:out_of_range memory:out_of_range list:out_of_range");
	assert_string_equal(
		decode("{\"name\":\"z\",\"n\":1.5,\"memory\":\"many\",\"list\":[\"z\",2]}", &s),
		"name:name_invalid n:wrong_type memory:invalid_value list[0]:invalid_value "
		"list[1]:wrong_type");
	assert_string_equal(decode("{\"name\":null,\"on\":null,\"extra\":0,\"Name\":\"a\"}", &s),
		"name:wrong_type on:wrong_type extra:unknown_field Name:unknown_field");
}

static void faults_are_counted_where_there_are_too_many(void **state)
{
	struct faults f = { .a = &a };
	struct err e;

	(void)state;
	for (int i = 0; i < MAX_FAULTS + 7; i++)
		fault_add(&f, "x", "invalid_value", "%d", i);
	assert_int_equal(f.n, MAX_FAULTS);
	assert_false(faults_end(&f, &e));
	assert_string_equal(e.msg, "107 fields are wrong");
}

/* -- routes ----------------------------------------------------------------------------------------------------- */

static bool nothing(struct request *rq, struct response *rs, struct err *e)
{
	(void)rq;
	(void)rs;
	(void)e;
	return true;
}

static const struct route rows[] = {
	{ "GET", "/apps", ACCESS_READ, 0, nothing, .body = NULL },
	{ "POST", "/apps", ACCESS_DEPLOY, 0, nothing, .body = NULL },
	{ "GET", "/apps/:app/instances/:i", ACCESS_READ, 0, nothing, .body = NULL },
	{ "GET", "/apps/:app", ACCESS_DENY, 0, nothing, .body = NULL },
	{ "GET", "/node/v1/units/:unit", ACCESS_NODE, 0, nothing, .body = NULL },
};
static const struct route_table table = { rows, ARRAY_SIZE(rows) };
static const struct routes ALL = { (const struct route_table *const[]){ &table, NULL } };

static const struct route *match(
	struct request *rq, const char *method, const char *path, enum door door, struct err *e)
{
	const char *allow = NULL;

	*rq = (struct request){ .a = &a, .method = method, .path = path, .door = door };
	return route_match(&ALL, rq, &allow, e) ? rq->route : NULL;
}

static void a_row_is_found_with_its_parameters(void **state)
{
	struct request rq;
	struct err e;

	(void)state;
	assert_ptr_equal(match(&rq, "GET", "/apps/w%65b/instances/2", DOOR_PUBLIC, &e), &rows[2]);
	assert_string_equal(request_param(&rq, "app"), "web");
	assert_string_equal(request_param(&rq, "i"), "2");
	assert_ptr_equal(match(&rq, "HEAD", "/apps", DOOR_PUBLIC, &e), &rows[0]);
}

static void what_is_not_there_is_not_found(void **state)
{
	static const char *const paths[] = { "", "/", "/apps/", "/app", "/apps/web/instances",
		"/apps//instances/2", "/apps/web/instances/2/", "/apps/web" };
	struct request rq;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		assert_null(match(&rq, "GET", paths[i], DOOR_PUBLIC, &e));
		assert_string_equal(e.code, "no_such_route");
	}
	assert_null(match(&rq, "GET", "/apps", DOOR_NODE, &e));
	assert_null(match(&rq, "GET", "/apps", DOOR_SHUT, &e));
	assert_null(match(&rq, "GET", "/node/v1/units/x", DOOR_PUBLIC, &e));
	assert_non_null(match(&rq, "GET", "/node/v1/units/x", DOOR_NODE, &e));
}

static void another_method_says_which_are_there(void **state)
{
	struct request rq = { .a = &a, .method = "PUT", .path = "/apps", .door = DOOR_PUBLIC };
	const char *allow = NULL;
	struct err e;

	(void)state;
	assert_false(route_match(&ALL, &rq, &allow, &e));
	assert_string_equal(e.code, "method_not_allowed");
	assert_string_equal(allow, "GET, HEAD, POST");
}

/* -- answers ---------------------------------------------------------------------------------------------------- */

static void problems_tell_strangers_nothing_of_nap_s_faults(void **state)
{
	struct request rq = { .a = &a, .id = "r1", .path = "/x", .method = "GET" };
	struct response rs;
	struct err e;

	(void)state;
	response_init(&rs, &a);
	(void)err_set(&e, ERR_INTERNAL, "internal", "column secret does not exist");
	response_problem(&rq, &rs, &e);
	assert_int_equal(rs.status, 500);
	assert_null(strstr(rs.body.data, "secret"));
	response_release(&rs);
}

static void every_code_is_listed_once(void **state)
{
	(void)state;
	for (const struct response_code *c = RESPONSE_CODES; c->code; c++) {
		assert_string_not_equal(response_reason(c->status), "Unknown");
		for (const struct response_code *d = c + 1; d->code; d++)
			assert_string_not_equal(c->code, d->code);
	}
}

static void keys_are_printable(void **state)
{
	struct request rq = parsed("/api/v1/x", "HTTP_IDEMPOTENCY_KEY=a-1", NULL);
	struct request bad = parsed("/api/v1/x", "HTTP_IDEMPOTENCY_KEY=a b", NULL);
	const char *key;
	struct err e;

	(void)state;
	rq.route = bad.route = &rows[1];
	rq.method = bad.method = "POST";
	assert_true(idempotency_key(&rq, &key, &e));
	assert_string_equal(key, "a-1");
	assert_false(idempotency_key(&bad, &key, &e));
	rq.method = "GET";
	assert_true(idempotency_key(&rq, &key, &e));
	assert_null(key);
}

/* -- credentials and moments ------------------------------------------------------------------------------------ */

static void tokens_differ_and_look_like_tokens(void **state)
{
	char one[CREDENTIAL_SIZE], two[CREDENTIAL_SIZE];

	(void)state;
	credential_token(one);
	credential_token(two);
	assert_string_not_equal(one, two);
	assert_true(credential_is_token(one));
	one[10] = '+';
	assert_false(credential_is_token(one));
	assert_false(credential_is_token("nap_"));
	assert_false(credential_is_token(two + 4));
}

static void a_password_is_known_again(void **state)
{
	char hash[PASSWORD_HASH_SIZE];
	struct err e;

	(void)state;
	assert_true(password_hash("correct horse", hash, &e));
	assert_true(starts_with(hash, "$argon2id$"));
	assert_true(password_is(hash, "correct horse"));
	assert_false(password_is(hash, "correct horsf"));
	assert_false(password_is(NULL, "correct horse"));
	assert_false(password_is("", ""));
}

static void moments_are_read_exactly(void **state)
{
	static const struct {
		const char *text;
		int64_t us;
	} good[] = { { "1970-01-01T00:00:00Z", 0 }, { "2000-02-29T12:34:56.5Z", 951827696500000 },
		{ "2000-02-29t12:34:56.123456789+02:30", 951818696123456 },
		{ "1999-12-31T23:59:60-00:00", 946684800000000 } };
	static const char *const bad[] = { "", "2000-02-29", "2000-02-29 12:34:56Z",
		"2000-13-01T00:00:00Z", "2000-02-29T24:00:00Z", "2000-02-29T12:34:56",
		"2000-02-29T12:34:56.Z", "2000-02-29T12:34:56Zx", "2000-02-29T12:34:56+2:00",
		"+2000-02-29T12:34:56Z" };
	int64_t us;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_true(clock_parse_rfc3339(good[i].text, &us));
		assert_int_equal(us, good[i].us);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(clock_parse_rfc3339(bad[i], &us));
}

#define TEST(name) cmocka_unit_test_teardown(name, clear)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_path_is_what_stands_behind_the_base),
		TEST(an_id_that_nginx_did_not_give_is_made),
		TEST(query_values_are_decoded),
		TEST(percent_signs_make_only_text),
		TEST(headers_are_found_by_their_names),
		TEST(a_cursor_comes_back_as_it_went),
		TEST(pages_out_of_range_are_faults),
		TEST(if_match_takes_lists_and_stars),
		TEST(prefer_wait_is_found_among_others),
		TEST(each_cookie_of_a_name_is_found),
		TEST(only_our_own_pages_may_change_things),
		TEST(a_good_body_fills_its_struct),
		TEST(every_fault_is_told),
		TEST(faults_are_counted_where_there_are_too_many),
		TEST(a_row_is_found_with_its_parameters),
		TEST(what_is_not_there_is_not_found),
		TEST(another_method_says_which_are_there),
		TEST(problems_tell_strangers_nothing_of_nap_s_faults),
		TEST(every_code_is_listed_once),
		TEST(keys_are_printable),
		TEST(tokens_differ_and_look_like_tokens),
		TEST(a_password_is_known_again),
		TEST(moments_are_read_exactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
