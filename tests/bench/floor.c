/*
 * The floor: what a request costs with nothing of nap. A bare libfcgi worker with one prepared query, no token, no
 * router, no row-level security; its queries read the columns that nap-api reads.
 *
 *	/floor/one            one row
 *	/floor/list?N         N rows, written straight from the result
 *	/floor/jansson?N      the same rows through json_dumps
 *
 * FLOOR_DB is the folder of PostgreSQL's socket, FLOOR_TENANT the tenant's id, FLOOR_APP a name. Descriptor 0 is the
 * FastCGI socket. Built and run by tests/bench/bench.py; says what is wrong by dying.
 */
#include <fcgiapp.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS \
	"SELECT a.name, a.group_name AS \"group\", a.parent, a.params, a.wave, a.state, a.instances, " \
	"a.running_instances, a.scale_override, a.scale_profile, a.memory_bytes AS memory, a.memory_override, " \
	"a.disk_bytes AS disk, a.command, a.command_override, a.url, a.ref, " \
	"a.branch, a.profile_text IS NOT NULL AS profile_given, r.number AS release, n.number AS next_release, r.commit, " \
	"(extract(epoch from a.created_at) * 1000000)::bigint AS created_at, " \
	"(extract(epoch from a.updated_at) * 1000000)::bigint AS updated_at, a.port, a.version " \
	"FROM app a LEFT JOIN release r ON r.id = a.release_id LEFT JOIN release n ON n.id = a.next_release_id "

static PGconn *db;
static FCGX_Request request;

static void die(const char *what)
{
	(void)fprintf(stderr, "floor: %s: %s\n", what, db ? PQerrorMessage(db) : "");
	exit(1);
}

static void prepare(const char *name, const char *sql)
{
	PGresult *r = PQprepare(db, name, sql, 0, NULL);

	if (PQresultStatus(r) != PGRES_COMMAND_OK)
		die(name);
	PQclear(r);
}

static PGresult *ask(const char *name, const char *second)
{
	const char *params[] = { getenv("FLOOR_TENANT"), second };
	PGresult *r = PQexecPrepared(db, name, 2, params, NULL, NULL, 0);

	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		die(name);
	return r;
}

static int is_text(const PGresult *r, int column)
{
	return PQftype(r, column) == 25; /* text; all others here are numbers and booleans */
}

static void put_row(char **at, const PGresult *r, int row)
{
	char *p = *at;

	for (int c = 0; c < PQnfields(r); c++) {
		const char *name = PQfname(r, c), *value = PQgetvalue(r, row, c);
		size_t n = strlen(name), m = strlen(value);

		*p++ = c ? ',' : '{';
		*p++ = '"';
		memcpy(p, name, n);
		p += n;
		*p++ = '"';
		*p++ = ':';
		if (PQgetisnull(r, row, c)) {
			memcpy(p, "null", 4);
			p += 4;
			continue;
		}
		if (is_text(r, c))
			*p++ = '"';
		for (size_t i = 0; i < m; i++) {
			if (value[i] == '"' || value[i] == '\\')
				*p++ = '\\';
			*p++ = value[i];
		}
		if (is_text(r, c))
			*p++ = '"';
	}
	*p++ = '}';
	*at = p;
}

static void answer(const char *body, size_t n)
{
	static const char head[] = "Status: 200 OK\r\nContent-Type: application/json\r\n\r\n";

	(void)FCGX_PutStr(head, sizeof head - 1, request.out);
	(void)FCGX_PutStr(body, (int)n, request.out);
}

static void straight(const PGresult *r)
{
	char *body = malloc(64 + (size_t)PQntuples(r) * 4096), *p = body;

	if (!body)
		die("malloc");
	memcpy(p, "{\"items\":[", 10);
	p += 10;
	for (int row = 0; row < PQntuples(r); row++) {
		if (row)
			*p++ = ',';
		put_row(&p, r, row);
	}
	memcpy(p, "]}", 2);
	answer(body, (size_t)(p + 2 - body));
	free(body);
}

static json_t *cell(const PGresult *r, int row, int c)
{
	const char *value = PQgetvalue(r, row, c);

	if (PQgetisnull(r, row, c))
		return json_null();
	if (is_text(r, c))
		return json_string(value);
	return PQftype(r, c) == 16 ? json_boolean(value[0] == 't') : json_integer(atoll(value));
}

static void by_jansson(const PGresult *r)
{
	json_t *items = json_array(), *all = json_pack("{s:o}", "items", items);
	char *body;

	for (int row = 0; row < PQntuples(r); row++) {
		json_t *one = json_object();

		for (int c = 0; c < PQnfields(r); c++)
			(void)json_object_set_new(one, PQfname(r, c), cell(r, row, c));
		(void)json_array_append_new(items, one);
	}
	body = json_dumps(all, JSON_COMPACT);
	if (!body)
		die("json_dumps");
	answer(body, strlen(body));
	free(body);
	json_decref(all);
}

int main(void)
{
	const char *keys[] = { "host", "user", "dbname", NULL };
	const char *values[] = { getenv("FLOOR_DB"), "nap_worker", "nap", NULL };

	(void)signal(SIGPIPE, SIG_IGN);
	db = PQconnectdbParams(keys, values, 0);
	if (PQstatus(db) != CONNECTION_OK)
		die("connecting");
	prepare("one", COLUMNS "WHERE a.tenant_id = $1::bigint AND a.name = $2");
	prepare("list", COLUMNS "WHERE a.tenant_id = $1::bigint ORDER BY a.name LIMIT $2::integer");
	if (FCGX_Init() != 0 || FCGX_InitRequest(&request, 0, 0) != 0)
		die("descriptor 0 is no FastCGI socket");
	while (FCGX_Accept_r(&request) == 0) {
		const char *uri = FCGX_GetParam("REQUEST_URI", request.envp);
		const char *query = uri ? strchr(uri, '?') : NULL;
		PGresult *r = query ? ask("list", query + 1) : ask("one", getenv("FLOOR_APP"));

		if (uri && strstr(uri, "jansson"))
			by_jansson(r);
		else
			straight(r);
		PQclear(r);
	}
	return 0;
}
