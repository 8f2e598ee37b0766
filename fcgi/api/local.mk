libnap_a_SOURCES += \
	%D%/health.c \
	%D%/openapi.c %D%/openapi.h \
	%D%/routes.c %D%/routes.h
EXTRA_DIST += %D%/openapi.in.json

# the document beside the manager, after a change of routes; committed, and compared by tests/unit/test_openapi.c
openapi: nap-api$(EXEEXT)
	./nap-api --openapi <$(top_srcdir)/fcgi/api/openapi.in.json >web.openapi.tmp
	mv web.openapi.tmp $(top_srcdir)/web/openapi.json
.PHONY: openapi
