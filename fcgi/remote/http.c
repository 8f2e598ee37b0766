#include "remote/http.h"

#include "base/clock.h"

#include <curl/curl.h>

struct http {
	CURLM *multi;
	CURL *idle[HTTP_PARALLEL];
	size_t idle_n;
	struct http_call *ended; /* of http_begin's, not yet told */
	struct transfer *begun;	 /* of http_begin's, all that run */
};

/* what one transfer needs while it runs */
struct transfer {
	CURL *easy;
	struct http_call *call;
	struct curl_slist *headers;
	char error[CURL_ERROR_SIZE];
	off_t at;   /* of the file that is sent */
	bool begun; /* by http_begin: allocated, and its end is told by http_turn */
	struct transfer *next;
};

static void forget(struct http *h, struct transfer *t)
{
	struct transfer **p = &h->begun;

	while (*p != t)
		p = &(*p)->next;
	*p = t->next;
	free(t);
}

struct http *http_new(void)
{
	struct http *h = xcalloc(1, sizeof *h);

	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
	h->multi = curl_multi_init();
	if (!h->multi)
		abort();
	(void)curl_multi_setopt(h->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)HTTP_PARALLEL);
	return h;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	for (struct transfer *t; (t = h->begun);) {
		(void)curl_multi_remove_handle(h->multi, t->easy);
		curl_easy_cleanup(t->easy);
		curl_slist_free_all(t->headers);
		forget(h, t);
	}
	while (h->idle_n)
		curl_easy_cleanup(h->idle[--h->idle_n]);
	(void)curl_multi_cleanup(h->multi);
	free(h);
}

static size_t receive(char *p, size_t one, size_t n, void *ctx)
{
	struct transfer *t = ctx;
	struct http_call *call = t->call;
	long status = 0;

	(void)one;
	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	if (call->on_data && status < 300)
		return call->on_data(call->ctx, p, n) ? n : 0;
	buf_add(&call->answer, p, n);
	return call->answer.failed ? 0 : n; /* short: the answer is too large */
}

static int watch(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct http_call *call = ctx;

	(void)a, (void)b, (void)c;
	call->sent = d;
	return call->go_on && !call->go_on(call->ctx);
}

static size_t send_some(char *p, size_t one, size_t n, void *ctx)
{
	struct transfer *t = ctx;
	ssize_t got;

	n = (size_t)MIN((int64_t)(one * n), t->call->file_bytes - t->at);
	got = pread(t->call->file, p, n, t->at);
	if (got < 0 || (got == 0 && n))
		return CURL_READFUNC_ABORT;
	t->at += got;
	return (size_t)got;
}

/* a kept connection that turns out to be closed: the same again on a new one */
static int send_from(void *ctx, curl_off_t at, int whence)
{
	struct transfer *t = ctx;

	if (whence != SEEK_SET)
		return CURL_SEEKFUNC_CANTSEEK;
	t->at = at;
	return CURL_SEEKFUNC_OK;
}

static void add_header(struct transfer *t, const char *name, const char *value)
{
	auto_free char *line = xasprintf("%s: %s", name, value);

	t->headers = curl_slist_append(t->headers, line);
}

static void set_body(CURL *c, struct transfer *t, const struct http_call *call)
{
	if (call->body || call->file_bytes)
		add_header(t, "Content-Type", call->type ? call->type : "application/json");
	if (call->file_bytes) {
		(void)curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
		(void)curl_easy_setopt(c, CURLOPT_READFUNCTION, send_some);
		(void)curl_easy_setopt(c, CURLOPT_READDATA, t);
		(void)curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, send_from);
		(void)curl_easy_setopt(c, CURLOPT_SEEKDATA, t);
		(void)curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)call->file_bytes);
	} else if (call->body) {
		(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, call->body);
		(void)curl_easy_setopt(
			c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(call->body));
	}
}

static void set_headers(struct transfer *t, const struct http_call *call)
{
	add_header(t, "Expect", "");
	if (call->accept)
		add_header(t, "Accept", call->accept);
	if (call->range)
		add_header(t, "Range", call->range);
	for (const char *const *line = call->headers; line && *line; line++)
		t->headers = curl_slist_append(t->headers, *line);
}

static void start(struct http *h, struct transfer *t, struct http_call *call)
{
	CURL *c = h->idle_n ? h->idle[--h->idle_n] : curl_easy_init();

	if (!c)
		abort();
	curl_easy_reset(c);
	t->easy = c;
	t->call = call;
	t->headers = NULL;
	t->at = 0;
	t->error[0] = '\0';
	buf_init(&call->answer, call->max_bytes);
	call->ok = false;
	(void)curl_easy_setopt(c, CURLOPT_URL, call->url);
	(void)curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, call->method);
	(void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
	(void)curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->error);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, receive);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
	(void)curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, watch);
	(void)curl_easy_setopt(c, CURLOPT_XFERINFODATA, call);
	(void)curl_easy_setopt(c, CURLOPT_NOPROGRESS, call->go_on ? 0L : 1L);
	(void)curl_easy_setopt(c, CURLOPT_PRIVATE, t);
	(void)curl_easy_setopt(c, CURLOPT_PROXY, "");
	/* a follower hears nothing for hours: that the other side is gone must show by itself */
	(void)curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
	(void)curl_easy_setopt(c, CURLOPT_TCP_KEEPIDLE, 30L);
	(void)curl_easy_setopt(c, CURLOPT_TCP_KEEPINTVL, 10L);
	if (call->socket)
		(void)curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, call->socket);
	set_headers(t, call);
	set_body(c, t, call);
	(void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, t->headers);
	(void)curl_multi_add_handle(h->multi, c);
}

static void keep_head(struct transfer *t, struct http_call *call)
{
	struct curl_header *found;
	curl_off_t seconds = 0;

	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &call->status);
	(void)curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &seconds);
	call->retry_after = seconds;
	call->header[0] = '\0';
	if (call->wanted &&
		curl_easy_header(t->easy, call->wanted, 0, CURLH_HEADER, -1, &found) == CURLHE_OK &&
		strlen(found->value) < sizeof call->header)
		(void)snprintf(call->header, sizeof call->header, "%s", found->value);
}

static void finish(struct http *h, struct transfer *t, CURLcode code)
{
	struct http_call *call = t->call;

	if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && call->on_data)) {
		keep_head(t, call);
		call->ok = true;
	} else if (code == CURLE_OPERATION_TIMEDOUT) {
		(void)err_set(&call->err, ERR_TIMEOUT, "timeout", "no answer within %lld ms",
			(long long)call->timeout_ms);
	} else {
		bool never = code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
			     code == CURLE_PEER_FAILED_VERIFICATION;

		(void)err_set(&call->err, ERR_UPSTREAM, never ? "no_connection" : "unreachable",
			"%s", t->error[0] ? t->error : curl_easy_strerror(code));
	}
	(void)curl_multi_remove_handle(h->multi, t->easy);
	curl_slist_free_all(t->headers);
	if (h->idle_n < HTTP_PARALLEL)
		h->idle[h->idle_n++] = t->easy;
	else
		curl_easy_cleanup(t->easy);
	t->easy = NULL;
	if (t->begun) {
		forget(h, t);
		call->next = h->ended;
		h->ended = call;
	}
}

/* takes what has ended; returns how many */
static size_t collect(struct http *h)
{
	CURLMsg *m;
	int left;
	size_t n = 0;

	while ((m = curl_multi_info_read(h->multi, &left))) {
		struct transfer *t = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		finish(h, t, m->data.result);
		n++;
	}
	return n;
}

bool http_all(struct http *h, struct http_call *calls, size_t n)
{
	struct transfer slots[HTTP_PARALLEL] = { 0 };
	size_t started = 0, ended = 0;
	bool all = true;
	int running;

	while (ended < n) {
		for (size_t i = 0; i < HTTP_PARALLEL && started < n; i++)
			if (!slots[i].easy)
				start(h, &slots[i], &calls[started++]);
		(void)curl_multi_perform(h->multi, &running);
		ended += collect(h);
		if (ended < n && running)
			(void)curl_multi_poll(h->multi, NULL, 0, 500, NULL);
	}
	for (size_t i = 0; i < n; i++)
		all = all && calls[i].ok;
	return all;
}

bool http_one(struct http *h, struct http_call *call)
{
	return http_all(h, call, 1);
}

void http_begin(struct http *h, struct http_call *call)
{
	struct transfer *t = xcalloc(1, sizeof *t);

	(void)curl_multi_setopt(h->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, 0L);
	t->begun = true;
	t->next = h->begun;
	h->begun = t;
	start(h, t, call);
}

struct http_call *http_turn(struct http *h, int timeout_ms, int wake_fd)
{
	struct curl_waitfd extra = { .fd = wake_fd, .events = CURL_WAIT_POLLIN };
	struct http_call *call;
	int running;

	if (!h->ended) {
		(void)curl_multi_poll(h->multi, &extra, wake_fd >= 0, timeout_ms, NULL);
		(void)curl_multi_perform(h->multi, &running);
		(void)collect(h);
	}
	call = h->ended;
	if (call)
		h->ended = call->next;
	return call;
}

void http_call_release(struct http_call *call)
{
	buf_release(&call->answer);
}
