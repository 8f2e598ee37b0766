#include "api/routes.h"

static const struct route_table *const TABLES[] = {
	&health_table,
	&openapi_table,
	NULL,
};

const struct routes ROUTES = { TABLES };
