/*
 * What can be streamed, and for whom: the routes of nap-stream.
 *
 * They are rows as nap-api's (serve/route.h): access, binding to an app and 404 for others' things are the same. A
 * handler runs in a transaction of the caller and fills the stream of its struct opening, or refuses.
 *
 *	GET /events               from Last-Event-ID or ?after=, else from now; ?app=
 *	GET /apps/:app/logs       ?instance= ?release= ?lines= (100; the last ones first, 0: from now)
 *	                          ?after= or Last-Event-ID
 *	GET /groups/:group/logs   ?lines= ?after= (a time) or Last-Event-ID; ends with the group
 *	GET /operations/:id/log   ?after= or Last-Event-ID; ends with "event: end" when the operation has ended
 */
#ifndef NAP_STREAM_OPEN_H
#define NAP_STREAM_OPEN_H

#include "serve/route.h"
#include "stream/hub.h"

struct opening {
	struct request rq; /* first: a handler gets its address */
	struct stream *stream;
	const char *hello; /* first bytes of the stream, behind the head; NULL: none */
};

extern const struct routes STREAM_ROUTES;

#endif
