#include "serve/idempotency.h"

#include "serve/route.h"
#include "store/credential.h"

SQL(KEY_LOCK,
	"SELECT pg_try_advisory_xact_lock(hashtextextended(concat_ws(E'\\n', $1::text, $2::text, $3::text, "
	"$4::text, $5::text), 0))::integer");
SQL(KEY_LOOK,
	"SELECT body_hash, status, headers, body FROM idempotency WHERE tenant_id = $1 AND credential = $2 "
	"AND method = $3 AND path = $4 AND key = $5 AND at > now() - interval '24 hours'");
SQL(KEY_SWEEP, "DELETE FROM idempotency WHERE tenant_id = $1 AND at < now() - interval '24 hours'");
SQL(KEY_KEEP,
	"INSERT INTO idempotency (tenant_id, credential, method, path, key, body_hash, status, headers, body) "
	"VALUES ($1, $2, $3, $4, $5, $6::bytea, $7, $8, $9) ON CONFLICT ON CONSTRAINT idempotency_key DO NOTHING");

bool idempotency_key(const struct request *rq, const char **ret, struct err *e)
{
	const char *key = request_header(rq, "Idempotency-Key");

	*ret = NULL;
	if (!key || !streq(rq->method, "POST") || (rq->route->flags & ROUTE_NO_KEY))
		return true;
	for (const char *p = key; *p; p++)
		if (*p < 0x21 || *p > 0x7e)
			return err_set(e, ERR_INVALID, "malformed",
				"Idempotency-Key must be printable ASCII without blanks");
	if (strlen(key) > MAX_KEY_BYTES)
		return err_set(e, ERR_INVALID, "malformed",
			"Idempotency-Key must have at most %d characters", MAX_KEY_BYTES);
	*ret = key;
	return true;
}

/* of the body and the query: ?dry_run=true is another request */
static const char *hash_of(struct request *rq)
{
	unsigned char hash[CREDENTIAL_HASH];
	char *text = arena_printf(rq->a, "%s\n%s", rq->query ? rq->query : "", rq->body);
	char *param = arena_alloc(rq->a, 2 * sizeof hash + 3);

	credential_hash(text, hash);
	return db_param_bytes(param, hash, sizeof hash);
}

/* "Location: /x\nETag: …" */
static const char *headers_text(struct arena *a, const struct response *rs)
{
	char *text = arena_printf(a, "%s\n", rs->content_type ? rs->content_type : "");

	for (size_t i = 0; i < rs->headers_n; i++)
		text = arena_printf(
			a, "%s%s\n%s\n", text, rs->headers[i].name, rs->headers[i].value);
	return text;
}

static const char *cut_line(char **rest)
{
	char *line = *rest, *end = strchr(line, '\n');

	if (!end)
		return NULL;
	*end = '\0';
	*rest = end + 1;
	return line;
}

static void replay(struct request *rq, struct response *rs, const PGresult *r)
{
	static const char operation[] = "/api/v1/operations/";
	char *rest = arena_strdup(rq->a, db_text(r, 0, "headers"));
	const char *type = cut_line(&rest), *name, *value;
	struct buf *b =
		response_body(rs, (int)db_i64(r, 0, "status"), type && type[0] ? type : NULL);

	buf_puts(b, db_text(r, 0, "body"));
	while ((name = cut_line(&rest)) && (value = cut_line(&rest))) {
		response_header(rs, name, value);
		if (rs->status == 202 && streq(name, "Location") && starts_with(value, operation))
			rs->operation = strtoll(value + sizeof operation - 1, NULL, 10);
	}
	response_header(rs, "Idempotent-Replayed", "true");
}

bool idempotency_look(
	struct request *rq, const char *key, struct response *rs, bool *ret_replayed, struct err *e)
{
	auto_result PGresult *r = NULL;
	const struct caller *c = &rq->caller;
	int64_t locked;

	if (!db_one_i64(rq->db, &locked, e, KEY_LOCK, I64(c->tenant), c->actor, rq->method,
		    rq->path, key))
		return false;
	if (!locked)
		return err_set(e, ERR_CONFLICT, "in_progress",
			"a request with this Idempotency-Key is still running");
	if (!db_query(rq->db, &r, e, KEY_LOOK, I64(c->tenant), c->actor, rq->method, rq->path, key))
		return false;
	*ret_replayed = db_rows(r) > 0;
	if (!*ret_replayed)
		return true;
	if (!streq(db_text(r, 0, "body_hash"), hash_of(rq)))
		return err_set(e, ERR_INVALID, "idempotency_key_reused",
			"this Idempotency-Key was used for a request with another body");
	replay(rq, rs, r);
	return true;
}

bool idempotency_is_kept(int status)
{
	return status < 500 && status != 401 && status != 429;
}

static const char *body_without_secrets(struct request *rq, const struct response *rs)
{
	json_auto_t *body = NULL;
	auto_free char *text = NULL;

	if (rs->secrets_n == 0)
		return rs->body.data;
	body = json_loadb(rs->body.data, rs->body.len, 0, NULL);
	for (size_t i = 0; i < rs->secrets_n; i++)
		(void)json_object_del(body, rs->secrets[i]);
	text = json_dumps(body, JSON_COMPACT);
	return arena_strdup(rq->a, text ? text : "{}");
}

bool idempotency_keep(struct request *rq, const char *key, const struct response *rs, struct err *e)
{
	const struct caller *c = &rq->caller;

	return db_exec(rq->db, NULL, e, KEY_SWEEP, I64(c->tenant)) &&
	       db_exec(rq->db, NULL, e, KEY_KEEP, I64(c->tenant), c->actor, rq->method, rq->path,
		       key, hash_of(rq), I64(rs->status), headers_text(rq->a, rs),
		       body_without_secrets(rq, rs));
}
