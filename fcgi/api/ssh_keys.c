/*
 * SSH: the keys that a tenant pushes by, and the one that nap fetches by for it.
 */
#include "api/routes.h"

#include "base/text.h"
#include "store/deploy_key.h"
#include "store/ssh_key.h"

/* -- keys ---------------------------------------------------------------------------------------------------------- */

struct key_body {
	const char *name, *key;
};

static const struct body_field KEY[] = {
	{ "name", BODY_STRING, offsetof(struct key_body, name), BODY_REQUIRED, .min = 1, .max = 100,
		.help = "to know it by" },
	{ "key", BODY_STRING, offsetof(struct key_body, key), BODY_REQUIRED, .min = 1,
		.max = MAX_SSH_KEY_BYTES,
		.help = "the line of a .pub file: ed25519, ECDSA, or RSA from 2048 bits on" },
};

static bool put_key(struct request *rq, struct response *rs, int status, int64_t id, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!ssh_key_get(rq->db, rq->caller.tenant, id, &r, e))
		return false;
	rows_objects(r, SSH_KEY_FIELDS, SSH_KEY_FIELDS_N, 1,
		response_body(rs, status, "application/json"));
	return true;
}

static bool key_create(struct request *rq, struct response *rs, struct err *e)
{
	struct key_body in = { 0 };
	struct ssh_key key = { 0 };
	const char *wrong;
	int64_t id;

	if (!body_decode(rq, KEY, ARRAY_SIZE(KEY), &in, e))
		return false;
	wrong = ssh_key_parse(rq->a, in.key, &key);
	if (wrong) {
		fault_add(&rq->faults, "key", "key_invalid", "%s", wrong);
		return faults_end(&rq->faults, e);
	}
	if (!ssh_key_insert(rq->db, rq->caller.tenant, in.name, &key, &id, e))
		return false;
	response_header(rs, "Location", arena_printf(rq->a, "/api/v1/keys/%jd", (intmax_t)id));
	return put_key(rq, rs, 201, id, e);
}

static bool key_list_get(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	int64_t limit, below;

	if (!request_page_id(rq, &limit, &below, e) ||
		!ssh_key_list(rq->db, rq->caller.tenant, below, limit + 1, &r, e))
		return false;
	response_rows(rs, r, SSH_KEY_FIELDS, SSH_KEY_FIELDS_N, limit, "id");
	return true;
}

static bool key_one_get(struct request *rq, struct response *rs, struct err *e)
{
	int64_t id;

	if (!parse_i64(request_param(rq, "id"), 1, INT64_MAX, &id))
		return request_not_found(rq, e);
	return put_key(rq, rs, 200, id, e);
}

static bool key_one_delete(struct request *rq, struct response *rs, struct err *e)
{
	int64_t id;

	if (!parse_i64(request_param(rq, "id"), 1, INT64_MAX, &id))
		return request_not_found(rq, e);
	if (!ssh_key_delete(rq->db, rq->caller.tenant, id, e))
		return false;
	response_nothing(rs);
	return true;
}

/* -- the deploy key ------------------------------------------------------------------------------------------------ */

static const struct row_field DEPLOY_KEY[] = {
	{ "public_key", ROW_TEXT },
	{ "fingerprint", ROW_TEXT },
	{ "created_at", ROW_TIME },
};

static bool deploy_key_get(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *key = NULL, *hosts = NULL;
	struct rows rows;
	struct buf *b;

	if (!deploy_key_public(rq->db, rq->caller.tenant, &key, e) ||
		!known_host_list(rq->db, rq->caller.tenant, &hosts, e))
		return false;
	b = response_body(rs, 200, "application/json");
	buf_putc(b, '{');
	rows_init(&rows, key, DEPLOY_KEY, ARRAY_SIZE(DEPLOY_KEY));
	if (db_rows(key))
		rows_members(&rows, 0, b);
	else
		buf_puts(b, "\"public_key\":null,\"fingerprint\":null,\"created_at\":null");
	buf_puts(b, ",\"hosts\":[");
	rows_objects(hosts, KNOWN_HOST_FIELDS, KNOWN_HOST_FIELDS_N, db_rows(hosts), b);
	buf_puts(b, "]}");
	return true;
}

static bool known_host_delete(struct request *rq, struct response *rs, struct err *e)
{
	if (!known_host_forget(rq->db, rq->caller.tenant, request_param(rq, "host"), e))
		return e->kind == ERR_NOT_FOUND ? request_not_found(rq, e) : false;
	response_nothing(rs);
	return true;
}

static const struct route ssh_keys_routes[] = {
	{ "GET", "/keys", ACCESS_MANAGE, 0, key_list_get,
		.doc = { "The SSH keys that may push, newest first", .answer = "[Key]",
			.query = "limit after" } },
	{ "POST", "/keys", ACCESS_MANAGE, BODY_JSON, key_create, ROUTE_BODY(KEY),
		.doc = { "Register an SSH key for git push",
			"{\"name\": \"laptop\", \"key\": \"ssh-ed25519 "
			"AAAAC3NzaC1lZDI1NTE5AAAAIPMWKFn8qosGjngTuQ+4eI3I+6vMM0++GlQ0v/cgqCGn ada@laptop\"}",
			"Key", 201 } },
	{ "GET", "/keys/:id", ACCESS_MANAGE, 0, key_one_get,
		.doc = { "One SSH key", .answer = "Key" } },
	{ "DELETE", "/keys/:id", ACCESS_MANAGE, 0, key_one_delete,
		.doc = { "Remove an SSH key: nobody comes in by it any more" } },
	{ "GET", "/deploy-key", ACCESS_READ, 0, deploy_key_get,
		.doc = { "The key by which nap fetches git@host:path, and the hosts' keys as first seen",
			.answer = "DeployKey" } },
	{ "DELETE", "/deploy-key/hosts/:host", ACCESS_MANAGE, 0, known_host_delete,
		.doc = { "Forget the keys of a git host: the next fetch believes what it sees" } },
};
ROUTE_TABLE(ssh_keys);
