/*
 * What fleet takes as a unit's name, and its page tokens (docs/agent.md, "The API"). Messages are fleet's own.
 */
#ifndef NAP_AGENT_FLEET_NAME_H
#define NAP_AGENT_FLEET_NAME_H

#include "base/err.h"
#include "base/text.h"

#define FLEET_NAME_MAX	 256
#define FLEET_PAGE_LIMIT 100

/*
 * 1 to 256 bytes; letters, digits and : - _ . \ @, not beginning with @; ending in one of systemd's types (with an
 * @ in it only path service socket target timer). ERR_INVALID with the message fleet answers.
 */
NODISCARD bool fleet_name_check(const char *name, struct err *e);

/* x@.service: a template, which no machine can run */
bool fleet_name_is_template(const char *name);

/*
 * The text that systemd's specifier c stands for in unit name (systemd.unit(5)): n the name, N without its type,
 * p before the @, i between @ and type ("" if it is no instance). False: none of these four.
 */
bool fleet_specifier(const char *name, char c, struct slice *ret);

/* "ZAACAA==": base64 of two little-endian 16-bit numbers, size and page */
#define FLEET_TOKEN_SIZE 9
void fleet_token_print(char ret[FLEET_TOKEN_SIZE], unsigned int page);

/* the page number, 1 to 65535; ERR_INVALID with fleet's words */
NODISCARD bool fleet_token_parse(const char *token, unsigned int *ret_page, struct err *e);

#endif
