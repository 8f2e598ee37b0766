# a machine's helpers: nap-run inside the sandbox, nap-node beside it
libnap_a_SOURCES += \
	%D%/announce.c \
	%D%/files.c %D%/files.h \
	%D%/filter.c %D%/filter.h \
	%D%/health.c %D%/health.h \
	%D%/init.c %D%/init.h \
	%D%/listener.c %D%/listener.h \
	%D%/machine.c %D%/node.h \
	%D%/out.c %D%/out.h \
	%D%/policy.c %D%/policy.h \
	%D%/prepare.c \
	%D%/program.c %D%/program.h \
	%D%/stopped.c \
	%D%/sweep.c \
	%D%/view.c \
	%D%/watch.c
