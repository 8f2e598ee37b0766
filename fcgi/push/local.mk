# git push: the CGI program before git http-backend, and the hooks. base/ only.
libnap_a_SOURCES += \
	%D%/push_cgi.c %D%/push_cgi.h \
	%D%/push_hook.c %D%/push_hook.h \
	%D%/push_repo.c %D%/push_repo.h \
	%D%/push_source.c %D%/push_source.h
