# nap, the command line: over REST, on base/, model/ and remote/ only
libnap_a_SOURCES += \
	%D%/account.c %D%/account.h \
	%D%/apps.c \
	%D%/archive.c %D%/archive.h \
	%D%/cli.c %D%/cli.h \
	%D%/command.c %D%/command.h \
	%D%/deploy.c \
	%D%/doctor.c \
	%D%/groups.c \
	%D%/help.c \
	%D%/ignore.c %D%/ignore.h \
	%D%/login.c \
	%D%/logs.c \
	%D%/operation.c %D%/operation.h \
	%D%/ops.c \
	%D%/push.c \
	%D%/rest.c %D%/rest.h \
	%D%/suggest.c %D%/suggest.h \
	%D%/table.c %D%/table.h \
	%D%/tenants.c \
	%D%/term.c %D%/term.h \
	%D%/tokens.c
