libnap_a_SOURCES += \
	%D%/address.c %D%/address.h \
	%D%/config.c %D%/config.h \
	%D%/env.c %D%/env.h \
	%D%/name.c %D%/name.h \
	%D%/profile.c %D%/profile.h \
	%D%/repository.c %D%/repository.h \
	%D%/source.c %D%/source.h \
	%D%/ssh_key.c %D%/ssh_key.h \
	%D%/template.c %D%/template.h \
	%D%/unit.c %D%/unit.h
