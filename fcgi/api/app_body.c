#include "api/app.h"
#include "base/text.h"
#include "model/address.h"
#include "store/operation.h"

bool app_of(struct request *rq, struct app *ret, struct err *e)
{
	if (app_find(rq->db, rq->a, rq->caller.tenant, request_param(rq, "app"), ret, e))
		return true;
	return e->kind == ERR_NOT_FOUND ? request_not_found(rq, e) : false;
}

bool app_take(struct request *rq, struct app *ret, struct err *e)
{
	if (!app_lock(rq->db, rq->a, rq->caller.tenant, request_param(rq, "app"), ret, e))
		return e->kind == ERR_NOT_FOUND ? request_not_found(rq, e) : false;
	if (ret->deleting)
		return err_set(e, ERR_CONFLICT, "app_deleting",
			"application \"%s\" is being destroyed", ret->name);
	return true;
}

bool path_number(struct request *rq, const char *name, int64_t max, int64_t *ret, struct err *e)
{
	return parse_i64(request_param(rq, name), 1, max, ret) || request_not_found(rq, e);
}

bool caller_first(struct request *rq, struct err *e)
{
	struct err fault = *e;

	if (caller_ask(rq, NULL, 0, NULL, e))
		*e = fault;
	return false;
}

void app_writer_init(struct app_writer *w, const struct request *rq, const PGresult *r)
{
	rows_init(&w->rows, r, APP_FIELDS, APP_FIELDS_N);
	w->cfg = rq->cfg;
	w->tenant = rq->caller.name;
	w->name = db_column(r, "name");
	w->port = db_column(r, "port");
}

void app_write(const struct app_writer *w, int row, struct buf *b)
{
	size_t n, before;
	const char *name = db_cell(w->rows.r, row, w->name, &n);
	const char *port = db_cell(w->rows.r, row, w->port, &n);

	buf_putc(b, '{');
	rows_members(&w->rows, row, b);
	before = b->len;
	buf_puts(b, ",\"address\":\"");
	if (address_of_app(b, w->cfg, w->tenant, name, port ? atoll(port) : 0)) {
		buf_putc(b, '"');
	} else if (!b->failed) {
		b->len = before;
		buf_puts(b, ",\"address\":null");
	}
	buf_puts(b, ",\"git_http\":\"");
	address_of_git(b, w->cfg, w->tenant, name);
	buf_puts(b, "\",\"git_ssh\":\"");
	address_of_git_ssh(b, w->cfg, w->tenant, name);
	buf_puts(b, "\"}");
}

json_t *app_json(struct request *rq, const char *name, struct err *e)
{
	auto_result PGresult *r = NULL;
	auto_buf struct buf b = { 0 };
	struct app_writer w;
	json_t *body;

	if (!app_get(rq->db, rq->caller.tenant, name, &r, e))
		return NULL;
	buf_init(&b, 1024 * 1024);
	app_writer_init(&w, rq, r);
	app_write(&w, 0, &b);
	body = json_loadb(b.data, b.len, 0, NULL);
	if (!body)
		(void)err_set(e, ERR_INTERNAL, "internal", "the app's body is no JSON");
	return body;
}

bool app_operation(struct request *rq, struct response *rs, int64_t app_id, const char *app,
	const char *kind, const char *lane, const char *args, struct err *e)
{
	const struct operation_new operation = {
		.tenant = rq->caller.tenant,
		.app_id = app_id,
		.app = app,
		.kind = kind,
		.lane = lane,
		.args = args,
		.request_id = rq->id,
		.created_by = rq->caller.actor,
	};
	int64_t id;
	json_t *body;

	if (!operation_insert(rq->db, &operation, &id, e))
		return false;
	body = app_json(rq, app, e);
	return body && response_operation(rq, rs, id, "app", body, e);
}

bool wants_text(const struct request *rq)
{
	const char *accept = request_header(rq, "Accept");
	const char *text = accept ? strstr(accept, "text/plain") : NULL;
	const char *json = accept ? strstr(accept, "application/json") : NULL;

	return text && (!json || text < json);
}

void tenants_bytes(struct response *rs)
{
	response_header(rs, "Content-Security-Policy", "sandbox; default-src 'none'");
}

struct buf *list_begin(struct response *rs)
{
	struct buf *b = response_body(rs, 200, "application/json");

	buf_puts(b, "{\"items\":[");
	return b;
}

void list_end_open(struct request *rq, struct buf *b, const char *next)
{
	if (next) {
		buf_puts(b, "],\"next\":\"");
		buf_puts(b, cursor_make(rq->a, next));
		buf_putc(b, '"');
	} else {
		buf_puts(b, "],\"next\":null");
	}
}

void list_end(struct request *rq, struct buf *b, const char *next)
{
	list_end_open(rq, b, next);
	buf_putc(b, '}');
}
