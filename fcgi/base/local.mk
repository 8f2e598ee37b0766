libnap_a_SOURCES += \
	%D%/arena.c %D%/arena.h \
	%D%/base.c %D%/base.h \
	%D%/buf.c %D%/buf.h \
	%D%/call.c %D%/call.h \
	%D%/clock.c %D%/clock.h \
	%D%/err.c %D%/err.h \
	%D%/file.c %D%/file.h \
	%D%/limits.h \
	%D%/log.c %D%/log.h \
	%D%/proc.c %D%/proc.h \
	%D%/spawn.c %D%/spawn.h \
	%D%/text.c %D%/text.h
