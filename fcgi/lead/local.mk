libnap_a_SOURCES += \
	%D%/lead.h %D%/routes.h
