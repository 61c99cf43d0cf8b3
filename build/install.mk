# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# After the module itself: on Debian's layout what a2enmod wants; elsewhere the line to write.

CONF = $(top_srcdir)/conf.d/rproxy.conf
MODS_AVAILABLE = $(DESTDIR)$(confdir)/mods-available

install-data-hook:
	rm -f '$(DESTDIR)$(moduledir)/mod_rproxy.la'
	@sh '$(top_srcdir)/build/install-conf' '$(DESTDIR)' '$(moduledir)' '$(confdir)' '$(CONF)'

uninstall-hook:
	rm -f '$(DESTDIR)$(moduledir)/mod_rproxy.so' '$(MODS_AVAILABLE)/rproxy.load'
	cmp -s '$(CONF)' '$(MODS_AVAILABLE)/rproxy.conf' && rm -f '$(MODS_AVAILABLE)/rproxy.conf' || :

EXTRA_DIST += build/install-conf
