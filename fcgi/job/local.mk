libnap_a_SOURCES += \
	%D%/bring.c \
	%D%/build.c %D%/build.h \
	%D%/deploy.c \
	%D%/destroy.c \
	%D%/disk.c %D%/disk.h \
	%D%/env.c \
	%D%/gate.c %D%/gate.h \
	%D%/git.c %D%/git.h \
	%D%/import.c %D%/import.h \
	%D%/job.c %D%/job.h \
	%D%/keep.c %D%/keep.h \
	%D%/kinds.h \
	%D%/lease.c %D%/lease.h \
	%D%/link.c %D%/link.h \
	%D%/members.c \
	%D%/pack.c %D%/pack.h \
	%D%/pool.c %D%/pool.h \
	%D%/push.c \
	%D%/redeploy.c \
	%D%/release.c %D%/release.h \
	%D%/restart.c \
	%D%/rollback.c \
	%D%/run.c %D%/run.h \
	%D%/similar.c \
	%D%/ssh.c %D%/ssh.h \
	%D%/settle.c %D%/settle.h \
	%D%/tree.c %D%/tree.h \
	%D%/upload.c
