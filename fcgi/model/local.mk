libnap_a_SOURCES += \
	%D%/config.c %D%/config.h \
	%D%/name.c %D%/name.h \
	%D%/profile.c %D%/profile.h
