/*
 * Where an app is found. The one place that knows how addresses look (DESIGN 5): nap-api shows them, instances get
 * them as NAP_URL, a push ends with them.
 */
#ifndef NAP_MODEL_ADDRESS_H
#define NAP_MODEL_ADDRESS_H

#include "base/buf.h"
#include "model/config.h"

/*
 * http(s)://LABEL-TENANT.DOMAIN[:PORT]/, scheme and port those of the setting url. Where there is no domain:
 * http://HOST:APP_PORT/, HOST that of the setting; app_port 0: it has no address, and false is returned.
 */
bool address_of_app(struct buf *b, const struct config *cfg, const char *tenant, const char *name,
	int64_t app_port);

/* URL/git/TENANT/APP.git */
void address_of_git(struct buf *b, const struct config *cfg, const char *tenant, const char *name);

/* TENANT@HOST:APP on port 22, else ssh://TENANT@HOST:PORT/APP; HOST that of the setting url */
void address_of_git_ssh(
	struct buf *b, const struct config *cfg, const char *tenant, const char *name);

/* whether only this machine can reach it: a URL, or an address with or without a port, of 127.0.0.0/8, ::1 or localhost */
bool address_is_loopback(const char *url);

/* the two ends of the setting app_ports; false: it is no range of ports */
NODISCARD bool address_app_ports(const struct config *cfg, int64_t *ret_low, int64_t *ret_high);

#endif
