# one unit of a machine, executed: base/ and jansson only
libnap_a_SOURCES += \
	%D%/command.c %D%/command.h \
	%D%/crun.c \
	%D%/finish.c \
	%D%/option_commands.c \
	%D%/option_paths.c \
	%D%/option_read.h \
	%D%/option_values.c \
	%D%/options.c %D%/options.h \
	%D%/plain.c %D%/plain.h \
	%D%/probe.c %D%/probe.h \
	%D%/resources.c \
	%D%/run.c %D%/run.h \
	%D%/sandbox.c %D%/sandbox.h \
	%D%/seccomp.c %D%/seccomp.h \
	%D%/syntax.c %D%/syntax.h \
	%D%/unit_dir.c %D%/unit_dir.h
