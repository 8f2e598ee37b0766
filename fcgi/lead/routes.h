/*
 * The routes of the apps' nginx: $NAP_STATE/nginx/routes.conf, included in its http {} block.
 *
 * The file defines four variables, and the upstreams that they name:
 *
 *	$nap_generation   "EPOCH.COUNT" of this file
 *	$nap_app          id of the app that the request is for, "" if there is none
 *	$nap_upstream     where it goes: "app_12" (an upstream block of several instances) or "127.0.0.1:20011";
 *	                  "" if no instance takes requests
 *	$nap_page         what to say then: none (no such app), starting, stopped, failed, finished, or silent (runs,
 *	                  but has never listened on a port)
 *
 * What nginx/apps.conf has to bring: a server on unix:$NAP_STATE/run/web/routes.sock that answers every request with
 * `return 200 $nap_generation` (the leader asks it until the new generation answers; the worker's uid must be able to
 * reach it), and, where apps have ports of their own (setting domain is empty), the file
 * $NAP_STATE/nginx/app-locations.conf with the locations of an app's server: routes.conf then ends with a server
 * block that listens on each app's port and includes it. $nap_app comes from $host or, for those, $server_port.
 *
 * The first line holds the leader's epoch. The file is replaced under a flock of routes.lock beside it, by rename, and
 * only where the epoch there is not above ours: a leader that was overtaken never writes over its successor's routes.
 * nginx is told by "h" in $NAP_STATE/service/apps/supervise/control (its control/h runs `nginx -t` first), at most
 * twice a second.
 */
#ifndef NAP_LEAD_ROUTES_H
#define NAP_LEAD_ROUTES_H

#include "base/buf.h"
#include "base/err.h"
#include "model/config.h"
#include "remote/http.h"

/* one app with what nginx is to know of it */
struct route {
	int64_t app_id, release_id; /* the release that serves; 0: none */
	const char *host;	    /* label-tenant.domain; "": only by port */
	int port;		    /* its own nginx port; 0: none */
	const char *page;	    /* the word of $nap_page */
	const char *const *servers; /* "127.0.0.1:20011" */
	size_t servers_n;
};

struct routes {
	const struct config *cfg;
	struct http *http;
	int64_t epoch, count; /* of the generation written last */
	int64_t answered;     /* count that nginx answers; 0: not known */
	int64_t told_ms,
		since; /* when nginx was told last; when the generation was written (CLOCK_MONOTONIC) */
	struct buf
		body; /* of the file, without its generation: what is not changed is not written */
};

void routes_init(struct routes *r, const struct config *cfg, struct http *http, int64_t epoch);
void routes_release(struct routes *r);

/* The text below the generation, for routes in the order of their apps: no change, no difference. */
void routes_text(struct buf *b, const struct config *cfg, const struct route *routes, size_t n);

/*
 * Makes the file so, if it is not, tells nginx and looks whether the new generation answers (waiting at most
 * wait_ms for it). Call it each tick: it also tells nginx again when that has not answered for 5 s.
 * Errors: ERR_CONFLICT "leadership_lost": the file is of a later leader.
 */
NODISCARD bool routes_apply(
	struct routes *r, const struct route *routes, size_t n, int wait_ms, struct err *e);

/* nginx is known to serve what routes_apply was given last */
bool routes_settled(const struct routes *r);

#endif
