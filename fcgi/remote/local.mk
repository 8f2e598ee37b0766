libnap_a_SOURCES += \
	%D%/engine.c %D%/engine.h \
	%D%/http.c %D%/http.h
