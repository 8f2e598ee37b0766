libnap_a_SOURCES += \
	%D%/act.c %D%/act.h \
	%D%/admit.c %D%/admit.h \
	%D%/build.c %D%/build.h \
	%D%/busy.c %D%/busy.h \
	%D%/judge.c %D%/judge.h \
	%D%/keep.c %D%/keep.h \
	%D%/keys.c %D%/keys.h \
	%D%/lead.c %D%/lead.h %D%/leader.h \
	%D%/lock.c %D%/lock.h \
	%D%/plan.c %D%/plan.h \
	%D%/record.c %D%/record.h \
	%D%/routes.c %D%/routes.h \
	%D%/view.c %D%/view.h \
	%D%/world.c %D%/world.h
