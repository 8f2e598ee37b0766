/* What instances and operations wrote. */
#include "base/text.h"
#include "cli/rest.h"

/* a terminal obeys no byte of a tenant's; a pipe gets the line as it is */
static const char *shown(struct cli *c, const char *text)
{
	return c->out.tty ? utf8_scrub(&c->a, text, strlen(text)) : text;
}

static void print_line(struct cli *c, const json_t *line)
{
	if (rest_print_json(c, line))
		return;
	if (!cli_option(c, "instance"))
		term_put(&c->out, DIM,
			arena_printf(&c->a, "%lld | ", (long long)rest_number(line, "instance")));
	term_put(&c->out, streq(rest_text(line, "stream"), "system") ? YELLOW : PLAIN,
		shown(c, rest_text(line, "message")));
	(void)fputc('\n', c->out.file);
}

static bool on_line(void *ctx, const char *event, const json_t *data)
{
	struct cli *c = ctx;

	(void)event;
	if (*rest_text(data, "time"))
		print_line(c, data);
	return fflush(c->out.file) == 0;
}

int cli_logs(struct cli *c)
{
	int64_t lines = 100, instance = 0;
	const json_t *line;
	const char *path;
	json_t *all;
	size_t i;

	if (!cli_number(c, "lines", 1, 1000, &lines) ||
		!cli_number(c, "instance", 1, 500, &instance))
		return CLI_USAGE;
	path = arena_printf(&c->a, "%s?lines=%lld&instance=%lld",
		rest_path(c, "/apps/%s/logs", c->word[0]), (long long)lines, (long long)instance);
	if (cli_option(c, "follow"))
		return rest_stream(c, path, on_line, c) ? CLI_OK : c->exit;
	if (!rest_get(c, path, &all))
		return c->exit;
	if (rest_print_json(c, all))
		return CLI_OK;
	json_array_foreach (json_object_get(all, "items"), i, line)
		print_line(c, line);
	return CLI_OK;
}

struct following {
	struct cli *c;
	char state[16];
};

static bool on_operation_line(void *ctx, const char *event, const json_t *data)
{
	struct following *f = ctx;

	if (streq(event, "end")) {
		(void)snprintf(f->state, sizeof f->state, "%s", rest_text(data, "state"));
		return false;
	}
	if (!rest_print_json(f->c, data))
		(void)fprintf(f->c->out.file, "%s\n", shown(f->c, rest_text(data, "line")));
	return fflush(f->c->out.file) == 0;
}

int cli_ops_log(struct cli *c)
{
	const char *path = rest_path(c, "/operations/%s/log", c->word[0]), *after = "";
	struct following f = { .c = c };
	const json_t *line;
	json_t *page;
	size_t i;

	if (cli_option(c, "follow")) {
		if (!rest_stream(c, path, on_operation_line, &f))
			return c->exit;
		return f.state[0] && !streq(f.state, "succeeded") ? CLI_FAILED : CLI_OK;
	}
	do {
		if (!rest_get(c, arena_printf(&c->a, "%s?limit=1000%s", path, after), &page))
			return c->exit;
		if (!rest_print_json(c, page))
			json_array_foreach (json_object_get(page, "items"), i, line)
				(void)fprintf(
					c->out.file, "%s\n", shown(c, rest_text(line, "line")));
		after = rest_text(page, "next");
		after = *after ? rest_path(c, "&after=%s", after) : "";
	} while (*after);
	return CLI_OK;
}
