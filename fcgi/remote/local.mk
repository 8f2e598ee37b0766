libnap_a_SOURCES +=
