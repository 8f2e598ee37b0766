#include "serve/upload.h"

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "serve/session.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <strings.h>
#include <sys/stat.h>

#define PIECE 65536

const char *const UPLOAD_TYPES[] = { "application/gzip", "application/x-tar", "application/zip",
	NULL };

static bool take_type(struct request *rq, struct err *e)
{
	const char *given = request_header(rq, "Content-Type");
	size_t n = given ? strcspn(given, "; ") : 0;

	for (size_t i = 0; UPLOAD_TYPES[i]; i++)
		if (strlen(UPLOAD_TYPES[i]) == n && strncasecmp(UPLOAD_TYPES[i], given, n) == 0) {
			rq->upload.type = UPLOAD_TYPES[i];
			return true;
		}
	return err_set(e, ERR_INVALID, "unsupported_media_type",
		"the body must be application/x-tar, application/gzip (a tar) or application/zip");
}

static bool may_send(struct request *rq, struct err *e)
{
	auto_tx struct tx tx = { 0 };

	return caller_begin(rq, &tx, e);
}

static bool write_piece(int fd, const char *p, size_t n, struct err *e)
{
	if (file_write(fd, p, n))
		return true;
	if (errno == ENOSPC || errno == EDQUOT)
		return err_set(e, ERR_UPSTREAM, "disk_full",
			"the source could not be written: nap's disk is full");
	return err_errno(e, "could not write \"upload\"");
}

/* the whole body into fd; its hash for rq->body */
static bool copy_body(struct request *rq, int fd, struct err *e)
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state sha;
	char digits[2 * sizeof hash + 1], *piece = arena_alloc(rq->a, PIECE);
	size_t left = rq->content_length;

	(void)crypto_hash_sha256_init(&sha);
	while (left) {
		size_t n = MIN(left, (size_t)PIECE);

		if (!rq->read || !rq->read(rq->read_ctx, piece, n))
			return err_set(e, ERR_INVALID, "malformed",
				"the body ended before its Content-Length");
		(void)crypto_hash_sha256_update(&sha, (const unsigned char *)piece, n);
		if (!write_piece(fd, piece, n, e))
			return false;
		left -= n;
	}
	(void)crypto_hash_sha256_final(&sha, hash);
	hex_encode(digits, hash, sizeof hash);
	rq->body = arena_printf(rq->a, "%s %s", rq->upload.type, digits);
	rq->body_len = strlen(rq->body);
	return true;
}

bool upload_take(struct request *rq, struct err *e)
{
	unsigned char random[16];
	char name[2 * sizeof random + 1];
	auto_fd int fd = -1;

	if (!take_type(rq, e) || !may_send(rq, e))
		return false;
	if (rq->content_length == 0)
		return err_set(e, ERR_INVALID, "malformed", "the body is empty");
	randombytes_buf(random, sizeof random);
	hex_encode(name, random, sizeof random);
	rq->upload.name = arena_strdup(rq->a, name);
	rq->upload.path = arena_printf(rq->a, "%s/upload/%s", rq->cfg->state, name);
	fd = open(rq->upload.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || fchmod(fd, 0640) < 0)
		return err_errno(e, "could not make \"%s\"", rq->upload.path);
	return copy_body(rq, fd, e);
}

void upload_drop(struct request *rq)
{
	if (rq->upload.path && !rq->upload.kept && unlink(rq->upload.path) < 0 && errno != ENOENT)
		LOG(WARNING, "upload.drop", KV("path", rq->upload.path),
			KV("error", strerror(errno)));
}
