libnap_a_SOURCES += \
	%D%/agent.c %D%/agent.h \
	%D%/cgroup.c %D%/cgroup.h \
	%D%/content.c %D%/content.h \
	%D%/disk.c %D%/disk.h \
	%D%/entries.c %D%/entries.h \
	%D%/fleet_api.c %D%/fleet_api.h \
	%D%/fleet_name.c %D%/fleet_name.h \
	%D%/guard.c %D%/guard.h \
	%D%/http.c %D%/http.h \
	%D%/journal.c %D%/journal.h \
	%D%/kept.c %D%/kept.h \
	%D%/machine.c %D%/machine.h \
	%D%/plan.c %D%/plan.h \
	%D%/sha1.c %D%/sha1.h \
	%D%/store.c %D%/store.h \
	%D%/super.c %D%/super.h \
	%D%/usage.c %D%/usage.h
