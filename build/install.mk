# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# After the module itself: on Debian's layout what a2enmod wants; elsewhere the line to write.

MODS_AVAILABLE = $(confdir)/mods-available

install-data-hook:
	rm -f '$(DESTDIR)$(moduledir)/mod_rproxy.la'
	@sh '$(top_srcdir)/build/install-conf' '$(DESTDIR)' '$(moduledir)' '$(confdir)' '$(top_srcdir)/conf.d/rproxy.conf'

uninstall-hook:
	rm -f '$(DESTDIR)$(moduledir)/mod_rproxy.so' '$(DESTDIR)$(MODS_AVAILABLE)/rproxy.load'

EXTRA_DIST += build/install-conf
