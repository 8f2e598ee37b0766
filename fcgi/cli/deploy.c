/* A source becomes an app, or a release of one. */
#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include "cli/archive.h"
#include "cli/operation.h"
#include "cli/rest.h"
#include "model/name.h"

#include <sys/stat.h>

/* what the options say of the app; NULL: it was told what is wrong */
static json_t *settings(struct cli *c)
{
	const char *profile = cli_option(c, "profile"), *command = cli_option(c, "command");
	const char *memory = cli_option(c, "memory"), *ref = cli_option(c, "ref");
	int64_t scale = -1;
	char *text = NULL;
	json_t *body;
	struct err e;

	if (!cli_number(c, "scale", 0, MAX_INSTANCES, &scale))
		return NULL;
	if (profile && !file_read(profile, MAX_PROFILE_BYTES, &c->a, &text, NULL, &e)) {
		(void)cli_err(c, CLI_USAGE, &e);
		return NULL;
	}
	body = json_pack("{s:s*, s:s*, s:s*, s:s*}", "profile", text, "command", command, "memory",
		memory, "ref", ref);
	if (body && scale >= 0)
		(void)json_object_set_new(body, "scale", json_integer(scale));
	if (!body)
		(void)cli_fail(c, CLI_USAGE, "an option is no UTF-8 text");
	return body;
}

/* waits, and then says where the app is */
static int finish(struct cli *c, const char *name, json_t *answer)
{
	int code = operation_wait(c, answer);
	json_t *app;

	if (code != CLI_OK || c->json || cli_option(c, "detach"))
		return code == CLI_OK ? operation_end(c, answer, NULL)
				      : (rest_print_json(c, answer), code);
	if (!rest_get(c, rest_path(c, "/apps/%s", name), &app))
		return c->exit;
	(void)fprintf(c->out.file, "%s is release %lld: %s\n", name,
		(long long)rest_number(app, "release"), rest_text(app, "address"));
	return CLI_OK;
}

static int deploy_url(struct cli *c, const char *url, const char *name)
{
	json_t *body = settings(c), *answer;

	if (!body)
		return CLI_USAGE;
	(void)json_object_set_new(body, "url", json_string(url));
	return rest_send(c, "PUT", rest_path(c, "/apps/%s", name), body, &answer)
		       ? finish(c, name, answer)
		       : c->exit;
}

/* the app is there, and as the options say */
static bool ensure_app(struct cli *c, const char *name)
{
	struct rest_request look = { .path = rest_path(c, "/apps/%s", name), .may_miss = true };
	json_t *body, *answer;
	struct rest_answer an;

	if (!rest_call(c, &look, &an))
		return false;
	body = settings(c);
	if (!body) {
		c->exit = CLI_USAGE;
		return false;
	}
	if (an.status == 404) {
		(void)json_object_set_new(body, "name", json_string(name));
		return rest_send(c, "POST", "/apps", body, &answer);
	}
	if (json_object_size(body))
		return rest_send(c, "PATCH", look.path, body, &answer);
	json_decref(body);
	return true;
}

static void tell_sent(struct cli *c, int64_t sent, int64_t total)
{
	char part[BYTES_TEXT_SIZE], whole[BYTES_TEXT_SIZE];

	if (c->err.tty)
		(void)fprintf(c->err.file, "\r\033[K  sending %s of %s", bytes_text(part, sent),
			bytes_text(whole, total));
	(void)fflush(c->err.file);
}

static int deploy_folder(struct cli *c, const char *folder, const char *name)
{
	struct archive_made made = { .file = -1 };
	struct rest_request rq = { .method = "POST",
		.path = rest_path(c, "/apps/%s/source", name),
		.type = "application/gzip",
		.on_sent = tell_sent };
	char size[BYTES_TEXT_SIZE];
	struct rest_answer an;
	struct err e;
	bool ok;

	if (cli_option(c, "ref"))
		return cli_fail(c, CLI_USAGE, "a folder has no ref");
	if (!archive_folder(folder, &made, &e))
		return cli_err(c, CLI_USAGE, &e);
	(void)fprintf(c->err.file, "%lld files, %s\n", (long long)made.files,
		bytes_text(size, made.bytes));
	rq.file = made.file;
	rq.file_bytes = made.bytes;
	ok = ensure_app(c, name) && rest_call(c, &rq, &an);
	(void)close(made.file);
	if (c->err.tty)
		(void)fputs("\r\033[K", c->err.file);
	return ok ? finish(c, name, an.json) : c->exit;
}

int cli_deploy(struct cli *c)
{
	const char *source = c->word[0], *name = c->words > 1 ? c->word[1] : NULL, *wrong;
	auto_free char *real = NULL;
	struct stat st;
	bool folder = stat(source, &st) == 0 && S_ISDIR(st.st_mode);

	if (!folder && !strchr(source, ':'))
		return cli_fail(c, CLI_USAGE,
			"\"%s\" is neither a folder nor the address of a repository", source);
	if (folder)
		real = realpath(source, NULL);
	if (!name)
		name = name_from_url(&c->a, real ? real : source);
	wrong = app_name_wrong(name);
	if (wrong)
		return cli_fail(c, CLI_USAGE, "app name \"%s\" %s", name, wrong);
	return folder ? deploy_folder(c, source, name) : deploy_url(c, source, name);
}
