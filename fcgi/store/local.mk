libnap_a_SOURCES += \
	%D%/applog.c %D%/applog.h
