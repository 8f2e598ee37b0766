/*
 * A page of a list as fleet answers it: everything is counted, and what falls on the page is printed.
 */
#ifndef NAP_AGENT_FLEET_PAGE_H
#define NAP_AGENT_FLEET_PAGE_H

#include "agent/http.h"
#include "base/buf.h"

#define FLEET_ANSWER_MAX (64 * 1024 * 1024)

/* Adds "key":value to the object that b holds, with the comma before it; an empty value is left out. */
void fleet_member(struct buf *b, const char *key, const char *value);

struct fleet_page {
	struct buf b;
	const char *member;
	unsigned int number;
	size_t seen, first;
};

/* false: its token is none, and that is answered. Otherwise fleet_page_reply() must follow. */
NODISCARD bool fleet_page_begin(struct http_in *in, struct fleet_page *p, const char *what);

/* true: the next entry is on the page, its text goes to p->b */
bool fleet_page_takes(struct fleet_page *p);

void fleet_page_reply(struct http_in *in, struct fleet_page *p);

#endif
