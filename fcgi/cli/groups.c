/* Similar apps, and groups of them. */
#include "base/text.h"
#include "cli/command.h"
#include "cli/operation.h"
#include "cli/rest.h"
#include "cli/table.h"

/* the commands as the request has them: one may be a template, several are taken as they are */
static json_t *similar_body(const struct cli *c, int64_t parallel)
{
	json_t *body, *list;

	if (c->words == 2) {
		body = json_pack("{s:s}", "command", c->word[1]);
	} else {
		list = json_array();
		for (size_t i = 1; i < c->words; i++)
			(void)json_array_append_new(list, json_string(c->word[i]));
		body = json_pack("{s:o}", "commands", list);
	}
	if (parallel)
		(void)json_object_set_new(body, "parallel", json_integer(parallel));
	return body;
}

static void list_members(struct cli *c, const json_t *apps)
{
	struct table t = table_new(&c->a, &c->out, "NAME *COMMAND");
	const json_t *app;
	size_t i;

	json_array_foreach (apps, i, app)
		table_row(&t, rest_text(app, "name"), rest_text(app, "command"));
	table_print(&t);
}

static void tell_need(struct cli *c, const json_t *body)
{
	const json_t *need = json_object_get(body, "needed"), *left = json_object_get(body, "left");
	char needed[BYTES_TEXT_SIZE], rest[BYTES_TEXT_SIZE];

	(void)fprintf(c->out.file,
		"takes %s of memory (%s left), %lld instances (%lld left), %lld apps (%lld left): room for %lld of %zu\n",
		bytes_text(needed, rest_number(need, "memory")),
		bytes_text(rest, rest_number(left, "memory")),
		(long long)rest_number(need, "instances"),
		(long long)rest_number(left, "instances"), (long long)rest_number(need, "apps"),
		(long long)rest_number(left, "apps"), (long long)rest_number(body, "possible"),
		json_array_size(json_object_get(body, "apps")));
}

int cli_similar(struct cli *c)
{
	const char *path = rest_path(c, "/apps/%s/similar", c->word[0]);
	bool dry = cli_option(c, "dry-run");
	int64_t parallel = 0;
	json_t *body;
	int code;

	if (!cli_number(c, "parallel", 1, 1000, &parallel))
		return CLI_USAGE;
	if (!rest_send(c, "POST", arena_printf(&c->a, "%s%s", path, dry ? "?dry_run=true" : ""),
		    similar_body(c, parallel), &body))
		return c->exit;
	if (dry) {
		if (rest_print_json(c, body))
			return CLI_OK;
		list_members(c, json_object_get(body, "apps"));
		tell_need(c, body);
		return CLI_OK;
	}
	code = operation_end(c, body, NULL);
	if (!c->json && !cli_option(c, "detach"))
		list_members(c, json_object_get(body, "apps"));
	return code;
}

int cli_group_list(struct cli *c)
{
	struct table t = table_new(&c->a, &c->out,
		"NAME +MEMBERS +RUNNING +STARTING +DEGRADED +FAILED +FINISHED +STOPPED +WAITING");
	const json_t *g;
	json_t *all;
	size_t i;

	if (!rest_list(c, "/groups", "", &all))
		return c->exit;
	if (rest_print_json(c, all))
		return CLI_OK;
	json_array_foreach (json_object_get(all, "items"), i, g)
		table_row(&t, rest_text(g, "name"), rest_shown(c, g, "members"),
			rest_shown(c, g, "running"), rest_shown(c, g, "starting"),
			rest_shown(c, g, "degraded"), rest_shown(c, g, "failed"),
			rest_shown(c, g, "finished"), rest_shown(c, g, "stopped"),
			rest_shown(c, g, "waiting"));
	table_print(&t);
	return CLI_OK;
}

static const char *seconds(struct cli *c, const json_t *member)
{
	const json_t *v = json_object_get(member, "seconds");

	return json_is_number(v) ? term_seconds(&c->a, (int64_t)(json_number_value(v) * 1e6))
				 : NULL;
}

static const char *end_of(struct cli *c, const json_t *member)
{
	const char *end = rest_text(member, "end");

	return streq(end, "exit-code") ? arena_printf(&c->a, "exit %lld",
						 (long long)rest_number(member, "exit_code"))
				       : end;
}

int cli_group_show(struct cli *c)
{
	struct table t = table_new(&c->a, &c->out, "NAME !STATE +RUNS +TOOK END *COMMAND");
	const json_t *m;
	json_t *all;
	size_t i;

	if (!rest_list(c, rest_path(c, "/groups/%s", c->word[0]), "", &all))
		return c->exit;
	if (rest_print_json(c, all))
		return CLI_OK;
	json_array_foreach (json_object_get(all, "items"), i, m)
		table_row(&t, rest_text(m, "name"), rest_text(m, "state"), rest_shown(c, m, "runs"),
			seconds(c, m), end_of(c, m), rest_text(m, "command"));
	table_print(&t);
	return CLI_OK;
}

/* group start, stop, restart: the verb is the command's second word */
int cli_group_power(struct cli *c)
{
	const char *verb = strchr(c->command->name, ' ') + 1;

	return operation_run(c, "POST",
		arena_printf(&c->a, "%s/%s", rest_path(c, "/groups/%s", c->word[0]), verb), NULL,
		arena_printf(&c->a, "%s of all members of %s: done", verb, c->word[0]));
}

int cli_group_rerun(struct cli *c)
{
	return operation_run(c, "POST", rest_path(c, "/groups/%s/rerun", c->word[0]),
		json_pack("{s:s}", "which", cli_option(c, "all") ? "all" : "failed"),
		arena_printf(&c->a, "the members of %s run again", c->word[0]));
}

int cli_group_destroy(struct cli *c)
{
	json_t *group;

	if (!rest_get(c, rest_path(c, "/groups/%s?limit=1", c->word[0]), &group))
		return c->exit;
	if (!cli_confirm(c,
		    arena_printf(&c->a, "destroying all %lld members of group",
			    (long long)rest_number(group, "members")),
		    c->word[0]))
		return CLI_USAGE;
	return operation_run(c, "DELETE",
		rest_path(c, "/groups/%s?confirm=%s", c->word[0], c->word[0]), NULL,
		arena_printf(&c->a, "group %s is destroyed", c->word[0]));
}

/* a column of names that the members decide: parameters and results */
static void add_columns(const json_t *names, const char **heading, struct cli *c)
{
	const json_t *name;
	size_t i;

	json_array_foreach (names, i, name) {
		char *word = arena_strdup(&c->a, term_text(&c->a, json_string_value(name)));

		for (char *p = word; (p = strchr(p, ' '));)
			*p = '_';
		*heading = arena_printf(&c->a, "%s +%s", *heading, word);
	}
}

static size_t add_cells(struct cli *c, const json_t *names, const json_t *values, const char **cell)
{
	const json_t *name;
	size_t i;

	json_array_foreach (names, i, name)
		cell[i] = rest_shown(c, values, json_string_value(name));
	return json_array_size(names);
}

static int results_table(struct cli *c, const json_t *body)
{
	const json_t *params = json_object_get(body, "params"),
		     *values = json_object_get(body, "values"), *m;
	size_t n = json_array_size(params) + json_array_size(values), i;
	const char *heading = "NAME !STATE", **cell = arena_alloc(&c->a, (n + 3) * sizeof *cell);
	struct table t;

	add_columns(params, &heading, c);
	add_columns(values, &heading, c);
	if (n + 3 > TABLE_COLUMNS)
		return cli_fail(c, CLI_REFUSED,
			"%zu parameters and results are too many columns: use --csv or --json", n);
	t = table_new(&c->a, &c->out, arena_printf(&c->a, "%s +TOOK", heading));
	json_array_foreach (json_object_get(body, "items"), i, m) {
		size_t at = 2;

		cell[0] = rest_text(m, "name");
		cell[1] = rest_text(m, "state");
		at += add_cells(c, params, json_object_get(m, "params"), cell + at);
		at += add_cells(c, values, json_object_get(m, "values"), cell + at);
		cell[at] = seconds(c, m);
		table_add(&t, cell);
	}
	table_print(&t);
	return CLI_OK;
}

int cli_results(struct cli *c)
{
	const char *sort = cli_option(c, "sort");
	struct rest_request rq = {
		.path = arena_printf(&c->a, "%s?order=%s%s",
			rest_path(c, "/groups/%s/results", c->word[0]),
			cli_option(c, "desc") ? "desc" : "asc",
			sort ? rest_path(c, "&sort=%s", sort) : ""),
		.accept = cli_option(c, "csv") ? "text/csv" : NULL,
	};
	struct rest_answer an;

	if (!rest_call(c, &rq, &an))
		return c->exit;
	if (rq.accept) {
		(void)fputs(an.text, c->out.file);
		return CLI_OK;
	}
	return rest_print_json(c, an.json) ? CLI_OK : results_table(c, an.json);
}
