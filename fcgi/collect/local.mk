# nap-worker logs: the machines' journals into the apps' log files
libnap_a_SOURCES += \
	%D%/export.c %D%/export.h \
	%D%/line.c %D%/line.h
