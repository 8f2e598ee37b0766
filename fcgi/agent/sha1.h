/*
 * SHA-1 (RFC 3174): fleet names a unit's content by it, and so must the agent. It guards nothing.
 */
#ifndef NAP_AGENT_SHA1_H
#define NAP_AGENT_SHA1_H

#include "base/base.h"

#define SHA1_HEX_SIZE 41

/* the 40 hex digits of data's hash */
void sha1_hex(char ret[SHA1_HEX_SIZE], const void *data, size_t len);

#endif
