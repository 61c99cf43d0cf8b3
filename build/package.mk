# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# make deb: a Debian package in packages/, of what make dist would release.  make rpm: the same for Fedora and its kin.

.PHONY: deb rpm mod_rproxy.spec
deb: dist
	sh '$(top_srcdir)/build/package/deb' $(distdir).tar.xz $(VERSION) packages

mod_rproxy.spec: $(top_srcdir)/build/package/mod_rproxy.spec.in
	sed 's/@VERSION@/$(VERSION)/' '$(top_srcdir)/build/package/mod_rproxy.spec.in' >$@

rpm: dist mod_rproxy.spec
	mkdir -p packages
	rpmbuild -bb --define "_sourcedir $$PWD" --define "_rpmdir $$PWD/packages" mod_rproxy.spec

CLEANFILES += mod_rproxy.spec
EXTRA_DIST += build/package
