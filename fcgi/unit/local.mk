# one unit of a machine, executed: base/ and jansson only
libnap_a_SOURCES += \
	%D%/options.c %D%/options.h \
	%D%/syntax.c %D%/syntax.h
