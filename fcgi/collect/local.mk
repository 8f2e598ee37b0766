# nap-worker logs: the machines' journals into the apps' log files
libnap_a_SOURCES += \
	%D%/collect.c %D%/collect.h \
	%D%/export.c %D%/export.h \
	%D%/line.c %D%/line.h \
	%D%/sink.c %D%/sink.h \
	%D%/source.c %D%/source.h
