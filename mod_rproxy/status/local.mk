mod_rproxy_la_SOURCES += %D%/manage.h %D%/manage.c %D%/manage_json.c %D%/manage_purge.c
mod_rproxy_la_SOURCES += %D%/account.h %D%/account.c %D%/metrics.def %D%/counters.def
mod_rproxy_la_SOURCES += %D%/figures.h %D%/figures.c %D%/problems.h %D%/problems.c
mod_rproxy_la_SOURCES += %D%/status.h %D%/status.c %D%/status_json.c %D%/openmetrics.c %D%/page.c %D%/mod_status.c %D%/log_json.c

# The page's parts lie in files of their own kinds, and become C.
PAGE = %D%/page/status.html %D%/page/status.css %D%/page/status.js
EXTRA_DIST += $(PAGE) build/embed
nodist_mod_rproxy_la_SOURCES = %D%/page_html.c %D%/page_css.c %D%/page_js.c
CLEANFILES += $(nodist_mod_rproxy_la_SOURCES)
%D%/page_html.c: %D%/page/status.html build/embed
	$(AM_V_GEN)mkdir -p $(@D) && sh $(top_srcdir)/build/embed rp_page_html $< >$@
%D%/page_css.c: %D%/page/status.css build/embed
	$(AM_V_GEN)mkdir -p $(@D) && sh $(top_srcdir)/build/embed rp_page_css $< >$@
%D%/page_js.c: %D%/page/status.js build/embed
	$(AM_V_GEN)mkdir -p $(@D) && sh $(top_srcdir)/build/embed rp_page_js $< >$@
librpcore_la_SOURCES += %D%/histogram.h %D%/histogram.c %D%/counters.h %D%/counters.c
librpcore_la_SOURCES += %D%/manage_path.h %D%/manage_path.c

check_PROGRAMS += t/unit/test_manage_path
t_unit_test_manage_path_SOURCES = t/unit/test_manage_path.c
t_unit_test_manage_path_LDADD = $(UNIT_LDADD)
FUZZERS += t/fuzz/fuzz_manage_path
check_PROGRAMS += t/unit/test_counters
t_unit_test_counters_SOURCES = t/unit/test_counters.c
t_unit_test_counters_LDADD = $(UNIT_LDADD)
