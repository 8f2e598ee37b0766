/* Operations, from outside of the one that a command has begun. */
#include "base/clock.h"
#include "cli/operation.h"
#include "cli/rest.h"
#include "cli/table.h"

static const char *duration(struct cli *c, const json_t *o)
{
	int64_t from, to = clock_now_us();

	if (!clock_parse_rfc3339(rest_text(o, "started_at"), &from))
		return NULL;
	(void)!clock_parse_rfc3339(rest_text(o, "ended_at"), &to);
	return term_seconds(&c->a, MAX(to - from, INT64_C(0)));
}

int cli_ops_list(struct cli *c)
{
	const char *app = cli_option(c, "app"), *state = cli_option(c, "state");
	struct table t = table_new(&c->a, &c->out, "ID KIND APP !STATE +AGO +TOOK BY *ERROR");
	int64_t lines = 20, now = clock_now_us();
	const json_t *op;
	json_t *page;
	size_t i;

	if (!cli_number(c, "lines", 1, 1000, &lines))
		return CLI_USAGE;
	if (!rest_get(c,
		    arena_printf(&c->a, "/operations?limit=%lld%s%s", (long long)lines,
			    app ? rest_path(c, "&app=%s", app) : "",
			    state ? rest_path(c, "&state=%s", state) : ""),
		    &page))
		return c->exit;
	if (rest_print_json(c, page))
		return CLI_OK;
	json_array_foreach (json_object_get(page, "items"), i, op)
		table_row(&t, rest_text(op, "id"), rest_text(op, "kind"), rest_text(op, "app"),
			rest_text(op, "state"), term_age(&c->a, rest_text(op, "created_at"), now),
			duration(c, op), rest_text(op, "created_by"),
			rest_text(json_object_get(op, "error"), "detail"));
	table_print(&t);
	return CLI_OK;
}

static void show(struct cli *c, const json_t *op)
{
	const json_t *error = json_object_get(op, "error"), *step;
	struct table t = table_new(&c->a, &c->out, "STEP !STATE +TOOK");
	size_t i;

	(void)fprintf(c->out.file, "%s of %s: ", rest_text(op, "kind"),
		term_text(&c->a, rest_text(op, "app")));
	term_put(&c->out, term_state(rest_text(op, "state")), rest_text(op, "state"));
	(void)fputc('\n', c->out.file);
	json_array_foreach (json_object_get(op, "steps"), i, step)
		table_row(&t, rest_text(step, "name"), rest_text(step, "state"), duration(c, step));
	table_print(&t);
	if (json_is_object(error))
		(void)fprintf(c->out.file, "%s (%s)\n",
			term_text(&c->a, rest_text(error, "detail")), rest_text(error, "code"));
}

int cli_ops_show(struct cli *c)
{
	json_t *op, *body;
	int code;

	if (!rest_get(c, rest_path(c, "/operations/%s", c->word[0]), &op))
		return c->exit;
	if (!cli_option(c, "wait")) {
		if (!rest_print_json(c, op))
			show(c, op);
		return CLI_OK;
	}
	body = json_pack("{s:O}", "operation", op);
	code = operation_wait(c, body);
	(void)rest_print_json(c, json_object_get(body, "operation"));
	json_decref(body);
	return code;
}

int cli_ops_cancel(struct cli *c)
{
	json_t *body;

	if (!rest_send(c, "POST", rest_path(c, "/operations/%s/cancel", c->word[0]), NULL, &body))
		return c->exit;
	if (!rest_print_json(c, body))
		(void)fprintf(c->out.file, "operation %s is asked to end\n", c->word[0]);
	return CLI_OK;
}
