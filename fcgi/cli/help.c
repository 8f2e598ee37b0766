#include "cli/command.h"

#include "base/text.h"

static const struct {
	const char *code, *what;
} EXITS[] = {
	{ "0", "it is done" },
	{ "1", "the operation failed, or nap has a fault" },
	{ "2", "the command line is wrong" },
	{ "3", "what it names does not exist" },
	{ "4", "nap refuses: rights, quota, a conflict, a value that is none" },
	{ "5", "nap cannot be reached" },
	{ "130", "Ctrl-C; an operation that was begun goes on" },
};

static const struct {
	const char *name, *what;
} ENVIRONMENT[] = {
	{ "NAP_URL", "where nap is; instead of what login has kept" },
	{ "NAP_TOKEN", "the token, instead of the kept one; for CI" },
	{ "NAP_CONFIG", "the folder of the kept tokens, instead of ~/.config/nap" },
	{ "NAP_STATE",
		"the state folder of a nap on this machine, whose address and, for who may read it, operator's "
		"token are used; ./nap sets it" },
	{ "NO_COLOR", "no colours" },
};

/* text in lines of at most width columns, each begun with so many blanks */
static void wrap(FILE *out, const char *text, size_t indent, size_t width)
{
	size_t at = 0;

	for (const char *p = text; *p;) {
		size_t n = strcspn(p, " ");
		auto_free char *word = xstrndup(p, n);
		size_t columns = term_columns(word);

		if (at && at + 1 + columns > width) {
			(void)fputc('\n', out);
			at = 0;
		}
		(void)fprintf(out, "%*s%s", at ? 1 : (int)indent, "", word);
		at += (at ? 1 : indent) + columns;
		p += n + (p[n] == ' ');
	}
	(void)fputc('\n', out);
}

static void print_options(const struct term *t, const struct cli_option_row *o)
{
	for (; o && o->name; o++) {
		auto_free char *letter =
			o->letter ? xasprintf("-%c, ", o->letter) : xstrdup("    ");
		auto_free char *left = xasprintf("  %s--%s%s%s", letter, o->name,
			o->value ? " " : "", o->value ? o->value : "");

		(void)fprintf(t->file, "%-26s %s\n", left, o->help);
	}
}

/* the next line "COMMAND\tWHAT" of examples */
static bool next_example(struct slice *rest, struct slice *ret_command, struct slice *ret_what)
{
	struct slice line;
	const char *tab;

	if (!slice_line(rest, &line))
		return false;
	tab = memchr(line.p, '\t', line.n);
	assert(tab);
	*ret_command = (struct slice){ line.p, (size_t)(tab - line.p) };
	*ret_what = (struct slice){ tab + 1, line.n - ret_command->n - 1 };
	return true;
}

void help_command(const struct term *t, const struct cli_command *command)
{
	struct slice rest = slice_of(command->examples ? command->examples : ""), example, what;

	(void)fprintf(t->file, "usage: nap %s%s%s%s\n\n", command->name,
		command->options ? " [OPTION...]" : "", *command->synopsis ? " " : "",
		command->synopsis);
	wrap(t->file, command->summary, 0, MIN(t->width, (size_t)100));
	if (command->text) {
		(void)fputc('\n', t->file);
		wrap(t->file, command->text, 0, MIN(t->width, (size_t)100));
	}
	(void)fputs("\nOptions:\n", t->file);
	print_options(t, command->options);
	print_options(t, CLI_COMMON);
	if (command->examples)
		(void)fputs("\nExamples:\n", t->file);
	while (next_example(&rest, &example, &what))
		(void)fprintf(t->file, "  %.*s\n      %.*s\n", (int)example.n, example.p,
			(int)what.n, what.p);
}

void help_all(const struct term *t)
{
	(void)fputs("usage: nap COMMAND [ARGUMENT...]\n\nCommands:\n", t->file);
	for (size_t i = 0; i < CLI_COMMANDS_N; i++)
		if (!(CLI_COMMANDS[i].flags & COMMAND_HIDDEN)) {
			auto_free char *left =
				xasprintf("%s %s", CLI_COMMANDS[i].name, CLI_COMMANDS[i].synopsis);

			(void)fprintf(t->file, "  %-26s %s\n", left, CLI_COMMANDS[i].summary);
		}
	(void)fputs("\nOptions of every command:\n", t->file);
	print_options(t, CLI_COMMON);
	(void)fputs("\nEnvironment:\n", t->file);
	for (size_t i = 0; i < ARRAY_SIZE(ENVIRONMENT); i++)
		(void)fprintf(t->file, "  %-12s %s\n", ENVIRONMENT[i].name, ENVIRONMENT[i].what);
	(void)fputs("\nExit codes:\n", t->file);
	for (size_t i = 0; i < ARRAY_SIZE(EXITS); i++)
		(void)fprintf(t->file, "  %-4s %s\n", EXITS[i].code, EXITS[i].what);
	(void)fputs("\n`nap help COMMAND` says more, with examples.\n", t->file);
}

/* -- the manual page, man(7) -------------------------------------------------------------------------------------- */

static void man_text(FILE *out, const char *text, size_t n)
{
	if (n && (*text == '.' || *text == '\''))
		(void)fputs("\\&", out);
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\\')
			(void)fputs("\\e", out);
		else if (text[i] == '-')
			(void)fputs("\\-", out);
		else if (text[i] == '\'')
			(void)fputs("\\(aq", out);
		else if (text[i] == '`')
			(void)fputs("\\(ga", out);
		else
			(void)fputc(text[i], out);
	}
}

static void man_line(FILE *out, const char *text)
{
	man_text(out, text, strlen(text));
	(void)fputc('\n', out);
}

static void man_term(FILE *out, const char *term, const char *what)
{
	(void)fputs(".TP\n.B ", out);
	man_line(out, term);
	man_line(out, what);
}

static void man_options(FILE *out, const struct cli_option_row *o)
{
	for (; o && o->name; o++) {
		auto_free char *letter = o->letter ? xasprintf("-%c, ", o->letter) : xstrdup("");
		auto_free char *term = xasprintf("%s--%s%s%s", letter, o->name, o->value ? " " : "",
			o->value ? o->value : "");

		man_term(out, term, o->help);
	}
}

static void man_command(FILE *out, const struct cli_command *command)
{
	struct slice rest = slice_of(command->examples ? command->examples : ""), example, what;
	auto_free char *head = xasprintf("nap %s %s", command->name, command->synopsis);

	(void)fputs(".SS ", out);
	man_line(out, head);
	(void)fputs(command->summary, out);
	(void)fputs(".\n", out);
	if (command->text)
		man_line(out, command->text);
	man_options(out, command->options);
	while (next_example(&rest, &example, &what)) {
		(void)fputs(".PP\n.RS\n.EX\n", out);
		man_text(out, example.p, example.n);
		(void)fputs("\n.EE\n.RE\n", out);
	}
}

void help_man(FILE *out)
{
	(void)fputs(
		".TH NAP 1 \"\" \"nap " PACKAGE_VERSION "\" \"User Commands\"\n"
		".SH NAME\nnap \\- deploy, scale and watch apps on a nap\n"
		".SH SYNOPSIS\n.B nap\n.I COMMAND\n.RI [ ARGUMENT ...]\n"
		".SH DESCRIPTION\n"
		"A nap takes source code and runs it, as many instances as asked. This program asks it by REST.\n"
		".PP\n"
		"What was asked for goes to standard output: tables that fit the terminal, or with\n"
		".B \\-\\-json\n"
		"the body as nap sent it. Progress, questions and errors go to standard error. An operation is waited for, its steps\n"
		"told with their times; Ctrl\\-C ends the waiting, not the operation.\n"
		".SH COMMANDS\n",
		out);
	for (size_t i = 0; i < CLI_COMMANDS_N; i++)
		if (!(CLI_COMMANDS[i].flags & COMMAND_HIDDEN))
			man_command(out, &CLI_COMMANDS[i]);
	(void)fputs(".SH OPTIONS\n", out);
	man_options(out, CLI_COMMON);
	(void)fputs(".SH \"EXIT STATUS\"\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(EXITS); i++)
		man_term(out, EXITS[i].code, EXITS[i].what);
	(void)fputs(".SH ENVIRONMENT\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(ENVIRONMENT); i++)
		man_term(out, ENVIRONMENT[i].name, ENVIRONMENT[i].what);
	(void)fputs(".SH FILES\n", out);
	man_term(out, "~/.config/nap/logins.json",
		"The addresses and tokens that login has kept; XDG_CONFIG_HOME/nap where that is set, or NAP_CONFIG. It is 0600.");
	man_term(out, ".napignore", "Files that `nap deploy DIR` does not send.");
	(void)fputs(".SH \"SEE ALSO\"\n.BR git\\-push (1),\n.BR gitignore (5)\n", out);
}

/* -- bash --------------------------------------------------------------------------------------------------------- */

/* the names that begin with a word, or all first words where first is "" */
static void completion_words(FILE *out, const char *first)
{
	size_t n = strlen(first);
	const char *last = "";

	for (size_t i = 0; i < CLI_COMMANDS_N; i++) {
		const char *name = CLI_COMMANDS[i].name, *word = name;
		size_t len = strcspn(name, " ");

		if (CLI_COMMANDS[i].flags & COMMAND_HIDDEN)
			continue;
		if (n) {
			if (len != n || memcmp(name, first, n) != 0 || !name[len])
				continue;
			word = name + len + 1;
		} else if (strlen(last) >= len && memcmp(last, name, len) == 0 &&
			   (last[len] == ' ' || !last[len])) {
			continue;
		}
		last = name;
		(void)fprintf(out, "%.*s ", n ? (int)strlen(word) : (int)len, word);
	}
}

static void completion_options(FILE *out, const struct cli_option_row *o)
{
	for (; o && o->name; o++)
		(void)fprintf(out, "--%s ", o->name);
}

static const char *completion_kind(const char *words)
{
	return !words			   ? ""
	       : streq(words, "app")	   ? "$(_nap_names apps)"
	       : streq(words, "group")	   ? "$(_nap_names group list)"
	       : streq(words, "operation") ? "$(_nap_ids)"
					   : "@file";
}

void help_completion(FILE *out)
{
	(void)fputs(
		"# bash completion for nap, made by `nap help --completion`\n"
		"_nap_names() { nap \"$@\" 2>/dev/null | awk 'NR > 1 { print $1 }'; }\n"
		"_nap_ids() { nap ops list 2>/dev/null | awk 'NR > 1 { print $1 }'; }\n"
		"_nap() {\n"
		"\tlocal cur=${COMP_WORDS[COMP_CWORD]} first=${COMP_WORDS[1]} name=${COMP_WORDS[1]} options= words= at=2\n"
		"\tif [ \"$COMP_CWORD\" = 1 ]; then\n\t\tmapfile -t COMPREPLY < <(compgen -W '",
		out);
	completion_words(out, "");
	(void)fputs("' -- \"$cur\")\n\t\treturn\n\tfi\n\tcase $first in\n", out);
	for (size_t i = 0; i < CLI_COMMANDS_N; i++) {
		const char *name = CLI_COMMANDS[i].name;
		auto_free char *first = xstrndup(name, strcspn(name, " "));

		if (streq(first, name) || (i && starts_with(CLI_COMMANDS[i - 1].name, first) &&
						  CLI_COMMANDS[i - 1].name[strlen(first)] == ' '))
			continue;
		(void)fprintf(out,
			"\t%s)\n\t\tif [ \"$COMP_CWORD\" = 2 ]; then\n\t\t\tmapfile -t COMPREPLY < <(compgen -W '",
			first);
		completion_words(out, first);
		(void)fputs(
			"' -- \"$cur\")\n\t\t\treturn\n\t\tfi\n\t\tname+=\" ${COMP_WORDS[2]}\" at=3\n\t\t;;\n",
			out);
	}
	(void)fputs("\tesac\n\tcase $name in\n", out);
	for (size_t i = 0; i < CLI_COMMANDS_N; i++) {
		const struct cli_command *command = &CLI_COMMANDS[i];

		if (command->flags & COMMAND_HIDDEN)
			continue;
		(void)fprintf(out, "\t\"%s\")\n\t\toptions='", command->name);
		completion_options(out, command->options);
		completion_options(out, CLI_COMMON);
		(void)fprintf(out, "'\n\t\t[ \"$COMP_CWORD\" != $at ] || words=\"%s\"\n\t\t;;\n",
			completion_kind(command->words));
	}
	(void)fputs("\tesac\n"
		    "\tcase $cur in -*) words=$options ;; esac\n"
		    "\tif [ \"$words\" = @file ]; then\n"
		    "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
		    "\telse\n"
		    "\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
		    "\tfi\n"
		    "}\n"
		    "complete -F _nap nap ./nap\n",
		out);
}

int cli_help(struct cli *c)
{
	const struct cli_command *command;
	int words;

	if (cli_option(c, "man"))
		help_man(c->out.file);
	else if (cli_option(c, "completion"))
		help_completion(c->out.file);
	else if (c->words == 0)
		help_all(&c->out);
	else {
		command = command_find(c->word, (int)c->words, &words);
		if (!command) {
			const char *near = command_suggest(&c->a, c->word, (int)c->words);

			return cli_fail(c, CLI_USAGE, "there is no command \"%s\"%s%s%s",
				c->word[0], near ? "; did you mean \"" : "", near ? near : "",
				near ? "\"?" : "");
		}
		help_command(&c->out, command);
	}
	return CLI_OK;
}
