#include "model/address.h"

#include "base/text.h"

/* "http://" and "127.0.0.1" and ":8080" of "http://127.0.0.1:8080" */
static void cut_url(const char *url, struct slice *scheme, struct slice *host, struct slice *port)
{
	const char *rest = strstr(url, "://");
	size_t n;

	rest = rest ? rest + 3 : url;
	*scheme = (struct slice){ url, (size_t)(rest - url) };
	n = strcspn(rest, "/");
	*host = (struct slice){ rest, n };
	*port = (struct slice){ rest + n, 0 };
	for (size_t i = n; i > 0 && rest[i - 1] != ']'; i--) {
		if (rest[i - 1] == ':') {
			*host = (struct slice){ rest, i - 1 };
			*port = (struct slice){ rest + i - 1, n - (i - 1) };
			return;
		}
	}
}

bool address_of_app(struct buf *b, const struct config *cfg, const char *tenant, const char *name,
	int64_t app_port)
{
	struct slice scheme, host, port;

	cut_url(cfg->url, &scheme, &host, &port);
	if (!cfg->domain[0]) {
		if (app_port == 0)
			return false;
		buf_puts(b, "http://");
		buf_add(b, host.p, host.n);
		buf_putc(b, ':');
		buf_i64(b, app_port);
		buf_putc(b, '/');
		return true;
	}
	buf_add(b, scheme.p, scheme.n);
	for (const char *p = name; *p; p++)
		buf_putc(b, *p == '_' ? '-' : *p);
	buf_putc(b, '-');
	buf_puts(b, tenant);
	buf_putc(b, '.');
	buf_puts(b, cfg->domain);
	buf_add(b, port.p, port.n);
	buf_putc(b, '/');
	return true;
}

void address_of_git(struct buf *b, const struct config *cfg, const char *tenant, const char *name)
{
	buf_puts(b, cfg->url);
	buf_puts(b, "/git/");
	buf_puts(b, tenant);
	buf_putc(b, '/');
	buf_puts(b, name);
	buf_puts(b, ".git");
}

void address_of_git_ssh(
	struct buf *b, const struct config *cfg, const char *tenant, const char *name)
{
	bool usual = cfg->ssh_port == 22;
	struct slice scheme, host, port;

	cut_url(cfg->url, &scheme, &host, &port);
	if (!usual)
		buf_puts(b, "ssh://");
	buf_puts(b, tenant);
	buf_putc(b, '@');
	buf_add(b, host.p, host.n);
	buf_putc(b, ':');
	if (!usual) {
		buf_i64(b, cfg->ssh_port);
		buf_putc(b, '/');
	}
	buf_puts(b, name);
}

bool address_is_loopback(const char *url)
{
	struct slice scheme, host, port;

	cut_url(url, &scheme, &host, &port);
	return (host.n > 4 && memcmp(host.p, "127.", 4) == 0) || slice_eq(host, "localhost") ||
	       slice_eq(host, "[::1]") || streq(url, "::1");
}

bool address_app_ports(const struct config *cfg, int64_t *ret_low, int64_t *ret_high)
{
	const char *dash = strchr(cfg->app_ports, '-');
	int64_t low, high;

	if (!dash ||
		!parse_slice_i64((struct slice){ cfg->app_ports, (size_t)(dash - cfg->app_ports) },
			1, 65535, &low) ||
		!parse_i64(dash + 1, low, 65535, &high))
		return false;
	*ret_low = low;
	*ret_high = high;
	return true;
}
