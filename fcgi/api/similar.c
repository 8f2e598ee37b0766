#include "api/similar.h"

#include "api/routes.h"
#include "base/limits.h"
#include "model/name.h"
#include "model/profile.h"
#include "model/template.h"
#include "store/operation.h"

#define MAX_COMMANDS_BYTES (8 * 1024 * 1024) /* of all members together */

/* clang-format off */
const struct body_field SIMILAR_BODY[SIMILAR_BODY_FIELDS] = {
	{ "command", BODY_STRING, offsetof(struct similar_body, command), .code = "invalid_command",
		.help = "the start command instead of the profile's; {1..20}, {1..9..2}, {01..10}, {0.1,0.01}, each also named "
			"as in {seed:1..20}, make a command for each value, several their product" },
	{ "commands", BODY_STRINGS, offsetof(struct similar_body, commands), 0, 1, TEMPLATE_MAX,
		.help = "or a list of commands, taken as they are" },
	{ "names", BODY_STRINGS, offsetof(struct similar_body, names), 0, 1, TEMPLATE_MAX,
		.help = "names in place of the next ones of the sequence; as many as commands" },
	{ "literal", BODY_BOOL, offsetof(struct similar_body, literal), .help = "braces of command mean nothing" },
	{ "parallel", BODY_I64, offsetof(struct similar_body, parallel), 0, 1, 1000,
		.help = "at most so many members run at a time; the next one starts when one has ended" },
	{ "release", BODY_I64, offsetof(struct similar_body, release), 0, 1, INT64_C(1000000000),
		.help = "number of the release to start from, else the one that serves" },
};
/* clang-format on */

struct members {
	json_t *list; /* [{"command", "params", "name"?}] */
	int64_t n;
	bool named;
};

static void command_wrong(
	struct request *rq, const char *field, const char *command, const char **ret)
{
	const char *wrong;
	size_t n;

	command += strspn(command, " \t\n");
	n = strlen(command);
	while (n && command[n - 1] == '\n')
		n--;
	*ret = arena_strndup(rq->a, command, n);
	wrong = profile_command_wrong(rq->a, *ret);
	if (wrong)
		fault_add(&rq->faults, field, "invalid_command", "%s", wrong);
}

static void add_member(struct members *m, const char *command, json_t *params)
{
	(void)json_array_append_new(
		m->list, json_pack("{s:s, s:o}", "command", command, "params", params));
	m->n++;
}

static void from_template(
	struct request *rq, const struct similar_body *body, struct members *m, size_t *bytes)
{
	struct template t;
	const char *command;
	struct err why;

	command_wrong(rq, "command", body->command, &command);
	if (rq->faults.n)
		return;
	if (!template_parse(rq->a, command, body->literal.on, &t, &why)) {
		fault_add(&rq->faults, "command", why.code, "%s", why.msg);
		return;
	}
	for (int64_t i = 0; i < t.count && *bytes <= MAX_COMMANDS_BYTES; i++) {
		json_t *params;
		const char *made = template_expand(rq->a, &t, i, &params);

		*bytes += strlen(made);
		if (strlen(made) > MAX_COMMAND_BYTES)
			fault_add(&rq->faults, "command", "invalid_command",
				"a command of the template has more than %d bytes",
				MAX_COMMAND_BYTES);
		add_member(m, made, params);
	}
}

static void from_list(
	struct request *rq, const struct similar_body *body, struct members *m, size_t *bytes)
{
	for (size_t i = 0; i < body->commands.n; i++) {
		const char *command;

		command_wrong(
			rq, arena_printf(rq->a, "commands[%zu]", i), body->commands.v[i], &command);
		*bytes += strlen(command);
		add_member(m, command, json_object());
	}
}

static void add_names(struct request *rq, const struct similar_body *body, struct members *m)
{
	json_auto_t *labels = json_object();

	if (!body->names.given)
		return;
	m->named = true;
	if ((int64_t)body->names.n != m->n) {
		fault_add(&rq->faults, "names", "invalid_value",
			"%zu names for %jd commands: give one each, or none", body->names.n,
			(intmax_t)m->n);
		return;
	}
	for (size_t i = 0; i < body->names.n; i++) {
		const char *name = body->names.v[i], *wrong = app_name_wrong(name);
		const char *field = arena_printf(rq->a, "names[%zu]", i);
		char *label = arena_strdup(rq->a, name);

		for (char *p = label; *p; p++)
			*p = *p == '_' ? '-' : *p;
		if (wrong)
			fault_add(&rq->faults, field,
				strlen(name) > MAX_APP_NAME ? "name_too_long" : "name_invalid",
				"%s", wrong);
		else if (json_object_get(labels, label))
			fault_add(&rq->faults, field, "invalid_value",
				"has the host name of another one of the list");
		(void)json_object_set_new(labels, label, json_true());
		(void)json_object_set_new(json_array_get(m->list, i), "name", json_string(name));
	}
}

/* everything that can be said without I/O */
static bool read_members(
	struct request *rq, const struct similar_body *body, struct members *m, struct err *e)
{
	size_t bytes = 0;

	m->list = json_array();
	if (!body->command == !body->commands.given)
		fault_add(&rq->faults, "command",
			body->command ? "invalid_value" : "invalid_command",
			body->command ? "and \"commands\" exclude each other"
				      : "is missing, and \"commands\" too");
	else if (body->command)
		from_template(rq, body, m, &bytes);
	else
		from_list(rq, body, m, &bytes);
	if (bytes > MAX_COMMANDS_BYTES)
		fault_add(&rq->faults, "command", "invalid_command",
			"all commands together have more than %d bytes", MAX_COMMANDS_BYTES);
	else if (rq->faults.n == 0)
		add_names(rq, body, m);
	return faults_end(&rq->faults, e);
}

/* what n members take of the quota; of those that take turns at most parallel at a time */
struct need {
	int64_t memory, instances, apps;
};

static struct need need_of(const struct similar_source *s, int64_t n, int64_t parallel)
{
	int64_t at_once = parallel ? MIN(parallel, n) : n;

	return (struct need){ at_once * s->scale * s->memory, at_once * s->scale, n };
}

/* how many of n have room */
static int64_t room_for(
	const struct similar_source *s, const struct quota_left *left, int64_t n, int64_t parallel)
{
	int64_t room = left->apps, each = s->memory * s->scale;

	if (parallel) /* turns wait until one has room */
		return each > left->memory_limit || s->scale > left->instances_limit ? 0
										     : MIN(room, n);
	if (each > 0)
		room = MIN(room, left->memory / each);
	if (s->scale > 0)
		room = MIN(room, left->instances / s->scale);
	return MIN(room, n);
}

static bool no_room(struct response *rs, const struct similar_source *s,
	const struct quota_left *left, int64_t n, int64_t room, int64_t parallel, struct err *e)
{
	const struct need need = need_of(s, n, parallel);
	const char *what = need.apps > left->apps	      ? "apps"
			   : need.instances > left->instances ? "instances"
							      : "memory";
	const char *code = streq(what, "apps")	      ? "quota_apps"
			   : streq(what, "instances") ? "quota_instances"
						      : "quota_memory";

	response_problem_member(rs, "possible", json_integer(room));
	return err_set(e, ERR_INVALID, code,
		"the quota of %s has room for %jd of %jd; nothing was made", what, (intmax_t)room,
		(intmax_t)n);
}

static json_t *need_json(const struct need *need)
{
	return json_pack("{s:I, s:I, s:I}", "memory", (json_int_t)need->memory, "instances",
		(json_int_t)need->instances, "apps", (json_int_t)need->apps);
}

static bool dry_run(struct request *rq, struct response *rs, const struct similar_source *s,
	const struct members *m, int64_t parallel, struct err *e)
{
	const struct need need = need_of(s, m->n, parallel);
	auto_result PGresult *names = NULL;
	struct quota_left left;
	json_t *one;
	size_t i;

	if (!quota_lock(rq->db, rq->caller.tenant, false, &left, e))
		return false;
	if (!m->named) {
		if (!similar_preview(rq->db, rq->caller.name, s->app, m->n, &names, e))
			return false;
		json_array_foreach (m->list, i, one)
			(void)json_object_set_new(
				one, "name", json_string(db_text(names, (int)i, "name")));
	}
	response_json(rs, 200,
		json_pack("{s:O, s:o, s:o, s:I, s:I, s:I}", "apps", m->list, "needed",
			need_json(&need), "left",
			need_json(&(struct need){ left.memory, left.instances, left.apps }),
			"possible", (json_int_t)room_for(s, &left, m->n, parallel), "memory",
			(json_int_t)s->memory, "scale", (json_int_t)s->scale));
	return true;
}

static json_t *bodies(struct request *rq, const char *ids, struct err *e)
{
	auto_result PGresult *r = NULL;
	auto_buf struct buf b;
	struct app_writer w;
	json_t *list;

	if (!app_get_all(rq->db, rq->caller.tenant, ids, &r, e))
		return NULL;
	buf_init(&b, 64 * 1024 * 1024);
	app_writer_init(&w, rq, r);
	buf_putc(&b, '[');
	for (int i = 0; i < db_rows(r); i++) {
		if (i)
			buf_putc(&b, ',');
		app_write(&w, i, &b);
	}
	buf_putc(&b, ']');
	list = b.failed ? NULL : json_loadb(b.data, b.len, 0, NULL);
	if (!list)
		(void)err_set(e, ERR_INTERNAL, "internal", "the apps' bodies are no JSON");
	return list;
}

static bool insert_operation(struct request *rq, const struct similar_source *s,
	const PGresult *made, bool turns, int64_t *ret_id, const char **ret_ids, struct err *e)
{
	auto_free char *args = NULL;
	json_auto_t *o = NULL;
	json_t *ids = json_array();
	auto_buf struct buf b;

	buf_init(&b, 64 * 1024);
	buf_putc(&b, '{');
	for (int i = 0; i < db_rows(made); i++) {
		buf_printf(&b, "%s%s", i ? "," : "", db_text(made, i, "id"));
		(void)json_array_append_new(ids, json_integer(db_i64(made, i, "id")));
	}
	buf_putc(&b, '}');
	*ret_ids = arena_strdup(rq->a, b.data);
	o = json_pack("{s:I, s:I, s:b, s:o}", "parent", (json_int_t)s->app_id, "release",
		(json_int_t)s->release_id, "turns", (int)turns, "members", ids);
	args = json_dumps(o, JSON_COMPACT);
	return operation_insert(rq->db,
		&(struct operation_new){ .tenant = rq->caller.tenant,
			.app = s->app,
			.kind = "similar",
			.args = args,
			.request_id = rq->id,
			.created_by = rq->caller.actor },
		ret_id, e);
}

static bool name_taken(struct request *rq, struct response *rs, const char *app, struct err *e)
{
	const char *suggestion;
	struct err why = *e;

	if (!app_suggest(rq->db, rq->a, rq->caller.name, app, &suggestion, e))
		return false;
	*e = why;
	response_problem_member(
		rs, "suggestion", suggestion ? json_string(suggestion) : json_null());
	return false;
}

static bool make(struct request *rq, struct response *rs, const struct similar_source *s,
	const struct members *m, int64_t parallel, struct err *e)
{
	auto_free char *text = json_dumps(m->list, JSON_COMPACT);
	auto_result PGresult *made = NULL;
	const char *taken, *ids;
	struct quota_left left;
	int64_t operation, room;
	json_t *apps;

	if (!quota_lock(rq->db, rq->caller.tenant, true, &left, e))
		return false;
	room = room_for(s, &left, m->n, parallel);
	if (room < m->n)
		return no_room(rs, s, &left, m->n, room, parallel, e);
	if (!similar_insert(rq->db, rq->a, rq->caller.tenant, s, text, m->n, m->named, parallel,
		    &made, &taken, e))
		return taken ? name_taken(rq, rs, taken, e) : false;
	if (!insert_operation(rq, s, made, parallel > 0, &operation, &ids, e))
		return false;
	apps = bodies(rq, ids, e);
	return apps && response_operation(rq, rs, operation, "apps", apps, e);
}

bool similar_make(struct request *rq, struct response *rs, const char *app,
	const struct similar_body *body, struct err *e)
{
	const char *dry = request_query(rq, "dry_run");
	bool is_dry = dry && (streq(dry, "true") || streq(dry, "1"));
	struct members m = { 0 };
	struct similar_source s;
	bool ok;

	if (!read_members(rq, body, &m, e)) {
		json_decref(m.list);
		return false;
	}
	ok = similar_source_of(rq->db, rq->a, rq->caller.tenant, app, body->release.n, &s, e);
	if (!ok && e->kind == ERR_NOT_FOUND &&
		body->release.given) { /* the app is there: it is locked */
		fault_add(&rq->faults, "release", "not_found", "%s", e->msg);
		ok = faults_end(&rq->faults, e);
	}
	ok = ok && (is_dry ? dry_run(rq, rs, &s, &m, body->parallel.n, e)
			   : make(rq, rs, &s, &m, body->parallel.n, e));
	json_decref(m.list);
	return ok;
}

static bool similar_post(struct request *rq, struct response *rs, struct err *e)
{
	struct similar_body body = { 0 };
	struct app app;

	if (rq->caller.app)
		return err_set(e, ERR_FORBIDDEN, "token_bound",
			"a token bound to one app makes no others");
	return body_decode(rq, SIMILAR_BODY, SIMILAR_BODY_FIELDS, &body, e) &&
	       app_take(rq, &app, e) && similar_make(rq, rs, app.name, &body, e);
}

static const struct route similar_routes[] = {
	{ "POST", "/apps/:app/similar", ACCESS_DEPLOY, BODY_JSON | BODY_COMMAND, similar_post,
		.body = SIMILAR_BODY, .body_n = ARRAY_SIZE(SIMILAR_BODY),
		.doc = { "Makes apps with the same source and other commands, all or none; with dry_run only says what "
			 "it would make (200)",
			.example = "{\"command\": \"./solve --seed {seed:1..20}\"}",
			.answer = "SimilarOperation", .status = 202, .query = "dry_run" } },
};
ROUTE_TABLE(similar);
