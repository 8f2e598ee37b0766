#include "cli/command.h"

#include "cli/suggest.h"

#define OPTIONS(...) \
	.options = (const struct cli_option_row[]) \
	{ \
		__VA_ARGS__, \
		{ \
			NULL \
		} \
	}
#define YES \
	{ \
		"yes", 'y', NULL, "do not ask" \
	}
#define DETACH \
	{ \
		"detach", 'd', NULL, "do not wait for the operation's end" \
	}
#define LIMITS \
	{ "memory", 0, "SIZE", "of all instances together: 4g" }, \
		{ "instances", 0, "N", "of all apps together" }, { "apps", 0, "N", "apps" }, \
	{ \
		"disk", 0, "SIZE", "of sources, logs and data: 10g" \
	}

const struct cli_option_row CLI_COMMON[] = {
	{ "json", 0, NULL, "print the body as nap sent it" },
	{ "help", 'h', NULL, "print the command's help" },
	{ NULL },
};

/* clang-format off */
const struct cli_command CLI_COMMANDS[] = {
	{ "login", "[URL]", "Keep a token for the nap at URL, which later commands use",
		"The token is asked for, or read from standard input where that is no terminal; it is tried before it is kept, in a "
		"file that only its owner can read (see FILES). With --tenant a password is asked for instead, and a token of "
		"its own is made for this machine. Without URL: that of NAP_URL, or of the nap that was used last.",
		OPTIONS({ "tenant", 't', "NAME", "sign in with this tenant's password" }),
		.examples = "nap login https://nap.example.org\tasks for a token\n"
			"nap login https://nap.example.org --tenant iwanna\tasks for the password\n"
			"nap login http://127.0.0.1:8080 <token-file\treads the token, as in CI",
		.max = 1, .flags = COMMAND_LOCAL, .run = cli_login },
	{ "logout", "", "Forget the token that login has kept", .flags = COMMAND_LOCAL, .run = cli_logout },
	{ "whoami", "", "Say which nap it is, and who asks", .run = cli_whoami },

	{ "apps", "", "List the apps",
		OPTIONS({ "group", 'g', "NAME", "only those of a group" }, { "state", 's', "STATE", "only those that are so: running, failed, …" }),
		.examples = "nap apps\tall of them\nnap apps --state failed\tthose that need a look",
		.run = cli_apps },
	{ "deploy", "URL|DIR [APP]", "Make an app of a repository or a folder, or give it a new release",
		"URL is a git repository, DIR a folder on this machine that needs no git: its files are sent as they are, without "
		"those that .napignore names (in the form of .gitignore) and without .git. APP is made of the last part of URL or DIR "
		"unless it is given. An app that is there already gets a new release.",
		OPTIONS({ "ref", 'r', "REF", "branch, tag or commit of URL" },
			{ "profile", 'p', "FILE", "the profile, for a source that has none" },
			{ "command", 'c', "COMMAND", "instead of the profile's" },
			{ "memory", 'm', "SIZE", "of one instance, instead of the profile's: 256m" },
			{ "scale", 'n', "N", "instances, instead of the profile's" }, DETACH),
		.examples = "nap deploy https://git.example.org/team/shop.git\tmakes the app \"shop\"\n"
			"nap deploy .\tthe files of this folder, as the app of its name\n"
			"nap deploy site web --scale 2\tthe folder \"site\" as the app \"web\", two instances",
		.min = 1, .max = 2, .words = "file", .run = cli_deploy },
	{ "push", "[APP]", "Set the git remote \"nap\" of this repository and push to it, which deploys",
		"APP is made of the folder's name unless the remote is set already. The token is given to git by a helper that this "
		"command writes into the repository's configuration: plain `git push nap` works afterwards, and no address holds a "
		"secret.",
		OPTIONS({ "branch", 'b', "NAME", "what is pushed: the branch that is checked out unless given" },
			{ "to", 't', "NAME", "as which branch: the app's own, main or master, unless given" }),
		.examples = "nap push web\tmakes the app \"web\" of the branch that is checked out",
		.max = 1, .words = "app", .run = cli_push },
	{ "scale", "APP N|auto", "Set how many instances an app has; auto follows its profile again", OPTIONS(DETACH),
		.examples = "nap scale web 5\tfive instances\nnap scale web auto\tas many as the profile says",
		.min = 2, .max = 2, .words = "app", .run = cli_scale },
	{ "start", "APP", "Start a stopped app", OPTIONS(DETACH), .min = 1, .max = 1, .words = "app", .run = cli_start },
	{ "stop", "APP", "Stop all instances; what the app is stays", OPTIONS(DETACH), .min = 1, .max = 1, .words = "app", .run = cli_stop },
	{ "restart", "APP [INSTANCE]", "Restart the instances one after the other, or one of them", OPTIONS(DETACH),
		.min = 1, .max = 2, .words = "app", .run = cli_restart },
	{ "destroy", "APP", "Destroy an app: instances, source, releases and data", "The name is to be typed again, unless --yes is given.",
		OPTIONS(YES, DETACH), .min = 1, .max = 1, .words = "app", .run = cli_destroy },
	{ "ps", "APP", "List the instances: state, machine, memory, how they ended", .min = 1, .max = 1, .words = "app", .run = cli_ps },
	{ "logs", "APP", "Print what the instances wrote",
		OPTIONS({ "follow", 'f', NULL, "go on with what they write, until Ctrl-C" },
			{ "instance", 'i', "N", "of one instance" }, { "lines", 'n', "N", "so many of the last lines, 100 unless given" }),
		.examples = "nap logs web -f\tfollows all instances\nnap logs web -i 2 -n 20\tthe last 20 lines of the second",
		.min = 1, .max = 1, .words = "app", .run = cli_logs },
	{ "env list", "APP", "List an app's variables; secret ones without their values", .min = 1, .max = 1, .words = "app", .run = cli_env_list },
	{ "env set", "APP KEY=VALUE...", "Set variables; a new release runs with them",
		"KEY=- reads the value from standard input, so that it stands in no list of processes and no history.",
		OPTIONS({ "secret", 's', NULL, "nobody can read the values again" }, DETACH),
		.examples = "nap env set web GREETING=hello\tone variable\nnap env set web --secret KEY=- <key\ta secret, from a file",
		.min = 2, .max = SIZE_MAX, .words = "app", .run = cli_env_set },
	{ "env unset", "APP KEY...", "Take variables away; a new release runs without them", OPTIONS(DETACH),
		.min = 2, .max = SIZE_MAX, .words = "app", .run = cli_env_unset },
	{ "releases", "APP", "List the releases, newest first", .min = 1, .max = 1, .words = "app", .run = cli_releases },
	{ "rollback", "APP [RELEASE]", "Make a new release of an old one's source and settings; without RELEASE of the one before",
		OPTIONS(DETACH), .min = 1, .max = 2, .words = "app", .run = cli_rollback },
	{ "open", "APP", "Print the app's address", .examples = "curl $(nap open web)\tasks the app", .min = 1, .max = 1, .words = "app", .run = cli_open },

	{ "similar", "APP COMMAND...", "Make apps of the same source that run other commands",
		"A range or a list in braces makes one app for each value, several of them for each combination: {1..20}, {01..10}, "
		"{0.1,0.01}; named as in {seed:1..20}, its values are columns of the results. Quote the command, so that the shell leaves the braces alone.",
		OPTIONS({ "dry-run", 0, NULL, "only say what would be made, and what of the quota it takes" },
			{ "parallel", 'p', "N", "at most so many members of the group run at a time" }, DETACH),
		.examples = "nap similar model './train --seed {seed:1..20}'\ttwenty apps\n"
			"nap similar model --dry-run './train --rate {0.1,0.01}'\ttheir names and commands, and nothing is made",
		.min = 2, .max = SIZE_MAX, .words = "app", .run = cli_similar },
	{ "group list", "", "List the groups: apps that others were made similar to", .run = cli_group_list },
	{ "group show", "GROUP", "List a group's members with their commands and how they ended", .min = 1, .max = 1, .words = "group", .run = cli_group_show },
	{ "group start", "GROUP", "Start all members", OPTIONS(DETACH), .min = 1, .max = 1, .words = "group", .run = cli_group_power },
	{ "group stop", "GROUP", "Stop all members", OPTIONS(DETACH), .min = 1, .max = 1, .words = "group", .run = cli_group_power },
	{ "group restart", "GROUP", "Restart all members", OPTIONS(DETACH), .min = 1, .max = 1, .words = "group", .run = cli_group_power },
	{ "group scale", "GROUP N|auto", "Set how many instances each member has", OPTIONS(DETACH), .min = 2, .max = 2, .words = "group", .run = cli_group_scale },
	{ "group rerun", "GROUP", "Run the members again that failed, or with --all those that have ended",
		OPTIONS({ "all", 'a', NULL, "also those that ended well" }, DETACH), .min = 1, .max = 1, .words = "group", .run = cli_group_rerun },
	{ "group destroy", "GROUP", "Destroy all members of a group, its root too", "The name is to be typed again, unless --yes is given.",
		OPTIONS(YES, DETACH), .min = 1, .max = 1, .words = "group", .run = cli_group_destroy },
	{ "results", "GROUP", "Print parameters and results of all members",
		"A member's results are the lines `nap: key=value` that it printed.",
		OPTIONS({ "csv", 0, NULL, "as CSV, for other programs" }, { "sort", 's', "KEY", "by a parameter or a result" },
			{ "desc", 0, NULL, "the largest first" }),
		.examples = "nap results model --sort loss\tthe best first\nnap results model --csv >results.csv\ta table for other programs",
		.min = 1, .max = 1, .words = "group", .run = cli_results },

	{ "ops list", "", "List operations, newest first",
		OPTIONS({ "app", 'a', "APP", "only those of an app" }, { "state", 's', "STATE", "queued, running, succeeded, failed or cancelled" },
			{ "lines", 'n', "N", "at most so many, 20 unless given" }), .run = cli_ops_list },
	{ "ops show", "ID", "Show an operation's steps, and why it failed; one that runs is waited for with --wait",
		OPTIONS({ "wait", 'w', NULL, "until it has ended; the exit code says how" }), .min = 1, .max = 1, .words = "operation", .run = cli_ops_show },
	{ "ops cancel", "ID", "Cancel an operation", .min = 1, .max = 1, .words = "operation", .run = cli_ops_cancel },
	{ "ops log", "ID", "Print an operation's log", OPTIONS({ "follow", 'f', NULL, "until it has ended" }),
		.min = 1, .max = 1, .words = "operation", .run = cli_ops_log },

	{ "tokens list", "", "List the tokens", .run = cli_tokens_list },
	{ "tokens add", "NAME", "Make a token; it is printed this once",
		OPTIONS({ "scope", 's', "SCOPE", "read, deploy or manage, each including the ones before it; deploy unless given" },
			{ "app", 'a', "APP", "for this app only" }, { "expires", 'e', "DAYS", "so many days from now" }),
		.examples = "nap tokens add ci --app shop --expires 90\tfor a pipeline that deploys one app",
		.min = 1, .max = 1, .run = cli_tokens_add },
	{ "tokens revoke", "ID", "Revoke a token", .min = 1, .max = 1, .run = cli_tokens_revoke },
	{ "keys list", "", "List the SSH keys that may push", .run = cli_keys_list },
	{ "keys add", "NAME [FILE]", "Add a public SSH key, from FILE or standard input",
		.examples = "nap keys add laptop ~/.ssh/id_ed25519.pub\tpushes from there by SSH", .min = 1, .max = 2, .run = cli_keys_add },
	{ "keys remove", "ID", "Remove a key", .min = 1, .max = 1, .run = cli_keys_remove },
	{ "machines", "", "List the machines", .run = cli_machines },
	{ "quota", "", "Say what one uses and may use", .run = cli_quota },

	{ "tenant list", "", "List the tenants (operator)", .run = cli_tenant_list },
	{ "tenant add", "NAME", "Make a tenant (operator)",
		"Its password is asked for, or read from standard input. What of the quota is not given is a setting.",
		OPTIONS(LIMITS), .examples = "nap tenant add iwanna --memory 4g --apps 20\tasks for the password",
		.min = 1, .max = 1, .run = cli_tenant_add },
	{ "tenant quota", "NAME", "Change what a tenant may use (operator)", OPTIONS(LIMITS), .min = 1, .max = 1, .run = cli_tenant_quota },
	{ "tenant disable", "NAME", "Shut a tenant out; its apps go on (operator)", .min = 1, .max = 1, .run = cli_tenant_switch },
	{ "tenant enable", "NAME", "Let a tenant in again (operator)", .min = 1, .max = 1, .run = cli_tenant_switch },
	{ "tenant destroy", "NAME", "Remove a tenant that has no apps (operator)", OPTIONS(YES), .min = 1, .max = 1, .run = cli_tenant_destroy },
	{ "doctor", "", "Look for faults, and say for each what to do (operator)",
		"What is asked by REST is looked at everywhere; the processes, the disk and the rights of files of a nap on this machine "
		"where NAP_STATE names its folder, as ./nap does. Exit code 1: there is a fault.", .run = cli_doctor },
	{ "version", "", "Print the version of this program, and of the nap it talks to", .flags = COMMAND_LOCAL, .run = cli_version },
	{ "help", "[COMMAND...]", "Print the help of a command, or the list of all",
		OPTIONS({ "man", 0, NULL, "print the manual page" }, { "completion", 0, NULL, "print the completion for bash" }),
		.max = 2, .flags = COMMAND_LOCAL, .run = cli_help },
	{ "git-credential", "ACTION", "Give git the token", .min = 1, .max = 1, .flags = COMMAND_LOCAL | COMMAND_HIDDEN, .run = cli_git_credential },
};
/* clang-format on */
const size_t CLI_COMMANDS_N = ARRAY_SIZE(CLI_COMMANDS);

const struct cli_command *command_find(const char *const *argv, int n, int *ret_words)
{
	auto_free char *two = n > 1 ? xasprintf("%s %s", argv[0], argv[1]) : NULL;
	auto_free char *list = n > 0 ? xasprintf("%s list", argv[0]) : NULL;

	*ret_words = 2;
	for (size_t i = 0; two && i < CLI_COMMANDS_N; i++)
		if (streq(CLI_COMMANDS[i].name, two))
			return &CLI_COMMANDS[i];
	*ret_words = 1;
	for (size_t i = 0; n > 0 && i < CLI_COMMANDS_N; i++)
		if (streq(CLI_COMMANDS[i].name, argv[0]) ||
			(streq(CLI_COMMANDS[i].name, list) && (n == 1 || argv[1][0] == '-')))
			return &CLI_COMMANDS[i];
	return NULL;
}

const char *command_suggest(struct arena *a, const char *const *argv, int n)
{
	const char **names = arena_alloc(a, 2 * CLI_COMMANDS_N * sizeof *names);
	const char *two = n > 1 ? arena_printf(a, "%s %s", argv[0], argv[1]) : NULL, *found = NULL;
	size_t m = 0;

	for (size_t i = 0; i < CLI_COMMANDS_N; i++)
		if (!(CLI_COMMANDS[i].flags & COMMAND_HIDDEN))
			names[m++] = CLI_COMMANDS[i].name;
	if (two)
		found = suggest(two, names, m);
	if (found && strchr(found, ' '))
		return found;
	/* "tenants", "keyss": the first word of two */
	for (size_t i = 0; i < CLI_COMMANDS_N; i++)
		if (strchr(CLI_COMMANDS[i].name, ' '))
			names[m++] = arena_strndup(
				a, CLI_COMMANDS[i].name, strcspn(CLI_COMMANDS[i].name, " "));
	return suggest(argv[0], names, m);
}

static const struct cli_option_row *find_in(
	const struct cli_option_row *rows, const char *name, size_t n, char letter)
{
	for (; rows && rows->name; rows++)
		if (letter ? rows->letter == letter
			   : strlen(rows->name) == n && memcmp(rows->name, name, n) == 0)
			return rows;
	return NULL;
}

static const struct cli_option_row *find_option(
	const struct cli *c, const char *name, size_t n, char letter)
{
	const struct cli_option_row *own = find_in(c->command->options, name, n, letter);

	return own ? own : find_in(CLI_COMMON, name, n, letter);
}

static bool unknown_option(struct cli *c, const char *given, size_t n, struct err *e)
{
	const char *names[CLI_OPTIONS + 2], *near;
	size_t m = 0;

	for (const struct cli_option_row *o = c->command->options; o && o->name; o++)
		names[m++] = o->name;
	for (const struct cli_option_row *o = CLI_COMMON; o->name; o++)
		names[m++] = o->name;
	near = suggest(arena_strndup(&c->a, given, n), names, m);
	return err_set(e, ERR_INVALID, "usage", "option \"%s\" is unknown%s%s%s", given,
		near ? "; did you mean \"--" : "", near ? near : "", near ? "\"?" : "");
}

static bool keep_option(
	struct cli *c, const struct cli_option_row *o, const char *value, struct err *e)
{
	if (c->options == CLI_OPTIONS)
		return err_set(e, ERR_INVALID, "usage", "there are too many options");
	c->option[c->options].name = o->name;
	c->option[c->options++].value = value;
	c->json = c->json || streq(o->name, "json");
	return true;
}

/* --name, --name=value, --name value; *at: the word it stands in */
static bool long_option(struct cli *c, const char *const *argv, int n, int *at, struct err *e)
{
	const char *name = argv[*at] + 2, *value = "";
	size_t len = strcspn(name, "=");
	const struct cli_option_row *o = find_option(c, name, len, 0);

	if (!o)
		return unknown_option(c, name, len, e);
	if (name[len] && !o->value)
		return err_set(e, ERR_INVALID, "usage", "option \"--%s\" takes no value", o->name);
	if (name[len])
		value = name + len + 1;
	else if (o->value && *at + 1 == n)
		return err_set(
			e, ERR_INVALID, "usage", "option \"--%s\" needs its %s", o->name, o->value);
	else if (o->value)
		value = argv[++*at];
	return keep_option(c, o, value, e);
}

/* -f, -fn20, -n 20 */
static bool short_options(struct cli *c, const char *const *argv, int n, int *at, struct err *e)
{
	for (const char *p = argv[*at] + 1; *p; p++) {
		const struct cli_option_row *o = find_option(c, NULL, 0, *p);

		if (!o)
			return err_set(e, ERR_INVALID, "usage", "option \"-%c\" is unknown", *p);
		if (!o->value) {
			if (!keep_option(c, o, "", e))
				return false;
			continue;
		}
		if (!p[1] && *at + 1 == n)
			return err_set(e, ERR_INVALID, "usage", "option \"-%c\" needs its %s", *p,
				o->value);
		return keep_option(c, o, p[1] ? p + 1 : argv[++*at], e);
	}
	return true;
}

bool command_parse(struct cli *c, const char *const *argv, int n, struct err *e)
{
	bool ended = false;

	c->word = arena_alloc(&c->a, ((size_t)n + 1) * sizeof *c->word);
	for (int i = 0; i < n; i++) {
		bool ok = true;

		if (!ended && streq(argv[i], "--"))
			ended = true;
		else if (!ended && starts_with(argv[i], "--"))
			ok = long_option(c, argv, n, &i, e);
		else if (!ended && argv[i][0] == '-' && argv[i][1])
			ok = short_options(c, argv, n, &i, e);
		else
			c->word[c->words++] = argv[i];
		if (!ok)
			return false;
	}
	if (cli_option(c, "help"))
		return true;
	if (c->words < c->command->min)
		return err_set(e, ERR_INVALID, "usage", "something is missing: nap %s %s",
			c->command->name, c->command->synopsis);
	if (c->words > c->command->max)
		return err_set(e, ERR_INVALID, "usage", "\"%s\" is one word too many: nap %s %s",
			c->word[c->command->max], c->command->name, c->command->synopsis);
	return true;
}
