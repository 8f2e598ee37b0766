libnap_a_SOURCES += \
	%D%/config.c %D%/config.h \
	%D%/env.c %D%/env.h \
	%D%/name.c %D%/name.h \
	%D%/profile.c %D%/profile.h \
	%D%/unit.c %D%/unit.h
