/*
 * The restart policy of an app, decided on its machine from what is seen there. Pure: no clock, no files.
 */
#ifndef NAP_NODE_POLICY_H
#define NAP_NODE_POLICY_H

#include "base/text.h"

enum policy_restart { POLICY_AUTO, POLICY_ALWAYS, POLICY_ON_FAILURE, POLICY_NO };

#define POLICY_MAX_ENDS 64

struct policy {
	enum policy_restart restart;
	int port;	   /* 0: none */
	int64_t disk;	   /* bytes that a file may have; 0: no limit */
	bool listened;	   /* the app is known to have ever listened on its port */
	int attempts;	   /* so many ends within the window, and it is given up; 5 */
	int64_t window_us; /* 10 minutes */
	int64_t backoff_us; /* the first wait, 1 s; doubled with each further end within the window */
	int64_t backoff_max_us; /* 60 s */
	int64_t steady_us; /* a server that ran so long is no crash loop: its count begins anew; 10 s */
};

/* reads "key=value" lines; what is missing or wrong keeps its default */
void policy_parse(struct slice text, struct policy *ret);

struct policy_end {
	bool by_signal;
	int number;    /* exit status, or the signal */
	bool listened; /* this run was seen listening */
	bool stopped;  /* it was told to end */
	int64_t started_us, ended_us;
};

struct policy_verdict {
	const char *result; /* finished exit-code signal gave-up stopped */
	bool final;	    /* the unit shall not start again */
	int64_t retry_us;   /* not before; 0: at once */
	int ends;	    /* within the window, this one counted */
};

/* ends: earlier ones that counted, oldest first; those that still count are kept, and this one added if it does */
struct policy_verdict policy_decide(const struct policy *p, const struct policy_end *end,
	int64_t ends[POLICY_MAX_ENDS], size_t *n);

#endif
