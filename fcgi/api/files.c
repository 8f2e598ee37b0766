/*
 * What instances left in $NAP_OUT. nap-api says who may have what; nginx then asks the agent of this machine itself and
 * passes the bytes on as they come (front.conf, agent/files.h): no handler waits for them.
 */
#include "api/app.h"
#include "api/routes.h"
#include "base/text.h"
#include "store/group.h"

#define MAX_ASK	    12000 /* bytes of what nginx is told to ask: it takes no longer header */
#define MAX_MEMBERS 10000
#define MAX_PATH    4000

static const char *hex(struct request *rq, const char *text)
{
	char *digits = arena_alloc(rq->a, 2 * strlen(text) + 1);

	hex_encode(digits, text, strlen(text));
	return digits;
}

/* what a browser is to name it: its last part, of which only what no header and no file system minds is kept */
static const char *file_name(struct request *rq, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *name = arena_strdup(rq->a, slash ? slash + 1 : path);

	for (char *p = name; *p; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			    (*p >= '0' && *p <= '9') || strchr("._-", *p)))
			*p = '_';
	return *name && *name != '.' ? name : "file";
}

static bool hand_on(struct request *rq, struct response *rs, const char *what, const char *apps,
	const char *more, const char *name, struct err *e)
{
	const char *ask = arena_printf(rq->a, "/.files/%s?apps=%s%s", what, apps, more);

	if (rq->cfg->engine[0])
		return err_set(e, ERR_CONFLICT, "files_unreachable",
			"the files lie on the machines of the cluster, which nap cannot read from here");
	if (strlen(ask) > MAX_ASK)
		return err_set(e, ERR_TOO_LARGE, "too_large",
			"too many members for one answer; ask for them one by one");
	(void)response_body(rs, 200,
		streq(what, "list")  ? "application/json"
		: streq(what, "tar") ? "application/x-tar"
				     : "application/octet-stream");
	response_header(rs, "X-Accel-Redirect", ask);
	if (name)
		response_header(rs, "Content-Disposition",
			arena_printf(rq->a, "attachment; filename=\"%s\"", name));
	return true;
}

/* as the next of the answer before: digits, which are no business of ours */
static bool after_of(struct request *rq, const char **ret, struct err *e)
{
	const char *after = request_query(rq, "after");

	*ret = after ? after : "";
	if (strlen(*ret) > 2 * MAX_PATH || strlen(*ret) % 2 ||
		strspn(*ret, "0123456789abcdef") != strlen(*ret))
		fault_add(&rq->faults, "after", "invalid_value",
			"must be the \"next\" of an earlier answer");
	return faults_end(&rq->faults, e);
}

static bool files_list(struct request *rq, struct response *rs, struct err *e)
{
	const char *after;
	struct app app;

	return app_of(rq, &app, e) && after_of(rq, &after, e) &&
	       hand_on(rq, rs, "list", arena_printf(rq->a, "%jd", (intmax_t)app.id),
		       arena_printf(rq->a, "&after=%s", after), NULL, e);
}

static bool files_one(struct request *rq, struct response *rs, struct err *e)
{
	const char *path = request_param(rq, "path");
	struct app app;

	if (!app_of(rq, &app, e))
		return false;
	if (strlen(path) > MAX_PATH)
		return request_not_found(rq, e);
	return hand_on(rq, rs, "file", arena_printf(rq->a, "%jd", (intmax_t)app.id),
		arena_printf(rq->a, "&path=%s", hex(rq, path)), file_name(rq, path), e);
}

static bool files_tar(struct request *rq, struct response *rs, struct err *e)
{
	struct app app;

	return app_of(rq, &app, e) &&
	       hand_on(rq, rs, "tar", arena_printf(rq->a, "%jd", (intmax_t)app.id), "",
		       arena_printf(rq->a, "%s-files.tar", app.name), e);
}

static int by_number(const void *x, const void *y)
{
	int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;

	return (a > b) - (a < b);
}

/* "12,20-24": members made together have ids that follow each other */
static const char *ranges_of(struct request *rq, const PGresult *members)
{
	size_t n = (size_t)db_rows(members);
	int64_t *ids = arena_alloc(rq->a, (n + 1) * sizeof *ids);
	auto_buf struct buf b;

	for (size_t i = 0; i < n; i++)
		ids[i] = db_i64(members, (int)i, "id");
	qsort(ids, n, sizeof *ids, by_number);
	buf_init(&b, MAX_MEMBERS * 24);
	for (size_t i = 0, last; i < n; i = last + 1) {
		for (last = i; last + 1 < n && ids[last + 1] == ids[last] + 1; last++)
			;
		buf_printf(&b, "%s%jd", i ? "," : "", (intmax_t)ids[i]);
		if (last > i)
			buf_printf(&b, "-%jd", (intmax_t)ids[last]);
	}
	return arena_strdup(rq->a, b.data);
}

static bool group_tar(struct request *rq, struct response *rs, struct err *e)
{
	const char *group = request_param(rq, "group");
	auto_result PGresult *members = NULL;

	if (!group_members(rq->db, rq->caller.tenant, group, -1, MAX_MEMBERS, &members, e))
		return false;
	if (db_rows(members) == 0)
		return request_not_found(rq, e);
	return hand_on(rq, rs, "tar", ranges_of(rq, members), "",
		arena_printf(rq->a, "%s-files.tar", group), e);
}

static const struct route files_routes[] = {
	{ "GET", "/apps/:app/files", ACCESS_READ, 0, files_list,
		.doc = { "What the instances left in $NAP_OUT: of each number the newest release that left any; at most "
			 "1000 at a time",
			.answer = "[File]", .query = "after" } },
	{ "GET", "/apps/:app/files.tar", ACCESS_READ, 0, files_tar,
		.doc = { "All of them in one archive, as APP/INSTANCE/PATH",
			.type = "application/x-tar" } },
	{ "GET", "/apps/:app/files/*path", ACCESS_READ, 0, files_one,
		.doc = { "One of them; its path begins with the instance's number",
			.type = "application/octet-stream" } },
	{ "GET", "/groups/:group/files.tar", ACCESS_READ, 0, group_tar,
		.doc = { "What the instances of all members left in $NAP_OUT, in one archive",
			.type = "application/x-tar" } },
};
ROUTE_TABLE(files);
