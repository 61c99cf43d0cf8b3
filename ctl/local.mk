# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# rproxyctl: a script that knows the version it was installed with, its page and its completion.

bin_SCRIPTS = rproxyctl
CLEANFILES += rproxyctl
EXTRA_DIST += %D%/rproxyctl %D%/rproxyctl.bash
dist_man_MANS = %D%/rproxyctl.1
completiondir = $(datadir)/bash-completion/completions

rproxyctl: %D%/rproxyctl Makefile
	$(AM_V_GEN)sed 's/\\@VERSION\\@/$(VERSION)/' '$(top_srcdir)/%D%/rproxyctl' >$@ && chmod 755 $@

install-data-local:
	mkdir -p '$(DESTDIR)$(completiondir)'
	cp '$(top_srcdir)/%D%/rproxyctl.bash' '$(DESTDIR)$(completiondir)/rproxyctl'
	chmod 644 '$(DESTDIR)$(completiondir)/rproxyctl'

uninstall-local:
	rm -f '$(DESTDIR)$(completiondir)/rproxyctl'
