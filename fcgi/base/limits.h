/*
 * All maxima in one list. Sizes are bytes, times milliseconds unless the name says otherwise.
 */
#ifndef NAP_BASE_LIMITS_H
#define NAP_BASE_LIMITS_H

#define MAX_BODY_BYTES	     (1024 * 1024) /* a JSON request (REST.md) */
#define MAX_LARGE_BODY_BYTES (8 * 1024 * 1024)
#define MAX_RESPONSE_BYTES   (16 * 1024 * 1024)
#define MAX_PROFILE_BYTES    (1024 * 1024)
#define MIN_MEMORY_BYTES     (6 * 1024 * 1024) /* as docker run -m */
#define MAX_JSON_DEPTH	     32
#define MAX_INSTANCES	     500 /* of one app */
#define MAX_TENANT_NAME	     24
#define MAX_APP_NAME	     32 /* given by a person */
#define MAX_HOST_LABEL	     63 /* label, '-' and tenant together (RFC 1035) */
#define MAX_COMMAND_BYTES    (64 * 1024)
#define MAX_ENV_VALUE_BYTES  (64 * 1024)
#define MAX_ENV_VARIABLES    1000
#define MAX_ENV_BYTES	     (256 * 1024) /* all variables of an app, as JSON */
#define MAX_URL_BYTES	     2000
#define MAX_LIST	     1000
#define MAX_LONG_POLL_S	     60
#define MAX_ENGINE_ANSWER    (64 * 1024 * 1024)
#define MAX_PROC_OUTPUT	     (1024 * 1024)
#define MAX_LOG_LINE	     (48 * 1024)  /* journald cuts longer ones */
#define MAX_LOG_JOINED	     (128 * 1024) /* of such pieces put together again */
#define MAX_UNIT_LINE	     2048	  /* fleet's, measured */

#endif
