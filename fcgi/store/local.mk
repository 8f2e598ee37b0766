libnap_a_SOURCES += \
	%D%/app.c %D%/app.h \
	%D%/applog.c %D%/applog.h \
	%D%/build.c %D%/build.h \
	%D%/credential.c %D%/credential.h \
	%D%/db.c %D%/db.h \
	%D%/engine_view.c %D%/engine_view.h \
	%D%/event.c %D%/event.h \
	%D%/first_login.c %D%/first_login.h \
	%D%/instance.c %D%/instance.h \
	%D%/migrate.c %D%/migrate.h \
	%D%/operation.c %D%/operation.h \
	%D%/push.c %D%/push.h \
	%D%/release.c %D%/release.h \
	%D%/rows.c %D%/rows.h \
	%D%/session.c %D%/session.h \
	%D%/tenant.c %D%/tenant.h \
	%D%/token.c %D%/token.h
