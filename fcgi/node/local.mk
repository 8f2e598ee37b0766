# a machine's helpers: nap-run inside the sandbox, nap-node beside it
libnap_a_SOURCES += \
	%D%/filter.c %D%/filter.h \
	%D%/init.c %D%/init.h \
	%D%/policy.c %D%/policy.h \
	%D%/program.c %D%/program.h
