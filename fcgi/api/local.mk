libnap_a_SOURCES += \
	%D%/account.c \
	%D%/app.h %D%/app_body.c %D%/app_change.c %D%/apps.c \
	%D%/engine.c \
	%D%/env.c \
	%D%/events.c \
	%D%/git_auth.c \
	%D%/files.c \
	%D%/groups.c \
	%D%/health.c \
	%D%/hooks.c \
	%D%/node.c \
	%D%/instances.c \
	%D%/logs.c \
	%D%/metrics.c \
	%D%/openapi.c %D%/openapi.h \
	%D%/operations.c \
	%D%/outputs.c \
	%D%/results.c \
	%D%/profile.c \
	%D%/releases.c \
	%D%/routes.c %D%/routes.h \
	%D%/scale.c \
	%D%/similar.c %D%/similar.h \
	%D%/session.c \
	%D%/source.c \
	%D%/ssh_keys.c \
	%D%/tenants.c \
	%D%/tokens.c \
	%D%/webhook.c
EXTRA_DIST += %D%/openapi.in.json

# the document beside the manager, after a change of routes; committed, and compared by tests/unit/test_openapi.c
openapi: nap-api$(EXEEXT)
	./nap-api --openapi <$(top_srcdir)/fcgi/api/openapi.in.json >web.openapi.tmp
	mv web.openapi.tmp $(top_srcdir)/web/openapi.json
.PHONY: openapi
