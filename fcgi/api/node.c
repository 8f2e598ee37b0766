/*
 * What a machine's helper asks about its units, by its own socket; answered from PostgreSQL, never by the engine.
 */
#include "api/routes.h"

#include "base/limits.h"
#include "base/text.h"
#include "model/address.h"
#include "model/template.h"
#include "serve/operation_json.h"
#include "store/build.h"
#include "store/credential.h"

SQL(NODE_UNIT, "SELECT * FROM nap_node_unit($1)");
SQL(NODE_ANNOUNCE, "SELECT nap_node_announce($1, $2)::integer AS interval");
SQL(NODE_EXIT,
	"SELECT nap_node_exit($1, $2, to_timestamp($3::bigint / 1000000.0), to_timestamp($4::bigint / 1000000.0), "
	"$5, $6, $7, $8, $9, $10, $11::json)::integer");
SQL(NODE_PARAMS, "SELECT nap_node_params($1) AS params");
SQL(NODE_TOKEN, "SELECT nap_node_token($1, $2::bytea)");
SQL(NODE_REASON, "SELECT nap_node_exit_reason($1, $2, $3)");
SQL(NODE_QUOTA_DISK, "SELECT nap_node_quota_disk($1)");
SQL(NODE_DESTROYED, "SELECT app_id FROM nap_node_destroyed($1::bigint[])");
SQL(NODE_APP_PORT, "SELECT nap_node_app_port($1)");

static bool gone(struct err *e)
{
	return err_set(e, ERR_CONFLICT, "gone", "the unit is not wanted any more");
}

static bool not_yet(struct err *e)
{
	return err_set(e, ERR_CONFLICT, "conflict", "the unit is not ready to be started");
}

/* {"KEY": {"value": …}} becomes {"KEY": …} */
static json_t *plain_env(const char *text)
{
	json_auto_t *given = json_loads(text, 0, NULL);
	json_t *env = json_object();
	const char *key;
	json_t *v;

	json_object_foreach (given, key, v)
		(void)json_object_set(env, key, json_object_get(v, "value"));
	return env;
}

static void set(json_t *env, const char *key, json_t *value)
{
	(void)json_object_set_new(env, key, value);
}

/* what every process of nap's is told; nap's own names win */
static json_t *env_of(const PGresult *r)
{
	json_t *env = plain_env(db_text(r, 0, "env"));

	set(env, "NAP_APP", json_string(db_text(r, 0, "app")));
	set(env, "NAP_TENANT", json_string(db_text(r, 0, "tenant")));
	set(env, "NAP_GROUP", json_string(db_text(r, 0, "group_name")));
	set(env, "NAP_RELEASE", json_string(db_text(r, 0, "release_number")));
	return env;
}

static bool put_address(struct request *rq, const PGresult *r, json_t *env, struct err *e)
{
	auto_buf struct buf b;
	int64_t port = 0;

	buf_init(&b, 4096);
	if (!rq->cfg->domain[0] &&
		!db_one_i64(rq->db, &port, e, NODE_APP_PORT, I64(db_i64(r, 0, "app_id"))))
		return false;
	if (address_of_app(&b, rq->cfg, db_text(r, 0, "tenant"), db_text(r, 0, "app"), port))
		set(env, "NAP_URL", json_string(b.data));
	return true;
}

/* NAP_PARAM_SEED and the like: what its template put into a member's command */
static bool put_params(struct request *rq, const PGresult *r, json_t *env, struct err *e)
{
	auto_result PGresult *row = NULL;
	json_auto_t *params = NULL;
	const char *name;
	json_t *value;

	if (!db_query(rq->db, &row, e, NODE_PARAMS, I64(db_i64(r, 0, "app_id"))))
		return false;
	params = json_loads(db_text(row, 0, "params"), 0, NULL);
	json_object_foreach (params, name, value)
		(void)json_object_set(env, template_variable(rq->a, name), value);
	return true;
}

/* A token that reads the endpoints of its own app and group and ends with the release: new at each start. */
static bool put_token(struct request *rq, const char *unit, json_t *env, struct err *e)
{
	char token[CREDENTIAL_SIZE];
	unsigned char hash[CREDENTIAL_HASH];

	credential_token(token);
	credential_hash(token, hash);
	set(env, "NAP_TOKEN", json_string(token));
	return db_exec(rq->db, NULL, e, NODE_TOKEN, unit, BYTES(hash, CREDENTIAL_HASH));
}

static json_t *common(const char *unit, const char *kind, const PGresult *r)
{
	return json_pack("{s:s, s:s, s:o, s:s, s:s, s:s, s:I, s:s, s:I, s:s}", "unit", unit, "kind",
		kind, "app_id", json_id(db_i64(r, 0, "app_id")), "tenant", db_text(r, 0, "tenant"),
		"app", db_text(r, 0, "app"), "group", db_text(r, 0, "group_name"), "release",
		(json_int_t)db_i64(r, 0, "release_number"), "tree", db_text(r, 0, "tree"), "memory",
		(json_int_t)db_i64(r, 0, "memory_bytes"), "start", db_text(r, 0, "start"));
}

/* what it may take on its machine, and what the machine shall keep free */
static bool put_disk(struct request *rq, const PGresult *r, json_t *body, struct err *e)
{
	int64_t quota;

	if (!db_one_i64(rq->db, &quota, e, NODE_QUOTA_DISK, db_text(r, 0, "tenant")))
		return false;
	set(body, "disk",
		json_pack("{s:I, s:I}", "limit", (json_int_t)MIN(rq->cfg->disk_max, quota), "floor",
			(json_int_t)rq->cfg->disk_floor));
	return true;
}

static bool put_instance(
	struct request *rq, struct response *rs, const char *unit, const PGresult *r, struct err *e)
{
	json_t *env = env_of(r), *body = common(unit, "instance", r);
	bool ok;

	set(body, "env", env);
	set(body, "number", json_integer(db_i64(r, 0, "number")));
	set(body, "port", json_integer(db_i64(r, 0, "port")));
	set(body, "health", json_string(db_text(r, 0, "health")));
	set(body, "restart", json_string(db_text(r, 0, "restart")));
	set(body, "listened", json_boolean(db_bool(r, 0, "listened")));
	set(env, "PORT", json_string(db_text(r, 0, "port")));
	/* on this machine only nap's nginx is to reach it; on a cluster the other machines' do */
	set(env, "HOST", json_string(rq->cfg->engine[0] ? "0.0.0.0" : "127.0.0.1"));
	set(env, "NAP_INSTANCE", json_string(db_text(r, 0, "number")));
	ok = put_address(rq, r, env, e) && put_params(rq, r, env, e) &&
	     put_token(rq, unit, env, e) && put_disk(rq, r, body, e);
	response_json(rs, 200, body);
	return ok;
}

static bool put_build(
	struct request *rq, struct response *rs, const char *unit, const PGresult *r, struct err *e)
{
	json_t *body = common(unit, "build", r);
	bool ok = put_disk(rq, r, body, e);

	set(body, "env", env_of(r));
	set(body, "number", json_integer(1));
	set(body, "port", json_integer(0));
	set(body, "health", json_string("none"));
	set(body, "restart", json_string("no"));
	set(body, "listened", json_false());
	set(body, "seconds", json_integer(db_i64(r, 0, "seconds")));
	set(body, "result_tree", json_string(db_text(r, 0, "result_tree")));
	response_json(rs, 200, body);
	return ok;
}

static bool is_wanted(const PGresult *r)
{
	return !streq(db_text(r, 0, "want"), "gone") && !db_bool(r, 0, "deleting");
}

static bool node_unit(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL, *build = NULL;
	const char *unit = request_param(rq, "unit");

	if (!db_query(rq->db, &r, e, NODE_UNIT, unit))
		return false;
	if (db_rows(r)) {
		if (!is_wanted(r))
			return gone(e);
		if (db_is_null(r, 0, "port") || db_is_null(r, 0, "tree"))
			return not_yet(e);
		return put_instance(rq, rs, unit, r, e);
	}
	if (!build_node(rq->db, unit, &build, e))
		return false;
	if (db_rows(build) == 0)
		return request_not_found(rq, e);
	return is_wanted(build) ? put_build(rq, rs, unit, build, e) : gone(e);
}

struct announce_body {
	struct body_bool healthy;
};

static const struct body_field ANNOUNCE[] = {
	{ "healthy", BODY_BOOL, offsetof(struct announce_body, healthy), BODY_REQUIRED,
		.help = NULL },
};

static bool node_announce(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	struct announce_body in = { 0 };

	if (!body_decode(rq, ANNOUNCE, ARRAY_SIZE(ANNOUNCE), &in, e) ||
		!db_query(rq->db, &r, e, NODE_ANNOUNCE, request_param(rq, "unit"),
			BOOL(in.healthy.on)))
		return false;
	if (db_is_null(r, 0, "interval"))
		return gone(e);
	response_json(
		rs, 200, json_pack("{s:I}", "interval", (json_int_t)db_i64(r, 0, "interval")));
	return true;
}

struct exit_body {
	const char *run_id, *result, *stdout_sha256, *reason;
	struct body_i64 started_us, ended_us, exit_code, exit_signal, stdout_bytes;
	struct body_bool listened;
	json_t *values;
};

#define EXIT_FIELD(name, kind, flags) \
	{ \
#name, kind, offsetof(struct exit_body, name), flags, .help = NULL \
	}

static const struct body_field EXIT[] = {
	EXIT_FIELD(run_id, BODY_STRING, BODY_REQUIRED),
	EXIT_FIELD(result, BODY_STRING, BODY_REQUIRED),
	EXIT_FIELD(started_us, BODY_I64, BODY_NULL),
	EXIT_FIELD(ended_us, BODY_I64, BODY_NULL),
	EXIT_FIELD(exit_code, BODY_I64, BODY_NULL),
	EXIT_FIELD(exit_signal, BODY_I64, BODY_NULL),
	EXIT_FIELD(stdout_bytes, BODY_I64, BODY_NULL),
	EXIT_FIELD(stdout_sha256, BODY_STRING, BODY_NULL),
	EXIT_FIELD(listened, BODY_BOOL, 0),
	EXIT_FIELD(reason, BODY_STRING, 0),
	EXIT_FIELD(values, BODY_OBJECT, 0),
};

/* NULL where it was not given */
static const char *number(struct arena *a, const struct body_i64 *v)
{
	return v->given && !v->null ? arena_printf(a, "%jd", (intmax_t)v->n) : NULL;
}

static bool node_exit(struct request *rq, struct response *rs, struct err *e)
{
	const char *unit = request_param(rq, "unit"), *run;
	struct exit_body in = { 0 };
	auto_free char *values = NULL;
	int64_t known;

	if (!body_decode(rq, EXIT, ARRAY_SIZE(EXIT), &in, e))
		return false;
	/* an engine that gives its runs no names */
	run = in.run_id[0] ? in.run_id
			   : arena_printf(rq->a, "%s/%jd", unit, (intmax_t)in.ended_us.n);
	if (json_object_size(in.values))
		values = json_dumps(in.values, JSON_COMPACT);
	if (!db_one_i64(rq->db, &known, e, NODE_EXIT, unit, run, number(rq->a, &in.started_us),
		    number(rq->a, &in.ended_us), number(rq->a, &in.exit_code),
		    number(rq->a, &in.exit_signal), in.result, number(rq->a, &in.stdout_bytes),
		    in.stdout_sha256, BOOL(in.listened.on), values))
		return false;
	if (!known)
		return request_not_found(rq, e);
	if (in.reason && !db_exec(rq->db, NULL, e, NODE_REASON, unit, run, in.reason))
		return false;
	response_nothing(rs);
	return true;
}

struct data_body {
	struct body_strings apps;
};

static const char *id_wrong(const char *text)
{
	int64_t n;

	return parse_i64(text, 1, INT64_MAX, &n) ? NULL : "must be an app's number";
}

static const struct body_field DATA[] = {
	{ "apps", BODY_STRINGS, offsetof(struct data_body, apps), BODY_REQUIRED, .min = 0,
		.max = 10000, .check = id_wrong, .help = NULL },
};

/* of the apps whose data a machine holds, those that were destroyed: it may remove theirs */
static bool node_data(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	struct data_body in = { 0 };
	auto_buf struct buf apps = { 0 };
	json_t *gone;

	if (!body_decode(rq, DATA, ARRAY_SIZE(DATA), &in, e))
		return false;
	buf_init(&apps, MAX_BODY_BYTES);
	buf_putc(&apps, '{');
	for (size_t i = 0; i < in.apps.n; i++)
		buf_printf(&apps, "%s%s", i ? "," : "", in.apps.v[i]);
	buf_putc(&apps, '}');
	if (!db_query(rq->db, &r, e, NODE_DESTROYED, apps.data))
		return false;
	gone = json_array();
	for (int i = 0; i < db_rows(r); i++)
		(void)json_array_append_new(gone, json_id(db_i64(r, i, "app_id")));
	response_json(rs, 200, json_pack("{s:o}", "destroyed", gone));
	return true;
}

static const struct route node_routes[] = {
	{ "GET", "/node/v1/units/:unit", ACCESS_NODE, 0, node_unit, .body = NULL },
	{ "POST", "/node/v1/units/:unit/announce", ACCESS_NODE, BODY_JSON, node_announce,
		ROUTE_BODY(ANNOUNCE) },
	{ "POST", "/node/v1/units/:unit/exit", ACCESS_NODE, BODY_JSON, node_exit,
		ROUTE_BODY(EXIT) },
	{ "POST", "/node/v1/data", ACCESS_NODE, BODY_JSON, node_data, ROUTE_BODY(DATA) },
};
ROUTE_TABLE(node);
