#include "serve/route.h"

#include "base/text.h"

static const char *const ACCESS_WORDS[] = { [ACCESS_DENY] = "deny",
	[ACCESS_NONE] = "none",
	[ACCESS_SESSION] = "session",
	[ACCESS_READ] = "read",
	[ACCESS_DEPLOY] = "deploy",
	[ACCESS_MANAGE] = "manage",
	[ACCESS_ADMIN] = "admin",
	[ACCESS_NODE] = "node",
	[ACCESS_HOOK] = "hook",
	[ACCESS_AUTH] = "auth" };

const char *route_access_word(enum access access)
{
	return ACCESS_WORDS[access];
}

enum door route_door(enum access access)
{
	switch (access) {
	case ACCESS_DENY:
		return DOOR_SHUT;
	case ACCESS_NODE:
		return DOOR_NODE;
	case ACCESS_HOOK:
		return DOOR_HOOK;
	case ACCESS_AUTH:
		return DOOR_AUTH;
	default:
		return DOOR_PUBLIC;
	}
}

/* cuts "/segment" off *path; false at its end */
static bool next_segment(const char **path, struct slice *ret)
{
	if (**path != '/')
		return false;
	ret->p = *path + 1;
	ret->n = strcspn(ret->p, "/");
	*path = ret->p + ret->n;
	return true;
}

/* whether the path fits; then its parameters stand in rq, not yet decoded */
static bool fits(const struct route *route, struct request *rq)
{
	const char *pattern = route->path, *path = rq->path;
	struct slice want, have;

	rq->params_n = 0;
	while (next_segment(&pattern, &want)) {
		if (want.p[0] == '*' && *path == '/' && path[1]) {
			have = slice_of(path + 1);
			path += strlen(path);
		} else if (!next_segment(&path, &have))
			return false;
		if (want.p[0] == ':' || want.p[0] == '*') {
			assert(rq->params_n < REQUEST_MAX_PARAMS);
			if (have.n == 0)
				return false;
			rq->params[rq->params_n].name = want.p + 1;
			rq->params[rq->params_n++].value = have.p;
		} else if (want.n != have.n || memcmp(want.p, have.p, want.n) != 0)
			return false;
	}
	return *pattern == '\0' && *path == '\0';
}

static bool take_params(struct request *rq, struct err *e)
{
	for (size_t i = 0; i < rq->params_n; i++) {
		const char *name = rq->params[i].name, *value = rq->params[i].value;
		size_t n = name[-1] == '*' ? strlen(value) : strcspn(value, "/");

		rq->params[i].name = arena_strndup(rq->a, name, strcspn(name, "/"));
		rq->params[i].value = percent_decode(rq->a, value, n, false);
		if (!rq->params[i].value)
			return err_set(e, ERR_INVALID, "malformed",
				"the path is no text: a bad percent sign, or not UTF-8");
	}
	return true;
}

static void allow(struct request *rq, const char **list, const char *method)
{
	*list = *list ? arena_printf(rq->a, "%s, %s", *list, method) : method;
	if (streq(method, "GET"))
		*list = arena_printf(rq->a, "%s, HEAD", *list);
}

bool route_match(
	const struct routes *routes, struct request *rq, const char **ret_allow, struct err *e)
{
	const char *method = streq(rq->method, "HEAD") ? "GET" : rq->method;
	const char *others = NULL;

	rq->route = NULL;
	for (const struct route_table *const *t = routes->tables; *t; t++) {
		for (size_t i = 0; i < (*t)->n; i++) {
			const struct route *route = &(*t)->v[i];

			if (rq->door == DOOR_SHUT || route_door(route->access) != rq->door ||
				!fits(route, rq))
				continue;
			if (streq(route->method, method)) {
				rq->route = route;
				return take_params(rq, e);
			}
			allow(rq, &others, route->method);
		}
	}
	if (!others)
		return err_set(e, ERR_NOT_FOUND, "no_such_route", "there is no %s here",
			rq->path[0] ? rq->path : "such path");
	*ret_allow = others;
	return err_set(e, ERR_INVALID, "method_not_allowed", "%s takes %s", rq->path, others);
}

static void print_flags(unsigned flags, FILE *out)
{
	static const struct {
		unsigned flag;
		const char *word;
	} words[] = { { BODY_JSON, "json" }, { BODY_TEXT, "text" }, { BODY_MAYBE, "maybe" },
		{ ROUTE_LAZY, "lazy" }, { ROUTE_BARE, "bare" }, { ROUTE_BOUND, "bound" },
		{ ROUTE_INSTANCE, "instance" }, { ROUTE_NO_KEY, "no-key" }, { BODY_LARGE, "large" },
		{ BODY_FILE, "file" } };
	const char *mark = "";

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (flags & words[i].flag) {
			(void)fprintf(out, "%s%s", mark, words[i].word);
			mark = ",";
		}
	if (!mark[0])
		(void)fputs("-", out);
}

void routes_print(const struct routes *routes, FILE *out)
{
	for (const struct route_table *const *t = routes->tables; *t; t++)
		for (size_t i = 0; i < (*t)->n; i++) {
			const struct route *r = &(*t)->v[i];

			(void)fprintf(out, "%-6s %s%s %s ", r->method,
				route_door(r->access) == DOOR_PUBLIC ? "/api/v1" : "", r->path,
				route_access_word(r->access));
			print_flags(r->flags, out);
			(void)fputc('\n', out);
		}
}
