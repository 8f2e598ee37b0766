# git push over HTTP and SSH: the programs before git, and the hooks. base/ only.
libnap_a_SOURCES += \
	%D%/push_cgi.c %D%/push_cgi.h \
	%D%/push_command.c %D%/push_command.h \
	%D%/push_git.c %D%/push_git.h \
	%D%/push_hook.c %D%/push_hook.h \
	%D%/push_repo.c %D%/push_repo.h \
	%D%/push_shell.c %D%/push_shell.h \
	%D%/push_source.c %D%/push_source.h
