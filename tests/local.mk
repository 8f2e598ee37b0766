# C unit tests: one program a file, cmocka, run under automake's TAP driver.
