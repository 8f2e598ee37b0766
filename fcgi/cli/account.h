/*
 * Where nap is, and who asks.
 *
 * The address: NAP_URL; or that of the nap on this machine whose folder NAP_STATE names; or the one that login used last.
 * The token: NAP_TOKEN; or what login has kept for that address, and for no other; or, where the address is that of NAP_STATE,
 * the operator's in $NAP_STATE/admin-token, if this user may read it.
 *
 * What login keeps is $NAP_CONFIG/logins.json, 0600, else below $XDG_CONFIG_HOME/nap or ~/.config/nap:
 *	{"current": URL, "logins": {URL: {"tenant": NAME, "token": TEXT}}}
 */
#ifndef NAP_CLI_ACCOUNT_H
#define NAP_CLI_ACCOUNT_H

#include "cli/cli.h"

/* Fills c->url and c->token as far as they are known. Errors: ERR_INVALID "no_address", ERR_AUTH "no_token". */
NODISCARD bool account_find(struct cli *c, struct err *e);

/* Keeps or, token NULL, forgets the login at c->url. */
NODISCARD bool account_keep(struct cli *c, const char *tenant, const char *token, struct err *e);

/* An address as people type it: with a scheme, without a slash at its end. ERR_INVALID "url_invalid". */
NODISCARD bool account_url(struct arena *a, const char *text, const char **ret, struct err *e);

/* $NAP_STATE, if it holds a nap; NULL */
const char *account_state(struct cli *c);

#endif
