# C unit tests: one program a file, cmocka, run under automake's TAP driver. To add one: its name in check_PROGRAMS and
# its _SOURCES; each links all that nap's programs link.
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
AM_TESTS_ENVIRONMENT = CMOCKA_MESSAGE_OUTPUT=TAP; export CMOCKA_MESSAGE_OUTPUT;
TESTS = $(check_PROGRAMS)
LDADD = libnap.a $(CMOCKA_LIBS) $(JANSSON_LIBS) $(CURL_LIBS) $(PQ_LIBS) $(SODIUM_LIBS) $(FCGI_LIBS) $(MHD_LIBS) \
	$(ARCHIVE_LIBS) -lpthread

if HAVE_CMOCKA
check_PROGRAMS += test_agent test_applog test_cli test_collect test_gate test_keys test_node test_openapi test_options test_profile \
	test_push test_serve test_source test_sql test_stream test_template test_unit
test_agent_SOURCES = tests/unit/test_agent.c
test_applog_SOURCES = tests/unit/test_applog.c
test_cli_SOURCES = tests/unit/test_cli.c
test_collect_SOURCES = tests/unit/test_collect.c
test_collect_CPPFLAGS = $(AM_CPPFLAGS) -DJOURNAL='"$(abs_top_srcdir)/tests/fleet/journal"'
test_gate_SOURCES = tests/unit/test_gate.c
test_keys_SOURCES = tests/unit/test_keys.c
test_node_SOURCES = tests/unit/test_node.c
test_openapi_SOURCES = tests/unit/test_openapi.c
test_openapi_CPPFLAGS = $(AM_CPPFLAGS) -DTOP='"$(abs_top_srcdir)"'
test_options_SOURCES = tests/unit/test_options.c
test_profile_SOURCES = tests/unit/test_profile.c
test_profile_CPPFLAGS = $(AM_CPPFLAGS) -DPROFILES='"$(abs_top_srcdir)/tests/profiles/original-loop.json"'
test_push_SOURCES = tests/unit/test_push.c
test_serve_SOURCES = tests/unit/test_serve.c
test_source_SOURCES = tests/unit/test_source.c
# the whole library, so that every SQL constant of it is there
test_sql_SOURCES = tests/unit/test_sql.c
test_sql_LDFLAGS = $(AM_LDFLAGS) -Wl,--whole-archive libnap.a -Wl,--no-whole-archive
test_stream_SOURCES = tests/unit/test_stream.c
test_template_SOURCES = tests/unit/test_template.c
test_unit_SOURCES = tests/unit/test_unit.c
endif

check-programs: $(check_PROGRAMS)
print-tests:
	@echo $(check_PROGRAMS)
.PHONY: check-programs print-tests

# ratios against floors, on a copy that ./up has started (NAP_STATE); and the engine with a thousand instances, on its own
bench: bench-engine
	$(top_srcdir)/tests/bench/bench.py
bench-engine:
	NAP_BIN=$(abs_top_builddir) $(top_srcdir)/tests/bench/engine.py
.PHONY: bench bench-engine
