#include "api/routes.h"

static const struct route_table *const TABLES[] = {
	&app_change_table,
	&apps_table,
	&engine_table,
	&env_table,
	&events_table,
	&files_table,
	&groups_table,
	&health_table,
	&node_table,
	&hooks_table,
	&git_auth_table,
	&instances_table,
	&logs_table,
	&metrics_table,
	&openapi_table,
	&operations_table,
	&outputs_table,
	&profile_table,
	&releases_table,
	&results_table,
	&scale_table,
	&similar_table,
	&session_table,
	&source_table,
	&ssh_keys_table,
	&tenants_table,
	&tokens_table,
	NULL,
};

const struct routes ROUTES = { TABLES };
