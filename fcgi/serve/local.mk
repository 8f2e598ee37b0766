libnap_a_SOURCES += \
	%D%/body.c %D%/body.h \
	%D%/dispatch.c \
	%D%/faults.c %D%/faults.h \
	%D%/idempotency.c %D%/idempotency.h \
	%D%/operation_json.c %D%/operation_json.h \
	%D%/pool.c %D%/pool.h \
	%D%/request.c %D%/request.h \
	%D%/response.c %D%/response.h \
	%D%/route.c %D%/route.h \
	%D%/session.c %D%/session.h \
	%D%/upload.c %D%/upload.h \
	%D%/wait.c %D%/wait.h
