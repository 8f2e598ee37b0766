/*
 * What the hooks of a push ask (push/push_hook.h), by their own socket.
 */
#include "api/routes.h"

#include "base/limits.h"
#include "base/text.h"
#include "model/address.h"
#include "model/profile.h"
#include "serve/operation_json.h"
#include "serve/wait.h"
#include "store/app.h"
#include "store/operation.h"
#include "store/push.h"

#define MAX_HOOK_WAIT_S 30
#define MAX_LINES	500

struct hook_body {
	const char *repo, *push, *tenant, *app, *actor, *request_id;
	const char *ref, *branch, *old, *new, *profile;
	struct body_strings options;
	struct body_bool run;
	struct body_i64 entries, bytes;
};

#define HOOK_FIELD(name, kind, flags) \
	{ \
#name, kind, offsetof(struct hook_body, name), flags, .help = NULL \
	}

static const struct body_field PRE_RECEIVE[] = {
	HOOK_FIELD(repo, BODY_STRING, BODY_REQUIRED),
	HOOK_FIELD(push, BODY_STRING, BODY_REQUIRED),
	HOOK_FIELD(tenant, BODY_STRING, BODY_NULL),
	HOOK_FIELD(app, BODY_STRING, BODY_NULL),
	HOOK_FIELD(actor, BODY_STRING, BODY_NULL),
	HOOK_FIELD(request_id, BODY_STRING, BODY_NULL),
	HOOK_FIELD(options, BODY_STRINGS, 0),
	HOOK_FIELD(ref, BODY_STRING, BODY_NULL),
	HOOK_FIELD(branch, BODY_STRING, BODY_NULL),
	HOOK_FIELD(old, BODY_STRING, BODY_NULL),
	HOOK_FIELD(new, BODY_STRING, BODY_NULL),
	HOOK_FIELD(profile, BODY_STRING, BODY_NULL),
	HOOK_FIELD(run, BODY_BOOL, 0),
	HOOK_FIELD(entries, BODY_I64, 0),
	HOOK_FIELD(bytes, BODY_I64, 0),
};

static const struct body_field UPDATE[] = {
	HOOK_FIELD(repo, BODY_STRING, BODY_REQUIRED),
	HOOK_FIELD(push, BODY_STRING, BODY_REQUIRED),
	HOOK_FIELD(ref, BODY_STRING, BODY_REQUIRED),
	HOOK_FIELD(old, BODY_STRING, BODY_REQUIRED),
	HOOK_FIELD(new, BODY_STRING, BODY_REQUIRED),
};

struct hook {
	struct request *rq;
	struct hook_body in;
	struct push_owner owner;
	struct push_target target;
	int64_t repo;
	json_t *lines;
};

static bool no_repo(struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "not_found", "the application does not exist any more");
}

static bool find_owner(struct hook *h, struct err *e)
{
	const char *actor = h->in.actor ? h->in.actor : "push";

	if (!parse_i64(h->in.repo, 1, INT64_MAX, &h->repo))
		return no_repo(e);
	return push_owner(h->rq->db, h->rq->a, h->repo, actor, &h->owner, e);
}

static bool has_option(const struct hook *h, const char *word)
{
	for (size_t i = 0; i < h->in.options.n; i++)
		if (streq(h->in.options.v[i], word))
			return true;
	return false;
}

static void tell(struct hook *h, const char *text)
{
	(void)json_array_append_new(h->lines, json_string(text));
}

/* The app is made by its first good push. A name that had an app comes back only when it is asked for (RULES 20). */
static bool make_app(struct hook *h, struct err *e)
{
	struct request *rq = h->rq;
	struct push_app n = { .id = h->repo,
		.tenant = h->owner.tenant,
		.name = h->owner.app,
		.memory = rq->cfg->memory_default };
	bool used;

	if (!push_name_was_used(rq->db, h->owner.name, h->owner.app, &used, e))
		return false;
	if (used && !has_option(h, "create"))
		return err_set(e, ERR_CONFLICT, "name_used",
			"application \"%s\" was destroyed; to make it anew: git push -o create",
			h->owner.app);
	if (!rq->cfg->domain[0] && !address_app_ports(rq->cfg, &n.port_low, &n.port_high))
		return err_set(e, ERR_INTERNAL, "internal", "setting \"app_ports\" is no range");
	return push_app_insert(rq->db, &n, e);
}

static bool open_target(struct hook *h, struct err *e)
{
	if ((!h->owner.made && !make_app(h, e)) ||
		!push_target(h->rq->db, h->rq->a, h->repo, &h->target, e))
		return false;
	if (h->target.deleting)
		return err_set(e, ERR_CONFLICT, "app_deleting",
			"application \"%s\" is being destroyed", h->owner.app);
	return true;
}

static bool check_size(struct hook *h, struct err *e)
{
	const struct config *cfg = h->rq->cfg;

	if (h->in.entries.n > cfg->source_max_entries)
		return err_set(e, ERR_TOO_LARGE, "source_too_large",
			"the source has %jd files and folders, at most %jd are taken",
			(intmax_t)h->in.entries.n, (intmax_t)cfg->source_max_entries);
	if (h->in.bytes.n > cfg->source_max_bytes)
		return err_set(e, ERR_TOO_LARGE, "source_too_large",
			"the source has %jd MiB unpacked, at most %jd are taken",
			(intmax_t)(h->in.bytes.n >> 20), (intmax_t)(cfg->source_max_bytes >> 20));
	if (h->in.bytes.n > h->target.disk_left)
		return err_set(e, ERR_INVALID, "quota_disk",
			"the source has %jd MiB unpacked, %jd of the disk quota are left",
			(intmax_t)(h->in.bytes.n >> 20),
			(intmax_t)(MAX(h->target.disk_left, 0) >> 20));
	return true;
}

static bool read_profile(struct hook *h, struct profile *ret, struct err *e)
{
	struct request *rq = h->rq;
	const char *text = h->in.profile ? h->in.profile : h->target.profile_text;

	if (!text && !h->in.run.on)
		return err_set(e, ERR_INVALID, "profile_missing",
			"the source has no profile and no file \"run\": a profile of one line \"command: …\" is enough");
	if (!profile_parse(text ? text : "", text ? strlen(text) : 0, rq->a, ret, e)) {
		profile_faults(&rq->faults, ret);
		return false;
	}
	if (!ret->command[0] && !h->in.run.on) {
		fault_add(&rq->faults, "profile", "required",
			"has no \"command:\", and the source has no file \"run\"");
		return err_set(e, ERR_INVALID, "profile_invalid", "the profile says no command");
	}
	for (size_t i = 0; i < ret->faults_n; i++)
		tell(h, arena_printf(rq->a, "warning: profile:%d: %s", ret->faults[i].line,
				ret->faults[i].text));
	return true;
}

/* by how much the desired set will grow, refused before anything is stored (RULES 36) */
static bool check_quota(struct hook *h, const struct profile *p, struct err *e)
{
	const struct push_target *t = &h->target;
	int64_t memory = t->memory_override ? t->memory_override
			 : p->memory	    ? p->memory
					    : h->rq->cfg->memory_default;
	int64_t instances = t->scale_override >= 0 ? t->scale_override
			    : p->scale >= 0	   ? p->scale
						   : 1;
	int64_t now = t->deployed ? t->instances : 0;

	if (!p->memory && !t->memory_override)
		tell(h, arena_printf(h->rq->a, "memory is not given: %jd MiB",
				(intmax_t)(memory >> 20)));
	if (t->stopped)
		return true;
	return app_quota_check(h->rq->db, h->owner.tenant, memory * instances - now * t->memory,
		instances - now, e);
}

static bool insert(struct hook *h, int64_t *ret_id, struct err *e)
{
	const struct hook_body *in = &h->in;
	json_t *options = json_array();
	auto_free char *args = NULL;
	json_auto_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "push", in->push, "ref",
		in->ref, "branch", in->branch, "old", in->old, "new", in->new, "options", options);

	for (size_t i = 0; i < in->options.n; i++)
		(void)json_array_append_new(options, json_string(in->options.v[i]));
	args = json_dumps(o, JSON_COMPACT);
	return operation_insert(h->rq->db,
		&(struct operation_new){ .tenant = h->owner.tenant,
			.app_id = h->repo,
			.app = h->owner.app,
			.kind = "push",
			.state = "receiving",
			.args = args,
			.request_id = in->request_id ? in->request_id : h->rq->id,
			.created_by = in->actor },
		ret_id, e);
}

static bool judge(struct hook *h, int64_t *ret_id, struct err *e)
{
	struct profile p;
	const char *args;

	if (!push_operation(h->rq->db, h->rq->a, h->repo, h->in.push, ret_id, &args, e))
		return false;
	if (*ret_id) /* asked again: the first answer was lost */
		return true;
	return check_size(h, e) && read_profile(h, &p, e) && check_quota(h, &p, e) &&
	       insert(h, ret_id, e);
}

static bool hook_pre_receive(struct request *rq, struct response *rs, struct err *e)
{
	struct hook h = { .rq = rq };
	json_auto_t *lines = json_array();
	int64_t id = 0;

	h.lines = lines;
	if (!body_decode(rq, PRE_RECEIVE, ARRAY_SIZE(PRE_RECEIVE), &h.in, e) || !find_owner(&h, e))
		return false;
	if (h.in.ref && (!h.in.branch || !h.in.old || !h.in.new))
		return err_set(e, ERR_INVALID, "malformed", "branch, old and new belong to a ref");
	if (!open_target(&h, e) || (h.in.ref && !judge(&h, &id, e)))
		return false;
	response_json(rs, 200,
		json_pack(
			"{s:o, s:O}", "operation", id ? json_id(id) : json_null(), "lines", lines));
	return true;
}

static bool hook_update(struct request *rq, struct response *rs, struct err *e)
{
	struct hook h = { .rq = rq };
	json_auto_t *args = NULL;
	const char *text, *ref;
	bool detach = false;
	int64_t id;
	json_t *option;
	size_t i;

	if (!body_decode(rq, UPDATE, ARRAY_SIZE(UPDATE), &h.in, e) || !find_owner(&h, e) ||
		!push_operation(rq->db, rq->a, h.repo, h.in.push, &id, &text, e))
		return false;
	args = json_loads(text, 0, NULL);
	ref = json_string_value(json_object_get(args, "ref"));
	if (!id || !ref || !streq(ref, h.in.ref)) {
		response_json(rs, 200, json_pack("{s:n, s:b}", "operation", "detach", 0));
		return true;
	}
	json_array_foreach (json_object_get(args, "options"), i, option)
		if (streq(json_string_value(option), "detach"))
			detach = true;
	if (!push_operation_queue(rq->db, id, e))
		return false;
	response_json(
		rs, 200, json_pack("{s:o, s:b}", "operation", json_id(id), "detach", (int)detach));
	return true;
}

static json_t *lines_json(const PGresult *r)
{
	json_t *list = json_array();

	for (int i = 0; i < db_rows(r); i++)
		(void)json_array_append_new(
			list, json_pack("{s:I, s:s}", "seq", (json_int_t)db_i64(r, i, "seq"),
				      "line", db_text(r, i, "line")));
	return list;
}

SQL(APP_PORT, "SELECT coalesce(port, 0) FROM app WHERE id = $1");

/* where the app is reached now; NULL: it is not there any more */
static json_t *address_json(struct request *rq, const struct push_owner *owner, int64_t app)
{
	auto_buf struct buf b;
	int64_t port;
	struct err e;

	buf_init(&b, 4096);
	if (!db_one_i64(rq->db, &port, &e, APP_PORT, I64(app)) ||
		!address_of_app(&b, rq->cfg, owner->name, owner->app, port))
		return NULL;
	return json_string(b.data);
}

static void put_end(struct request *rq, const struct push_owner *owner, int64_t repo,
	const PGresult *r, json_t *body)
{
	const char *lines = db_text_null(r, 0, "error_lines");
	json_t *address;

	if (streq(db_text(r, 0, "state"), "succeeded")) {
		(void)json_object_set_new(body, "release", cell_number(r, 0, "release_number"));
		address = address_json(rq, owner, repo);
		if (address)
			(void)json_object_set_new(body, "address", address);
		return;
	}
	(void)json_object_set_new(body, "error_code", cell_text(r, 0, "error_code"));
	(void)json_object_set_new(body, "error", cell_text(r, 0, "error"));
	if (lines)
		(void)json_object_set_new(body, "error_lines", json_loads(lines, 0, NULL));
}

static bool is_end(const char *state)
{
	return streq(state, "succeeded") || streq(state, "failed") || streq(state, "cancelled");
}

static bool hook_operation(struct request *rq, struct response *rs, struct err *e)
{
	auto_result PGresult *r = NULL, *lines = NULL;
	const char *text = request_query(rq, "repo"), *state;
	struct push_owner owner;
	int64_t repo, id, after = 0, wait = wait_asked(rq, MAX_HOOK_WAIT_S);
	json_t *body;

	(void)request_query_i64(rq, "after", 0, INT64_MAX, &after);
	if (!faults_end(&rq->faults, e))
		return false;
	if (!text || !parse_i64(text, 1, INT64_MAX, &repo) ||
		!parse_i64(request_param(rq, "id"), 1, INT64_MAX, &id))
		return request_not_found(rq, e);
	if (!push_owner(rq->db, rq->a, repo, "push", &owner, e) ||
		!operation_get(rq->db, id, &r, e))
		return false;
	if (db_i64(r, 0, "app_id") != repo)
		return request_not_found(rq, e);
	if (!operation_lines(rq->db, id, after, MAX_LINES, &lines, e))
		return false;
	state = db_text(r, 0, "state");
	body = json_pack("{s:s, s:o, s:o, s:o}", "state",
		streq(state, "receiving") ? "queued" : state, "lines", lines_json(lines),
		"position", cell_number(r, 0, "position"), "waiting", cell_text(r, 0, "waiting"));
	if (body && is_end(state))
		put_end(rq, &owner, repo, r, body);
	else if (db_rows(lines) == 0)
		response_again(rs, "nap_operation", request_param(rq, "id"), wait);
	response_json(rs, 200, body);
	return true;
}

static const struct route hooks_routes[] = {
	{ "POST", "/internal/v1/hooks/pre-receive", ACCESS_HOOK, BODY_JSON | BODY_LARGE,
		hook_pre_receive, ROUTE_BODY(PRE_RECEIVE) },
	{ "POST", "/internal/v1/hooks/update", ACCESS_HOOK, BODY_JSON, hook_update,
		ROUTE_BODY(UPDATE) },
	{ "GET", "/internal/v1/operations/:id", ACCESS_HOOK, 0, hook_operation, .body = NULL },
};
ROUTE_TABLE(hooks);
