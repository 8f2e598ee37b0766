/*
 * What the handlers of an app's resources share.
 */
#ifndef NAP_API_APP_H
#define NAP_API_APP_H

#include "serve/route.h"
#include "serve/session.h"
#include "store/app.h"

/* The app that the path names. ERR_NOT_FOUND, the same whoever's it is. */
NODISCARD bool app_of(struct request *rq, struct app *ret, struct err *e);

/* The same to change it: locked. ERR_CONFLICT "app_deleting". */
NODISCARD bool app_take(struct request *rq, struct app *ret, struct err *e);

/* ":name" of the path, from 1 to max; what is no such number is as absent as one that was never given */
NODISCARD bool path_number(
	struct request *rq, const char *name, int64_t max, int64_t *ret, struct err *e);

/* For a ROUTE_LAZY row whose query is wrong: who asks without good credentials is told that first. Returns false. */
bool caller_first(struct request *rq, struct err *e);

/* App bodies (REST "App body"), straight from a result of store/app.h. */
struct app_writer {
	struct rows rows;
	const struct config *cfg;
	const char *tenant;
	int name, port; /* columns */
};
void app_writer_init(struct app_writer *w, const struct request *rq, const PGresult *r);
void app_write(const struct app_writer *w, int row, struct buf *b);

/* the body of the app as it is now, in the handler's transaction; NULL with e filled. A new reference. */
json_t *app_json(struct request *rq, const char *name, struct err *e);

/*
 * Inserts the operation and answers 202 with it and the app's body. args is JSON text or NULL, lane NULL: normal. The
 * desired state is written before.
 */
NODISCARD bool app_operation(struct request *rq, struct response *rs, int64_t app_id,
	const char *app, const char *kind, const char *lane, const char *args, struct err *e);

/* the client asks for text/plain rather than JSON */
bool wants_text(const struct request *rq);

/* Headers of answers that hold what a tenant's program wrote: never a page (RULES 12). */
void tenants_bytes(struct response *rs);

/* Lists: {"items":[ … ],"next":"…"|null}. next: the text behind which the next page begins, NULL: this was the last. */
struct buf *list_begin(struct response *rs);
void list_end(struct request *rq, struct buf *b, const char *next);
/* the same without its closing brace, to add members: ,"observed_at":… and '}' */
void list_end_open(struct request *rq, struct buf *b, const char *next);

#endif
