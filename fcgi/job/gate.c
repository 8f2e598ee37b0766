#include "job/gate.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>

struct range {
	uint32_t net;
	int bits;
};

static bool ipv4_is_public(uint32_t ip)
{
	static const struct range closed[] = {
		{ 0x00000000, 8 },  /* this network */
		{ 0x0a000000, 8 },  /* private, RFC 1918 */
		{ 0x64400000, 10 }, /* shared by carriers, RFC 6598 */
		{ 0x7f000000, 8 },  /* loopback */
		{ 0xa9fe0000, 16 }, /* link-local, and the metadata of clouds */
		{ 0xac100000, 12 }, /* private */
		{ 0xc0000000, 24 }, /* IETF protocols */
		{ 0xc0000200, 24 }, /* documentation */
		{ 0xc0586300, 24 }, /* 6to4 relays */
		{ 0xc0a80000, 16 }, /* private */
		{ 0xc6120000, 15 }, /* benchmarks */
		{ 0xc6336400, 24 }, /* documentation */
		{ 0xcb007100, 24 }, /* documentation */
		{ 0xe0000000, 4 },  /* multicast */
		{ 0xf0000000, 4 },  /* reserved, broadcast */
	};

	for (size_t i = 0; i < ARRAY_SIZE(closed); i++)
		if ((ip ^ closed[i].net) >> (32 - closed[i].bits) == 0)
			return false;
	return true;
}

static uint32_t ipv4_at(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool ipv6_is_public(const uint8_t b[16])
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff },
			     nat64[12] = { 0, 0x64, 0xff, 0x9b };

	if (memcmp(b, mapped, 12) == 0 || memcmp(b, nat64, 12) == 0)
		return ipv4_is_public(ipv4_at(b + 12));
	if (b[0] == 0x20 && b[1] == 0x02) /* 6to4 */
		return ipv4_is_public(ipv4_at(b + 2));
	/* global unicast is 2000::/3; of it 2001::/23 is for protocols, 2001:db8::/32 for documentation */
	if ((b[0] & 0xe0) != 0x20)
		return false;
	if (b[0] == 0x20 && b[1] == 0x01 && (b[2] & 0xfe) == 0)
		return false;
	return !(b[0] == 0x20 && b[1] == 0x01 && b[2] == 0x0d && b[3] == 0xb8);
}

bool gate_address_is_public(const struct sockaddr *sa)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (sa->sa_family == AF_INET) {
		memcpy(&in, sa, sizeof in);
		return ipv4_is_public(ntohl(in.sin_addr.s_addr));
	}
	if (sa->sa_family != AF_INET6)
		return false;
	memcpy(&in6, sa, sizeof in6);
	return ipv6_is_public(in6.sin6_addr.s6_addr);
}

static bool same_address(const struct sockaddr *x, const struct sockaddr *y)
{
	struct sockaddr_in a4, b4;
	struct sockaddr_in6 a6, b6;

	if (x->sa_family != y->sa_family)
		return false;
	if (x->sa_family == AF_INET) {
		memcpy(&a4, x, sizeof a4);
		memcpy(&b4, y, sizeof b4);
		return a4.sin_addr.s_addr == b4.sin_addr.s_addr;
	}
	memcpy(&a6, x, sizeof a6);
	memcpy(&b6, y, sizeof b6);
	return memcmp(&a6.sin6_addr, &b6.sin6_addr, 16) == 0;
}

/* this machine under one of its public addresses is no stranger either */
static bool is_own(const struct sockaddr *sa)
{
	struct ifaddrs *all, *i;
	bool own = false;

	if (getifaddrs(&all) < 0)
		return false;
	for (i = all; i && !own; i = i->ifa_next)
		own = i->ifa_addr &&
		      (i->ifa_addr->sa_family == AF_INET || i->ifa_addr->sa_family == AF_INET6) &&
		      same_address(sa, i->ifa_addr);
	freeifaddrs(all);
	return own;
}

/* host and port of SCHEME://[USER@]HOST[:PORT]/… and USER@HOST:PATH */
static bool split(const char *url, struct arena *a, struct gate *g, struct err *e)
{
	const char *scheme_end = strstr(url, "://"), *host, *end, *colon;
	size_t n;

	if (!scheme_end) {
		host = strchr(url, '@');
		if (!host)
			return err_set(e, ERR_INVALID, "url_invalid", "the URL names no host");
		host++;
		g->ssh = true;
		g->port = "22";
		n = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
	} else {
		g->ssh = starts_with(url, "ssh://");
		g->port = g->ssh ? "22" : starts_with(url, "http://") ? "80" : "443";
		host = scheme_end + 3;
		end = host + strcspn(host, "/?#");
		for (const char *p = host; p < end; p++)
			if (*p == '@')
				host = p + 1;
		n = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
		colon = host + n;
		if (*colon == ':' && colon + 1 < end)
			g->port = arena_strndup(a, colon + 1, (size_t)(end - colon - 1));
	}
	if (*host == '[' && n > 2)
		g->host = arena_strndup(a, host + 1, n - 2);
	else
		g->host = arena_strndup(a, host, n);
	return g->host[0] || err_set(e, ERR_INVALID, "url_invalid", "the URL names no host");
}

bool gate_open(const char *url, bool private, struct arena *a, struct gate *ret, struct err *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG }, *all;
	struct gate g = { .host = "", .port = "", .address = "" };
	char text[INET6_ADDRSTRLEN + 16];
	bool allowed = true;
	int rc;

	if (starts_with(url, "file://")) {
		*ret = g;
		return true;
	}
	if (!split(url, a, &g, e))
		return false;
	rc = getaddrinfo(g.host, g.port, &hints, &all);
	if (rc == EAI_NONAME || rc == EAI_NODATA || rc == EAI_ADDRFAMILY) {
		/* without any address of its own but loopback's, a machine hides what loopback's names have */
		hints.ai_flags = 0;
		rc = getaddrinfo(g.host, g.port, &hints, &all);
	}
	if (rc != 0)
		return err_set(e, ERR_UPSTREAM, "unknown_host", "host \"%s\" cannot be found: %s",
			g.host, gai_strerror(rc));
	for (const struct addrinfo *i = all; i; i = i->ai_next)
		allowed = allowed &&
			  (private || (gate_address_is_public(i->ai_addr) && !is_own(i->ai_addr)));
	rc = getnameinfo(all->ai_addr, all->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
	freeaddrinfo(all);
	if (!allowed)
		return err_set(e, ERR_INVALID, "address_not_allowed",
			"host \"%s\" has a loopback, private or link-local address; the operator's setting "
			"git_private allows those",
			g.host);
	if (rc != 0)
		return err_set(e, ERR_UPSTREAM, "unknown_host",
			"host \"%s\" has no address that can be used", g.host);
	g.address = arena_strdup(a, text);
	*ret = g;
	return true;
}
