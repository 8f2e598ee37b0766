#include "api/app.h"
#include "api/routes.h"

/* The file is this operation's from here on: job/upload.c makes a commit of it. */
static bool source_post(struct request *rq, struct response *rs, struct err *e)
{
	auto_free char *args = NULL;
	json_auto_t *o = NULL;
	struct app app;

	if (!app_take(rq, &app, e))
		return false;
	o = json_pack("{s:s, s:s}", "file", rq->upload.name, "type", rq->upload.type);
	args = json_dumps(o, JSON_COMPACT);
	if (!app_set_starting(rq->db, app.id, e) ||
		!app_operation(rq, rs, app.id, app.name, "upload", NULL, args, e))
		return false;
	rq->upload.kept = true;
	return true;
}

static const struct route source_routes[] = {
	{ "POST", "/apps/:app/source", ACCESS_DEPLOY, BODY_FILE, source_post,
		.doc = { "Deploys the files of an archive (tar, gzipped tar or zip), as a push of them would",
			.example = "the bytes of an archive", .answer = "AppOperation",
			.status = 202 } },
};
ROUTE_TABLE(source);
