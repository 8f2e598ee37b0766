libnap_a_SOURCES += \
	%D%/applog.c %D%/applog.h \
	%D%/credential.c %D%/credential.h \
	%D%/db.c %D%/db.h \
	%D%/event.c %D%/event.h \
	%D%/operation.c %D%/operation.h
