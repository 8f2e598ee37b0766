# nap-stream: event streams
libnap_a_SOURCES += \
	%D%/group_log.c %D%/group_log.h \
	%D%/hub.c %D%/hub.h \
	%D%/open.c %D%/open.h \
	%D%/reading.c %D%/reading.h \
	%D%/serve.c %D%/serve.h \
	%D%/sse.c %D%/sse.h
