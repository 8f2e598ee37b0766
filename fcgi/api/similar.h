/*
 * Making apps similar to one: what POST /apps/{app}/similar and POST /groups/{group}/extend share.
 */
#ifndef NAP_API_SIMILAR_H
#define NAP_API_SIMILAR_H

#include "api/app.h"
#include "store/group.h"

struct similar_body {
	const char *command;
	struct body_strings commands, names;
	struct body_bool literal;
	struct body_i64 parallel, release;
};
#define SIMILAR_BODY_FIELDS 6
extern const struct body_field SIMILAR_BODY[SIMILAR_BODY_FIELDS];

/*
 * app: the locked app that the new ones are made from. Answers 202 with {"apps", "operation"}, or with ?dry_run=true 200
 * with what would be made.
 */
NODISCARD bool similar_make(struct request *rq, struct response *rs, const char *app,
	const struct similar_body *body, struct err *e);

#endif
