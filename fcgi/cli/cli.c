#include "cli/cli.h"

#include "base/text.h"
#include "cli/account.h"
#include "cli/command.h"
#include "remote/http.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <termios.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
	(void)sig;
	interrupted = 1;
}

bool cli_interrupted(void)
{
	return interrupted;
}

const char *cli_option(const struct cli *c, const char *name)
{
	for (size_t i = c->options; i-- > 0;)
		if (streq(c->option[i].name, name))
			return c->option[i].value;
	return NULL;
}

bool cli_number(const struct cli *c, const char *name, int64_t min, int64_t max, int64_t *ret)
{
	const char *text = cli_option(c, name);

	if (!text || parse_i64(text, min, max, ret))
		return true;
	(void)cli_fail(c, CLI_USAGE,
		"option \"--%s\" is \"%s\": a whole number from %jd to %jd is expected", name, text,
		(intmax_t)min, (intmax_t)max);
	return false;
}

int cli_fail(const struct cli *c, int code, const char *fmt, ...)
{
	auto_free char *text = NULL;
	auto_arena struct arena a = { 0 };
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	(void)fflush(c->out.file);
	term_put(&c->err, RED, "nap: ");
	(void)fprintf(c->err.file, "%s\n", utf8_scrub(&a, text, strlen(text)));
	return code;
}

int cli_err(const struct cli *c, int code, const struct err *e)
{
	return cli_fail(c, code, "%s", e->msg);
}

/* no echo, from before the prompt on: what is typed at once is neither shown nor lost */
static bool begin_quiet(struct termios *ret_before)
{
	struct termios quiet;

	if (tcgetattr(STDIN_FILENO, ret_before) < 0)
		return false;
	quiet = *ret_before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	return tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
}

static const char *ask_line(struct cli *c, const char *prompt, bool quiet)
{
	auto_free char *line = NULL;
	struct termios before;
	size_t size = 0;
	bool tty = isatty(STDIN_FILENO) == 1, ok;

	quiet = tty && quiet && begin_quiet(&before);
	if (tty)
		(void)fprintf(c->err.file, "%s: ", prompt);
	(void)fflush(c->err.file);
	ok = getline(&line, &size, stdin) > 0;
	if (quiet) {
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		(void)fputc('\n', c->err.file);
	}
	if (!ok)
		return NULL;
	line[strcspn(line, "\r\n")] = '\0';
	return arena_strdup(&c->a, line);
}

const char *cli_input(struct cli *c)
{
	auto_free char *text = NULL;
	size_t size = 0;
	ssize_t n = getdelim(&text, &size, '\0', stdin);

	if (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	return n > 0 ? arena_strndup(&c->a, text, (size_t)n) : "";
}

const char *cli_secret(struct cli *c, const char *prompt)
{
	const char *text = ask_line(c, prompt, true);

	if (text && *text)
		return text;
	(void)cli_fail(c, CLI_USAGE, "nothing was given as %s", prompt);
	return NULL;
}

bool cli_confirm(struct cli *c, const char *what, const char *name)
{
	const char *typed;

	if (cli_option(c, "yes"))
		return true;
	if (isatty(STDIN_FILENO) != 1) {
		(void)cli_fail(c, CLI_USAGE,
			"%s \"%s\" cannot be undone: give --yes where nobody can be asked", what,
			name);
		return false;
	}
	(void)fprintf(c->err.file, "%s \"%s\" cannot be undone.\n", what, name);
	typed = ask_line(c, "Type its name to go on", false);
	if (typed && streq(typed, name))
		return true;
	(void)cli_fail(c, CLI_USAGE, "that is another name: nothing was done");
	return false;
}

static int run(struct cli *c, int argc, const char *const *argv)
{
	struct err e;
	int words, code;

	if (argc < 2) {
		help_all(&c->err);
		return CLI_USAGE;
	}
	if (streq(argv[1], "--help") || streq(argv[1], "-h")) {
		help_all(&c->out);
		return CLI_OK;
	}
	if (streq(argv[1], "--version"))
		return cli_version(c);
	c->command = command_find(argv + 1, argc - 1, &words);
	if (!c->command) {
		const char *near = command_suggest(&c->a, argv + 1, argc - 1);

		return cli_fail(c, CLI_USAGE,
			"there is no command \"%s\"%s%s%s (nap help lists them)", argv[1],
			near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	}
	if (!command_parse(c, argv + 1 + words, argc - 1 - words, &e))
		return cli_err(c, CLI_USAGE, &e);
	if (cli_option(c, "help")) {
		help_command(&c->out, c->command);
		return CLI_OK;
	}
	if (!account_find(c, &e) && !(c->command->flags & COMMAND_LOCAL))
		return cli_err(c, e.kind == ERR_AUTH ? CLI_REFUSED : CLI_USAGE, &e);
	code = c->command->run(c);
	return interrupted ? CLI_INTERRUPTED : code;
}

int cli_run(int argc, char **argv)
{
	struct cli c = { .out = term_of(stdout), .err = term_of(stderr), .url = "", .token = "" };
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self);
	int code;

	/* names and commands are UTF-8 whatever the machine says */
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	(void)sigaction(SIGINT, &(struct sigaction){ .sa_handler = on_interrupt }, NULL);
	c.self = n > 0 && (size_t)n < sizeof self ? arena_strndup(&c.a, self, (size_t)n) : argv[0];
	code = run(&c, argc, (const char *const *)argv);
	if (fflush(stdout) != 0 && code == CLI_OK && errno != EPIPE)
		code = cli_fail(&c, CLI_FAILED, "could not write: %s", strerror(errno));
	http_free(c.http);
	arena_clear(&c.a);
	return code;
}
