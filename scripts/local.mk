# What the two commands and a source archive need beside the programs.
EXTRA_DIST += up check autogen.sh .ci .clang-format .clang-tidy .shellcheckrc scripts nginx examples docs README.md sql \
	tests/conftest.py tests/fake_fleet.py tests/fleet_exchanges.py tests/agent tests/api tests/bench tests/fleet tests/fuzz \
	tests/node tests/profiles
