/*
 * A body that is a file: the archive of POST /apps/{app}/source.
 *
 * It goes as it comes into $NAP_STATE/upload/NAME, NAME 32 random hexadecimal digits, 0640, whose folder's group is
 * nap-worker's. Who may send one is looked at before a byte of it is read. Content-Type says what it is; what is in it is the
 * job's to find out. The file is removed with the request, unless the handler has kept it and its transaction was committed: then
 * it belongs to the operation that names it (job/upload.c), and job/keep.c removes what no operation needs.
 */
#ifndef NAP_SERVE_UPLOAD_H
#define NAP_SERVE_UPLOAD_H

#include "serve/request.h"

/* the types that are taken, for the OpenAPI document; ends with NULL */
extern const char *const UPLOAD_TYPES[];

/*
 * Fills rq->upload, and rq->body with the file's type and hash, so that an Idempotency-Key knows it again.
 * Errors: those of caller_begin; ERR_INVALID "unsupported_media_type", "malformed"; ERR_UPSTREAM "disk_full".
 */
NODISCARD bool upload_take(struct request *rq, struct err *e);

/* Removes the file unless it was kept. */
void upload_drop(struct request *rq);

#endif
