/*
 * nap-files: tells what instances left in $NAP_OUT. The agent starts it for each connection to its files.sock
 * (agent/files.h), which becomes its standard input and output, and it answers that one request:
 *
 *	GET /list?apps=RANGES&after=HEX	{"items":[{"instance","release","path","size","modified_at"}],"next"}
 *	GET /file?apps=ID&path=HEX		the file "INSTANCE/PATH"
 *	GET /tar?apps=RANGES			all files, APP/INSTANCE/PATH, as they are read
 *
 * after and path are hexadecimal digits of the text. Who may ask for what nap-api has checked (api/files.c). What
 * cannot be told to its end has none: a chunked answer without its last chunk, or one that is too short.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"
#include "node/out.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define REQUEST_MAX (32 * 1024)
#define CHUNK	    (64 * 1024)
#define LIST_MAX    1000
#define PATIENCE_S  60 /* with a peer that takes or says nothing */
#define TAR_MAX \
	(INT64_C(64) \
		<< 30) /* bytes of one answer: holes take no room on a disk, and all of it here */

struct answer {
	struct arena a;
	const char *home;
	const char *method, *what, *apps, *after, *path;
	struct out_unit *units;
	size_t n;
	int64_t bytes;
};

/* ---- HTTP ---- */

static bool send_all(const char *p, size_t n)
{
	while (n) {
		ssize_t sent = send(STDOUT_FILENO, p, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return false;
		p += sent;
		n -= (size_t)sent;
	}
	return true;
}

/* length -1: chunks follow */
static bool send_head(int status, const char *type, int64_t length)
{
	auto_free char *size = length < 0 ? xstrdup("Transfer-Encoding: chunked")
					  : xasprintf("Content-Length: %lld", (long long)length);
	auto_free char *head =
		xasprintf("HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%s\r\nConnection: close\r\n\r\n",
			status, status == 200 ? "OK" : "No", type, size);

	return send_all(head, strlen(head));
}

static int refuse(int status)
{
	return send_head(status, "text/plain", 0) ? 0 : 1;
}

static bool send_chunk(const char *p, size_t n)
{
	char size[24];

	(void)snprintf(size, sizeof size, "%zx\r\n", n);
	return send_all(size, strlen(size)) && send_all(p, n) && send_all("\r\n", 2);
}

static bool is_head(const struct answer *an)
{
	return streq(an->method, "HEAD");
}

/* ---- the request ---- */

static bool read_request(struct arena *a, char **ret)
{
	char *text = arena_alloc(a, REQUEST_MAX + 1);
	size_t n = 0;

	do {
		ssize_t got = n < REQUEST_MAX ? read(STDIN_FILENO, text + n, REQUEST_MAX - n) : 0;

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		n += (size_t)got;
		text[n] = '\0';
	} while (!strstr(text, "\r\n\r\n"));
	*ret = text;
	return true;
}

static const char *from_hex(struct arena *a, const char *hex)
{
	size_t n = strlen(hex) / 2;
	char *text = arena_alloc(a, n + 1);

	if (!hex_decode(text, n, hex) || strlen(hex) % 2 || memchr(text, '\0', n))
		return NULL;
	text[n] = '\0';
	return text;
}

/* NAME=VALUE&…, of which nothing needs to be decoded */
static bool take_query(struct answer *an, char *query)
{
	for (char *part; (part = strsep(&query, "&"));) {
		char *value = strchr(part, '=');

		if (!value)
			return false;
		*value++ = '\0';
		if (streq(part, "apps"))
			an->apps = value;
		else if (streq(part, "after"))
			an->after = from_hex(&an->a, value);
		else if (streq(part, "path"))
			an->path = from_hex(&an->a, value);
	}
	return an->apps && an->after && an->path;
}

static bool take_request(struct answer *an)
{
	char *text, *target, *query;

	an->after = an->path = "";
	if (!read_request(&an->a, &text))
		return false;
	an->method = strsep(&text, " ");
	target = strsep(&text, " \r\n");
	query = target ? strchr(target, '?') : NULL;
	if (!query || (!streq(an->method, "GET") && !is_head(an)))
		return false;
	*query++ = '\0';
	an->what = target;
	return take_query(an, query) && out_find_of(&an->a, an->home, an->apps, &an->units, &an->n);
}

/* ---- answers ---- */

/* "INSTANCE/PATH"; NULL: it is no such path */
static const char *split(const char *path, int64_t *ret_number)
{
	struct slice number = { path, strcspn(path, "/") };

	return path[number.n] && parse_slice_i64(number, 1, INT64_MAX, ret_number)
		       ? path + number.n + 1
		       : NULL;
}

static int answer_file(struct answer *an)
{
	int64_t number, left;
	const char *rest = split(an->path, &number);
	auto_fd int fd = -1;
	auto_free char *chunk = xmalloc(CHUNK);
	struct stat st;

	for (size_t i = 0; rest && fd < 0 && i < an->n; i++)
		if (an->units[i].number == number)
			fd = out_open(an->home, &an->units[i], rest, &st);
	if (fd < 0)
		return refuse(404);
	if (!send_head(200, "application/octet-stream", st.st_size))
		return 1;
	for (left = is_head(an) ? 0 : st.st_size; left;) {
		ssize_t got = read(fd, chunk, (size_t)MIN(left, (int64_t)CHUNK));

		if (got <= 0 || !send_all(chunk, (size_t)got))
			return 1;
		left -= got;
	}
	return 0;
}

struct listing {
	struct answer *an;
	const struct out_unit *unit;
	struct buf b;
	const char *rest; /* of the path that the list goes on behind, in the unit that it names */
	size_t items;
	char *last; /* the last one's path */
	bool more;
};

static bool list_one(void *ctx, const char *path, int fd, const struct stat *st)
{
	struct listing *l = ctx;
	auto_free char *full = NULL;
	char when[RFC3339_SIZE];
	const char *shown;

	(void)fd;
	if (l->rest && out_compare(path, l->rest) <= 0)
		return true;
	if (l->items == LIST_MAX) {
		l->more = true;
		return false;
	}
	full = xasprintf("%lld/%s", (long long)l->unit->number, path);
	shown = utf8_scrub(&l->an->a, full, strlen(full));
	clock_rfc3339(when, (int64_t)st->st_mtim.tv_sec * 1000000, 0);
	buf_printf(&l->b, "%s{\"instance\":%lld,\"release\":%lld,\"path\":", l->items++ ? "," : "",
		(long long)l->unit->number, (long long)l->unit->release);
	buf_json(&l->b, shown, strlen(shown));
	buf_printf(&l->b, ",\"size\":%lld,\"modified_at\":\"%s\"}", (long long)st->st_size, when);
	free(l->last);
	l->last = steal(&full);
	return true;
}

static int answer_list(struct answer *an)
{
	struct listing l = { .an = an };
	int64_t behind = 0;
	const char *rest = *an->after ? split(an->after, &behind) : NULL;
	bool ok;

	if (*an->after && !rest)
		return refuse(400);
	buf_init(&l.b, 16 * 1024 * 1024);
	buf_puts(&l.b, "{\"items\":[");
	for (size_t i = 0; i < an->n && !l.more; i++) {
		l.unit = &an->units[i];
		l.rest = l.unit->number == behind ? rest : NULL;
		if (l.unit->number >= behind)
			(void)out_walk(an->home, l.unit, list_one, &l);
	}
	buf_puts(&l.b, "],\"next\":");
	if (l.more) {
		auto_free char *hex = xmalloc(2 * strlen(l.last) + 1);

		hex_encode(hex, l.last, strlen(l.last));
		buf_printf(&l.b, "\"%s\"}", hex);
	} else {
		buf_puts(&l.b, "null}");
	}
	ok = !l.b.failed && send_head(200, "application/json", (int64_t)l.b.len) &&
	     (is_head(an) || send_all(l.b.data, l.b.len));
	free(l.last);
	buf_release(&l.b);
	return ok ? 0 : 1;
}

struct packing {
	struct answer *an;
	const struct out_unit *unit;
	struct archive *tar;
	struct archive_entry *entry;
	char chunk[CHUNK];
};

static la_ssize_t tar_write(struct archive *tar, void *ctx, const void *data, size_t n)
{
	struct answer *an = ctx;

	(void)tar;
	an->bytes += (int64_t)n;
	return an->bytes <= TAR_MAX && send_chunk(data, n) ? (la_ssize_t)n : -1;
}

/* exactly as long as its head says: what it shrank by is zeros, what it grew by is left out */
static bool pack_content(struct packing *p, int fd, int64_t left)
{
	while (left) {
		size_t want = (size_t)MIN(left, (int64_t)CHUNK);
		ssize_t got = read(fd, p->chunk, want);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			memset(p->chunk, 0, want);
			got = (ssize_t)want;
		}
		if (archive_write_data(p->tar, p->chunk, (size_t)got) != got)
			return false;
		left -= got;
	}
	return true;
}

static bool pack_one(void *ctx, const char *path, int fd, const struct stat *st)
{
	struct packing *p = ctx;
	auto_free char *full =
		xasprintf("%s/%lld/%s", p->unit->app, (long long)p->unit->number, path);

	archive_entry_clear(p->entry);
	archive_entry_set_pathname(p->entry, full);
	archive_entry_set_filetype(p->entry, AE_IFREG);
	archive_entry_set_perm(p->entry, st->st_mode & 0100 ? 0755 : 0644);
	archive_entry_set_size(p->entry, st->st_size);
	archive_entry_set_mtime(p->entry, st->st_mtim.tv_sec, 0);
	return archive_write_header(p->tar, p->entry) == ARCHIVE_OK &&
	       pack_content(p, fd, st->st_size);
}

/* GNU's form: it takes a name as the bytes that it is */
static int answer_tar(struct answer *an)
{
	struct packing *p = xcalloc(1, sizeof *p);
	bool ok;

	if (!send_head(200, "application/x-tar", -1))
		return 1;
	if (is_head(an))
		return 0;
	p->an = an;
	p->tar = archive_write_new();
	p->entry = archive_entry_new();
	ok = p->tar && p->entry && archive_write_set_format_gnutar(p->tar) == ARCHIVE_OK &&
	     archive_write_set_bytes_per_block(p->tar, CHUNK) == ARCHIVE_OK &&
	     archive_write_set_bytes_in_last_block(p->tar, 1) == ARCHIVE_OK &&
	     archive_write_open(p->tar, an, NULL, tar_write, NULL) == ARCHIVE_OK;
	for (size_t i = 0; ok && i < an->n; i++) {
		p->unit = &an->units[i];
		ok = out_walk(an->home, p->unit, pack_one, p);
	}
	ok = ok && archive_write_close(p->tar) == ARCHIVE_OK && send_all("0\r\n\r\n", 5);
	return ok ? 0 : 1;
}

static int answer_all(struct answer *an)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };

	if (setsockopt(STDIN_FILENO, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0 ||
		setsockopt(STDIN_FILENO, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0)
		return 1;
	if (!take_request(an))
		return refuse(400);
	if (streq(an->what, "/file"))
		return answer_file(an);
	if (streq(an->what, "/list"))
		return answer_list(an);
	return streq(an->what, "/tar") ? answer_tar(an) : refuse(404);
}

int main(int argc, char **argv)
{
	struct answer an = { 0 };
	int status;

	if (argc != 2) {
		(void)fputs(
			"usage: nap-files HOME, a connection being descriptors 0 and 1\n", stderr);
		return 2;
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0L, 0L, 0L);
	(void)setpriority(PRIO_PROCESS, 0, 10);
	if (getuid() == 0 && setgroups(0, NULL) < 0)
		return 1;
	an.home = argv[1];
	status = answer_all(&an);
	arena_clear(&an.a);
	return status;
}
