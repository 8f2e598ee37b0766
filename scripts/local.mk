# What the two commands and a source archive need beside the programs.
EXTRA_DIST += up check autogen.sh .ci .clang-format .clang-tidy .shellcheckrc scripts nginx examples docs README.md sql \
	tests/conftest.py tests/fake_fleet.py tests/fleet_exchanges.py tests/waiting.py tests/agent tests/api tests/bench tests/fleet tests/fuzz \
	tests/node tests/profiles
dist-hook:
	find $(distdir) -name __pycache__ -prune -exec rm -rf {} +

install-data-local:
	$(MKDIR_P) $(DESTDIR)$(pkgdatadir)/sql
	$(INSTALL_DATA) $(top_srcdir)/sql/*.sql $(DESTDIR)$(pkgdatadir)/sql
uninstall-local:
	rm -rf $(DESTDIR)$(pkgdatadir)/sql
