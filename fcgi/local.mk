# The programs: each a thin main over libnap.a, listed with what it links.
bin_PROGRAMS += nap-git nap-hook
nap_git_SOURCES = fcgi/nap-git.c
nap_git_LDADD = libnap.a
nap_hook_SOURCES = fcgi/nap-hook.c
nap_hook_LDADD = libnap.a $(JANSSON_LIBS)
bin_PROGRAMS += nap-api
nap_api_SOURCES = fcgi/nap-api.c
nap_api_LDADD = libnap.a $(JANSSON_LIBS) $(PQ_LIBS) $(SODIUM_LIBS) $(FCGI_LIBS)
bin_PROGRAMS += nap-worker
nap_worker_SOURCES = fcgi/nap-worker.c
nap_worker_LDADD = libnap.a $(JANSSON_LIBS) $(CURL_LIBS) $(PQ_LIBS) $(SODIUM_LIBS)
bin_PROGRAMS += nap-agent
nap_agent_SOURCES = fcgi/nap-agent.c
nap_agent_LDADD = libnap.a $(JANSSON_LIBS) $(MHD_LIBS)
bin_PROGRAMS += nap-stream
nap_stream_SOURCES = fcgi/nap-stream.c
nap_stream_LDADD = libnap.a $(JANSSON_LIBS) $(PQ_LIBS) $(SODIUM_LIBS) $(FCGI_LIBS) -lpthread
