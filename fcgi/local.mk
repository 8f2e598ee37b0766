# The programs: each a thin main over libnap.a, listed with what it links.
