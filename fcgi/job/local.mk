libnap_a_SOURCES += \
	%D%/git.c %D%/git.h \
	%D%/job.c %D%/job.h \
	%D%/release.c %D%/release.h \
	%D%/tree.c %D%/tree.h
