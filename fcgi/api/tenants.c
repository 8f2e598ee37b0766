/*
 * Tenants, for the operator; and everybody's own quota.
 */
#include "api/routes.h"

#include "base/limits.h"
#include "model/name.h"
#include "serve/session.h"
#include "store/credential.h"
#include "store/tenant.h"

#include <pwd.h>

#define MAX_QUOTA_BYTES (INT64_C(1) << 50)
#define MAX_QUOTA_COUNT 1000000
#define FALLBACK_MEMORY (INT64_C(1) << 30) /* until the engine has told of its machines */

struct quota_body {
	struct body_i64 memory, instances, apps, disk;
};

static const struct body_field QUOTA[] = {
	{ "memory", BODY_MEMORY, offsetof(struct quota_body, memory), 0, .min = 0,
		.max = MAX_QUOTA_BYTES },
	{ "instances", BODY_I64, offsetof(struct quota_body, instances), 0, .min = 0,
		.max = MAX_QUOTA_COUNT },
	{ "apps", BODY_I64, offsetof(struct quota_body, apps), 0, .min = 0,
		.max = MAX_QUOTA_COUNT },
	{ "disk", BODY_MEMORY, offsetof(struct quota_body, disk), 0, .min = 0,
		.max = MAX_QUOTA_BYTES },
};

struct tenant_body {
	const char *name, *password;
	json_t *quota;
};

static const struct body_field TENANT[] = {
	{ "name", BODY_STRING, offsetof(struct tenant_body, name), BODY_REQUIRED,
		.check = tenant_name_wrong, .code = "name_invalid" },
	{ "password", BODY_STRING, offsetof(struct tenant_body, password), BODY_REQUIRED,
		.check = password_wrong },
	{ "quota", BODY_OBJECT, offsetof(struct tenant_body, quota),
		.help = "of memory, instances, apps, disk; what is not given is a setting" },
};

struct tenant_patch {
	const char *password;
	json_t *quota;
	struct body_bool disabled;
};

static const struct body_field PATCH[] = {
	{ "password", BODY_STRING, offsetof(struct tenant_patch, password), .check = password_wrong,
		.help = "signs everybody out" },
	{ "quota", BODY_OBJECT, offsetof(struct tenant_patch, quota),
		.help = "what is not given stays" },
	{ "disabled", BODY_BOOL, offsetof(struct tenant_patch, disabled),
		.help = "true: nobody gets in; its apps go on" },
};

static int64_t given(const struct body_i64 *v, int64_t fallback)
{
	return v->given ? v->n : fallback;
}

static void decode_quota(struct request *rq, const json_t *quota, struct quota_body *ret)
{
	if (quota)
		body_decode_into(
			&rq->faults, rq->a, quota, "quota.", QUOTA, ARRAY_SIZE(QUOTA), ret);
}

/* Without walls between them there can be one tenant only (RULES 7, 11). */
static bool may_have_second(struct request *rq, struct err *e)
{
	int64_t n, unisolated;

	if (!tenant_count(rq->db, &n, e))
		return false;
	if (n == 0)
		return true;
	if (!db_one_i64(rq->db, &unisolated, e,
		    "SELECT count(*) FROM machine WHERE metadata->>'isolation' = 'none'"))
		return false;
	if (unisolated || streq(rq->cfg->isolation, "none"))
		return err_set(e, ERR_CONFLICT, "isolation_missing",
			"apps are not isolated from each other here (isolation \"none\"), so there can be one tenant only");
	if (!rq->cfg->domain[0])
		return err_set(e, ERR_CONFLICT, "domain_missing",
			"apps have ports instead of names here (no setting \"domain\"), so there can be one tenant only");
	return true;
}

static bool put_tenant(
	struct request *rq, struct response *rs, int status, const char *name, struct err *e)
{
	auto_result PGresult *r = NULL;
	struct buf *b;

	if (!tenant_get(rq->db, name, &r, e))
		return false;
	b = response_body(rs, status, "application/json");
	rows_objects(r, TENANT_FIELDS, TENANT_FIELDS_N, 1, b);
	return true;
}

static bool default_memory(struct request *rq, int64_t *ret, struct err *e)
{
	if (rq->cfg->quota_memory) {
		*ret = rq->cfg->quota_memory;
		return true;
	}
	if (!tenant_half_of_machines(rq->db, ret, e))
		return false;
	if (*ret == 0)
		*ret = FALLBACK_MEMORY;
	return true;
}

static bool tenant_create(struct request *rq, struct response *rs, struct err *e)
{
	struct tenant_body in = { 0 };
	struct quota_body quota = { 0 };
	char hash[PASSWORD_HASH_SIZE];
	int64_t memory, id;

	body_decode_into(&rq->faults, rq->a, rq->json, NULL, TENANT, ARRAY_SIZE(TENANT), &in);
	decode_quota(rq, in.quota, &quota);
	if (!faults_end(&rq->faults, e))
		return false;
	if (name_is_reserved(in.name) || getpwnam(in.name))
		return err_set(
			e, ERR_CONFLICT, "name_reserved", "the name \"%s\" is reserved", in.name);
	if (!may_have_second(rq, e) || !default_memory(rq, &memory, e) ||
		!password_hash(in.password, hash, e))
		return false;
	if (!tenant_insert(rq->db,
		    &(struct tenant_new){ .name = in.name,
			    .role = "tenant",
			    .password_hash = hash,
			    .memory = given(&quota.memory, memory),
			    .instances = given(&quota.instances, rq->cfg->quota_instances),
			    .apps = given(&quota.apps, rq->cfg->quota_apps),
			    .disk = given(&quota.disk, rq->cfg->quota_disk) },
		    &id, e))
		return false;
	response_header(rs, "Location", arena_printf(rq->a, "/api/v1/tenants/%s", in.name));
	return put_tenant(rq, rs, 201, in.name, e);
}

static bool find(struct request *rq, int64_t *ret_id, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!tenant_get(rq->db, request_param(rq, "tenant"), &r, e))
		return false;
	*ret_id = db_i64(r, 0, "id");
	return true;
}

static bool tenant_change(struct request *rq, struct response *rs, struct err *e)
{
	struct tenant_patch in = { 0 };
	struct quota_body quota = { 0 };
	struct tenant_change c;
	char hash[PASSWORD_HASH_SIZE];
	int64_t id;

	if (!find(rq, &id, e))
		return false;
	body_decode_into(&rq->faults, rq->a, rq->json, NULL, PATCH, ARRAY_SIZE(PATCH), &in);
	decode_quota(rq, in.quota, &quota);
	if (in.disabled.on && id == rq->caller.tenant)
		fault_add(&rq->faults, "disabled", "invalid_value", "cannot be set for oneself");
	if (!faults_end(&rq->faults, e) || (in.password && !password_hash(in.password, hash, e)))
		return false;
	c = (struct tenant_change){ .password_hash = in.password ? hash : NULL,
		.memory = given(&quota.memory, -1),
		.instances = given(&quota.instances, -1),
		.apps = given(&quota.apps, -1),
		.disk = given(&quota.disk, -1),
		.disabled = in.disabled.given ? in.disabled.on : -1 };
	return tenant_update(rq->db, id, &c, e) &&
	       put_tenant(rq, rs, 200, request_param(rq, "tenant"), e);
}

static bool tenant_delete(struct request *rq, struct response *rs, struct err *e)
{
	const char *name = request_param(rq, "tenant");
	int64_t id;

	if (!find(rq, &id, e) || !request_confirmed(rq, name, e))
		return false;
	if (id == rq->caller.tenant)
		return err_set(e, ERR_CONFLICT, "conflict", "one cannot remove oneself");
	if (!tenant_remove(rq->db, id, e))
		return false;
	response_nothing(rs);
	return true;
}

static bool tenant_one_get(struct request *rq, struct response *rs, struct err *e)
{
	return put_tenant(rq, rs, 200, request_param(rq, "tenant"), e);
}

static bool tenant_list_get(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	const char *after;
	int64_t limit;

	if (!request_page(rq, &limit, &after, e) || !tenant_list(rq->db, after, limit + 1, &r, e))
		return false;
	response_rows(rs, r, TENANT_FIELDS, TENANT_FIELDS_N, limit, "name");
	return true;
}

static bool quota_get(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL;
	const struct db_ask ask = tenant_ask_quota();

	if (!caller_ask(rq, &ask, 1, &r, e))
		return false;
	buf_puts(response_body(rs, 200, "application/json"), db_text(r, 0, "quota"));
	return true;
}

static const struct route tenants_routes[] = {
	{ "GET", "/tenants", ACCESS_ADMIN, 0, tenant_list_get,
		.doc = { "All tenants, by name", .answer = "[Tenant]", .query = "limit after" } },
	{ "POST", "/tenants", ACCESS_ADMIN, BODY_JSON, tenant_create, ROUTE_BODY(TENANT),
		.doc = { "Make a tenant",
			"{\"name\": \"acme\", \"password\": \"correct horse\", \"quota\": {\"memory\": \"2g\", \"instances\": 20}}",
			"Tenant", 201 } },
	{ "GET", "/tenants/:tenant", ACCESS_ADMIN, 0, tenant_one_get,
		.doc = { "One tenant", .answer = "Tenant" } },
	{ "PATCH", "/tenants/:tenant", ACCESS_ADMIN, BODY_JSON, tenant_change, ROUTE_BODY(PATCH),
		.doc = { "Change quota or password, or shut it out",
			"{\"quota\": {\"apps\": 50}, \"disabled\": false}", "Tenant" } },
	{ "DELETE", "/tenants/:tenant", ACCESS_ADMIN, 0, tenant_delete,
		.doc = { "Remove a tenant that has no apps", .query = "confirm" } },
	{ "GET", "/quota", ACCESS_READ, ROUTE_LAZY, quota_get,
		.doc = { "What one uses and may use", .answer = "Quota" } },
};
ROUTE_TABLE(tenants);
