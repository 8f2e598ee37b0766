#include "unit/option_read.h"

static const char *prefixes(const char *word, struct unit_command *ret, bool *ret_argv0)
{
	*ret_argv0 = false;
	for (;; word++) {
		if (*word == '-')
			ret->ignore_failure = true;
		else if (*word == '@')
			*ret_argv0 = true;
		else if (*word == ':')
			ret->plain = true;
		else if (*word == '+')
			ret->privileged = true;
		else if (*word != '!' &&
			 *word != '|') /* ! and !! ask for less than nap gives anyway */
			return word;
	}
}

static void add_command(struct reading *r, struct unit_commands *list, struct unit_command c)
{
	struct unit_command *bigger = arena_alloc(r->a, (list->n + 1) * sizeof *bigger);

	if (list->n)
		memcpy(bigger, list->v, list->n * sizeof *bigger);
	bigger[list->n++] = c;
	list->v = bigger;
}

/* one command up to a lone ; or the end; NULL, or what is wrong. *ret_more: there may be another one */
static const char *one_command(
	struct reading *r, const char **rest, struct unit_command *c, bool *ret_more)
{
	char *word;
	const char *path;
	bool argv0;

	*ret_more = false;
	if (!unit_word(rest, r->a, &word))
		return "a quote is not closed";
	if (!word)
		return NULL;
	path = unit_specifiers(r->place, prefixes(word, c, &argv0), r->a);
	if (!*path || path[strlen(path) - 1] == '/')
		return "the command is no file";
	if (*path != '/' && strchr(path, '/'))
		return "the command is neither an absolute path nor a plain name";
	c->path = path;
	if (!argv0)
		unit_words_add(&c->argv, r->a, path);
	for (;;) {
		const char *at = *rest + strspn(*rest, " \t\r\n");
		bool bare = at[0] == ';' && (!at[1] || strchr(" \t\r\n", at[1]));
		bool escaped =
			at[0] == '\\' && at[1] == ';' && (!at[2] || strchr(" \t\r\n", at[2]));

		if (bare || escaped) {
			*rest = at + (bare ? 1 : 2);
			if (bare) {
				*ret_more = true;
				break;
			}
			unit_words_add(&c->argv, r->a, ";");
			continue;
		}
		if (!unit_word(rest, r->a, &word))
			return "a quote is not closed";
		if (!word)
			break;
		unit_words_add(&c->argv, r->a, unit_specifiers(r->place, word, r->a));
	}
	return c->argv.n ? NULL : "the command has no name for itself";
}

bool read_commands(struct reading *r, void *field)
{
	const char *rest = r->value, *wrong;
	bool more = true;

	if (!*rest)
		*(struct unit_commands *)field = (struct unit_commands){ 0 };
	while (more) {
		struct unit_command c = { 0 };

		wrong = one_command(r, &rest, &c, &more);
		if (wrong) {
			r->o->bad = arena_printf(r->a, "%s=%.200s: %s", r->name, r->value, wrong);
			return true;
		}
		if (c.path)
			add_command(r, field, c);
	}
	return true;
}
