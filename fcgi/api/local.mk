libnap_a_SOURCES += \
	%D%/health.c \
	%D%/routes.c %D%/routes.h
