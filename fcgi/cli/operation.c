#include "cli/operation.h"

#include "base/clock.h"
#include "cli/rest.h"

#define POLL "1" /* seconds that an answer may wait for the end */

struct progress {
	struct cli *c;
	size_t told; /* steps */
	char waiting[256];
	bool drawn; /* the line that is drawn over stands there */
};

static bool has_ended(const json_t *op)
{
	const char *state = rest_text(op, "state");

	return streq(state, "succeeded") || streq(state, "failed") || streq(state, "cancelled");
}

static void clear_line(struct progress *p)
{
	if (p->drawn)
		(void)fputs("\r\033[K", p->c->err.file);
	p->drawn = false;
}

/* from its begin to its end, or to now */
static const char *time_of(struct cli *c, const json_t *step)
{
	int64_t from, to = clock_now_us();

	if (!clock_parse_rfc3339(rest_text(step, "started_at"), &from))
		return "";
	(void)!clock_parse_rfc3339(rest_text(step, "ended_at"), &to);
	return term_seconds(&c->a, MAX(to - from, INT64_C(0)));
}

static void tell_step(struct progress *p, const json_t *step)
{
	const struct term *t = &p->c->err;
	const char *state = rest_text(step, "state");

	clear_line(p);
	(void)fputs("  ", t->file);
	term_put(t, term_state(state), streq(state, "succeeded") ? "ok    " : state);
	(void)fprintf(t->file, "  %-10s %s\n", term_text(&p->c->a, rest_text(step, "name")),
		time_of(p->c, step));
}

static void draw(struct progress *p, const json_t *op, const json_t *step)
{
	struct cli *c = p->c;
	const char *waiting = rest_text(op, "waiting"), *line;
	int64_t total = rest_number(op, "total"), position = rest_number(op, "position");

	if (!step)
		line = position > 1 ? arena_printf(&c->a, "waiting, %lld before it",
					      (long long)(position - 1))
				    : "waiting";
	else
		line = arena_printf(&c->a, "%s %s%s%s", rest_text(step, "name"),
			total ? arena_printf(&c->a, "%lld of %lld ",
					(long long)rest_number(op, "done"), (long long)total)
			      : "",
			time_of(c, step), *waiting ? ": " : "");
	line = term_text(&c->a, arena_printf(&c->a, "  ...     %s%s", line, waiting));
	clear_line(p);
	(void)fprintf(c->err.file, "%.*s", (int)term_fit(line, c->err.width - 1), line);
	(void)fflush(c->err.file);
	p->drawn = true;
}

static void tell(struct progress *p, const json_t *op)
{
	const json_t *steps = json_object_get(op, "steps");
	const json_t *last = json_array_get(steps, json_array_size(steps) - 1);
	const char *waiting = rest_text(op, "waiting");

	for (; p->told < json_array_size(steps); p->told++) {
		const json_t *step = json_array_get(steps, p->told);

		if (!*rest_text(step, "ended_at"))
			break;
		tell_step(p, step);
	}
	if (has_ended(op))
		clear_line(p);
	else if (p->c->err.tty)
		draw(p, op, last);
	else if (*waiting && !streq(waiting, p->waiting))
		(void)fprintf(p->c->err.file, "  waits   %s\n", term_text(&p->c->a, waiting));
	(void)snprintf(p->waiting, sizeof p->waiting, "%s", waiting);
}

static int tell_failure(struct cli *c, const json_t *op)
{
	const json_t *error = json_object_get(op, "error"), *line;
	const char *detail = rest_text(error, "detail"), *code = rest_text(error, "code");
	const char *id = rest_text(op, "id"), *state = rest_text(op, "state");
	size_t i;

	(void)cli_fail(c, 0, "%s %s: %s (%s, operation %s)", rest_text(op, "kind"), state,
		*detail ? detail : "nap gave no reason", *code ? code : "operation_failed", id);
	json_array_foreach (json_object_get(error, "lines"), i, line) {
		const char *text =
			json_is_string(line) ? json_string_value(line) : rest_text(line, "message");

		(void)fprintf(c->err.file, "  | %s\n", term_text(&c->a, text));
	}
	(void)fprintf(c->err.file, "  its log: nap ops log %s\n", id);
	return CLI_FAILED;
}

int operation_wait(struct cli *c, json_t *body)
{
	struct progress p = { .c = c };
	json_t *op = json_object_get(body, "operation");
	const char *id = arena_strdup(&c->a, rest_text(op, "id"));

	if (!json_is_object(op) || cli_option(c, "detach"))
		return CLI_OK;
	tell(&p, op);
	while (!has_ended(op)) {
		if (!rest_get(c, rest_path(c, "/operations/%s?wait=" POLL, id), &op)) {
			clear_line(&p);
			if (cli_interrupted())
				(void)fprintf(c->err.file,
					"the operation goes on; to look at it: nap ops show %s --wait\n",
					id);
			return c->exit;
		}
		tell(&p, op);
	}
	(void)json_object_set(body, "operation", op);
	return streq(rest_text(op, "state"), "succeeded") ? CLI_OK : tell_failure(c, op);
}

int operation_end(struct cli *c, json_t *body, const char *done)
{
	int code = operation_wait(c, body);
	const json_t *op = json_object_get(body, "operation");

	if (rest_print_json(c, body) || code != CLI_OK)
		return code;
	if (cli_option(c, "detach") && json_is_object(op))
		(void)fprintf(c->out.file, "operation %s\n", rest_text(op, "id"));
	else if (done)
		(void)fprintf(c->out.file, "%s\n", term_text(&c->a, done));
	return CLI_OK;
}

int operation_run(
	struct cli *c, const char *method, const char *path, json_t *body, const char *done)
{
	json_t *answer;

	return rest_send(c, method, path, body, &answer) ? operation_end(c, answer, done) : c->exit;
}
