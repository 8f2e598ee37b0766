# The programs: each a thin main over libnap.a, listed with what it links.
bin_PROGRAMS += nap-git nap-hook nap-shell
nap_git_SOURCES = fcgi/nap-git.c
nap_git_LDADD = libnap.a
nap_hook_SOURCES = fcgi/nap-hook.c
nap_hook_LDADD = libnap.a $(JANSSON_LIBS)
nap_shell_SOURCES = fcgi/nap-shell.c
nap_shell_LDADD = libnap.a $(JANSSON_LIBS)
bin_PROGRAMS += nap-api
nap_api_SOURCES = fcgi/nap-api.c
nap_api_LDADD = libnap.a $(JANSSON_LIBS) $(PQ_LIBS) $(SODIUM_LIBS) $(FCGI_LIBS)
bin_PROGRAMS += nap-worker
nap_worker_SOURCES = fcgi/nap-worker.c
nap_worker_LDADD = libnap.a $(JANSSON_LIBS) $(CURL_LIBS) $(PQ_LIBS) $(SODIUM_LIBS) $(ARCHIVE_LIBS)
bin_PROGRAMS += nap-agent
nap_agent_SOURCES = fcgi/nap-agent.c
nap_agent_LDADD = libnap.a $(JANSSON_LIBS) $(MHD_LIBS)
bin_PROGRAMS += nap-stream
nap_stream_SOURCES = fcgi/nap-stream.c
nap_stream_LDADD = libnap.a $(JANSSON_LIBS) $(PQ_LIBS) $(SODIUM_LIBS) $(FCGI_LIBS) -lpthread
bin_PROGRAMS += nap-unit nap-run
nap_unit_SOURCES = fcgi/nap-unit.c
nap_unit_LDADD = libnap.a $(JANSSON_LIBS)
# It stands in every instance's memory, under its limits and filters, and where no library of ours is: static, and never
# with the sanitizers (its parts are tested with them from libnap.a).
nap_run_SOURCES = fcgi/nap-run.c fcgi/base/arena.c fcgi/base/base.c fcgi/base/buf.c fcgi/base/clock.c \
	fcgi/base/err.c fcgi/base/text.c fcgi/node/filter.c fcgi/node/init.c fcgi/node/listener.c \
	fcgi/node/policy.c fcgi/node/program.c
nap_run_CFLAGS = -std=gnu11 $(WARN_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS) -fstack-protector-strong
nap_run_LDFLAGS = -static
nap_run_LDADD = $(SODIUM_LIBS)
bin_PROGRAMS += nap-files
nap_files_SOURCES = fcgi/nap-files.c
nap_files_LDADD = libnap.a $(ARCHIVE_LIBS)
bin_PROGRAMS += nap-node
nap_node_SOURCES = fcgi/nap-node.c
nap_node_LDADD = libnap.a $(JANSSON_LIBS)
# one stands beside each instance: without shared libraries it is a quarter of the size
if !SANITIZERS
nap_node_LDFLAGS = -static
endif
# They run for a moment, many times: a search for leaks at their end would take three times as long as they do. Their
# parts are searched in the unit tests.
if SANITIZERS
nap_unit_SOURCES += tests/unit/short_lived.c
nap_node_SOURCES += tests/unit/short_lived.c
nap_git_SOURCES += tests/unit/short_lived.c
nap_hook_SOURCES += tests/unit/short_lived.c
nap_shell_SOURCES += tests/unit/short_lived.c
endif
# The command line; its manual page and completion are told by itself (cli/help.c).
bin_PROGRAMS += nap
nap_SOURCES = fcgi/nap.c
nap_LDADD = libnap.a $(JANSSON_LIBS) $(CURL_LIBS) $(ARCHIVE_LIBS)
nodist_man_MANS = nap.1
completiondir = $(datadir)/bash-completion/completions
nodist_completion_DATA = completion/nap
CLEANFILES += nap.1 completion/nap
nap.1: nap$(EXEEXT)
	$(AM_V_GEN)./nap$(EXEEXT) help --man >$@.tmp && mv $@.tmp $@
completion/nap: nap$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) completion && ./nap$(EXEEXT) help --completion >$@.tmp && mv $@.tmp $@
