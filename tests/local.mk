# C unit tests: one program a file, cmocka, run under automake's TAP driver. To add one: a line in check_PROGRAMS and
# its _SOURCES; test_LIBS links all that nap's programs link.
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
AM_TESTS_ENVIRONMENT = CMOCKA_MESSAGE_OUTPUT=TAP; export CMOCKA_MESSAGE_OUTPUT;
TESTS = $(check_PROGRAMS)
nap_LIBS = $(JANSSON_LIBS) $(CURL_LIBS) $(PQ_LIBS) $(SODIUM_LIBS) $(FCGI_LIBS) -lpthread

if HAVE_CMOCKA
check_PROGRAMS += test_sql
# the whole library, so that every SQL constant of it is there
test_sql_SOURCES = tests/unit/test_sql.c
test_sql_LDFLAGS = $(AM_LDFLAGS) -Wl,--whole-archive libnap.a -Wl,--no-whole-archive
test_sql_LDADD = $(CMOCKA_LIBS) $(nap_LIBS) $(MHD_LIBS)
test_sql_DEPENDENCIES = libnap.a
endif
if HAVE_CMOCKA
check_PROGRAMS += test_applog test_profile test_unit
check_PROGRAMS += test_collect test_stream
test_stream_SOURCES = tests/unit/test_stream.c
test_stream_LDADD = libnap.a $(CMOCKA_LIBS) $(nap_LIBS)
test_collect_SOURCES = tests/unit/test_collect.c
test_collect_CPPFLAGS = $(AM_CPPFLAGS) -DJOURNAL='"$(abs_top_srcdir)/tests/fleet/journal"'
test_collect_LDADD = libnap.a $(CMOCKA_LIBS) $(nap_LIBS)
check_PROGRAMS += test_push
check_PROGRAMS += test_agent
test_agent_SOURCES = tests/unit/test_agent.c
test_agent_LDADD = libnap.a $(CMOCKA_LIBS) $(nap_LIBS) $(MHD_LIBS)
check_PROGRAMS += test_source
check_PROGRAMS += test_gate
test_gate_SOURCES = tests/unit/test_gate.c
test_gate_LDADD = libnap.a $(CMOCKA_LIBS) $(nap_LIBS)
test_source_SOURCES = tests/unit/test_source.c
test_source_LDADD = libnap.a $(CMOCKA_LIBS) $(nap_LIBS)
test_push_SOURCES = tests/unit/test_push.c
test_push_LDADD = libnap.a $(CMOCKA_LIBS) $(nap_LIBS)
test_unit_SOURCES = tests/unit/test_unit.c
test_unit_LDADD = libnap.a $(CMOCKA_LIBS) $(nap_LIBS)
test_profile_SOURCES = tests/unit/test_profile.c
test_profile_CPPFLAGS = $(AM_CPPFLAGS) -DPROFILES='"$(abs_top_srcdir)/tests/profiles/original-loop.json"'
test_profile_LDADD = libnap.a $(CMOCKA_LIBS) $(nap_LIBS)
test_applog_SOURCES = tests/unit/test_applog.c
test_applog_LDADD = libnap.a $(CMOCKA_LIBS) $(nap_LIBS)
check_PROGRAMS += test_template
test_template_SOURCES = tests/unit/test_template.c
test_template_LDADD = libnap.a $(CMOCKA_LIBS) $(nap_LIBS)
check_PROGRAMS += test_serve
test_serve_SOURCES = tests/unit/test_serve.c
test_serve_LDADD = libnap.a $(CMOCKA_LIBS) $(nap_LIBS)
check_PROGRAMS += test_openapi
test_openapi_SOURCES = tests/unit/test_openapi.c
test_openapi_CPPFLAGS = $(AM_CPPFLAGS) -DTOP='"$(abs_top_srcdir)"'
test_openapi_LDADD = libnap.a $(CMOCKA_LIBS) $(nap_LIBS)
check_PROGRAMS += test_options test_node
test_options_SOURCES = tests/unit/test_options.c
test_options_LDADD = libnap.a $(CMOCKA_LIBS) $(nap_LIBS)
test_node_SOURCES = tests/unit/test_node.c
test_node_LDADD = libnap.a $(CMOCKA_LIBS) $(nap_LIBS)
endif

check-programs: $(check_PROGRAMS)
print-tests:
	@echo $(check_PROGRAMS)
.PHONY: check-programs print-tests

# ratios against floors, on a copy that ./up has started (NAP_STATE)
bench:
	$(top_srcdir)/tests/bench/bench.py
.PHONY: bench
EXTRA_DIST += tests/bench/bench.py tests/bench/floor.c
