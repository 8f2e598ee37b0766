/*
 * All routes of nap-api, a table a file. To add one: serve/route.h says how.
 *
 * A file defines `static const struct route health_routes[]` and below it ROUTE_TABLE(health); the list in routes.c
 * names it.
 */
#ifndef NAP_API_ROUTES_H
#define NAP_API_ROUTES_H

#include "serve/route.h"

#define ROUTE_TABLE(name) \
	const struct route_table name##_table = { name##_routes, ARRAY_SIZE(name##_routes) }

extern const struct route_table account_table;
extern const struct route_table app_change_table;
extern const struct route_table apps_table;
extern const struct route_table engine_table;
extern const struct route_table env_table;
extern const struct route_table events_table;
extern const struct route_table files_table;
extern const struct route_table groups_table;
extern const struct route_table health_table;
extern const struct route_table node_table;
extern const struct route_table hooks_table;
extern const struct route_table git_auth_table;
extern const struct route_table instances_table;
extern const struct route_table logs_table;
extern const struct route_table metrics_table;
extern const struct route_table openapi_table;
extern const struct route_table operations_table;
extern const struct route_table outputs_table;
extern const struct route_table profile_table;
extern const struct route_table releases_table;
extern const struct route_table results_table;
extern const struct route_table scale_table;
extern const struct route_table similar_table;
extern const struct route_table session_table;
extern const struct route_table source_table;
extern const struct route_table ssh_keys_table;
extern const struct route_table tenants_table;
extern const struct route_table tokens_table;
extern const struct route_table webhook_table;

extern const struct routes ROUTES;

#endif
