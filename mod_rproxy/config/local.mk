librpcore_la_SOURCES += %D%/options.h %D%/options.c
mod_rproxy_la_SOURCES += %D%/config.h %D%/directives.h %D%/directives.def %D%/member_options.def \
	%D%/method_conf.c %D%/check_options.def %D%/check_pool_conf.c \
	%D%/timeout_options.def %D%/local_options.def %D%/rule_options.def %D%/collapse_options.def \
	%D%/key_options.def %D%/stored_options.def %D%/dictionary_options.def %D%/dictionary_conf.c %D%/retry_options.def %D%/budget_options.def %D%/hedge_options.def %D%/retry_conf.c \
	%D%/rules_conf.c %D%/key_conf.c %D%/lane_conf.c %D%/expr_conf.c %D%/directives.c %D%/pool_conf.c \
	%D%/member_conf.c %D%/eject_conf.c %D%/eject_options.def %D%/sticky_conf.c %D%/sticky_options.def \
	%D%/queue_conf.c %D%/queue_options.def %D%/limit_conf.c %D%/limit_options.def %D%/route_conf.c \
	%D%/tickets_conf.c %D%/tickets_options.def %D%/server_conf.c %D%/farm_conf.c %D%/dir_conf.c %D%/cache_conf.c %D%/collapse_conf.c %D%/compress_conf.c %D%/check.c

check_PROGRAMS += t/unit/test_options
t_unit_test_options_SOURCES = t/unit/test_options.c
t_unit_test_options_LDADD = $(UNIT_LDADD)

# docs/directives.md is what this prints; t/docs.t compares them.
check_PROGRAMS += build/reference
build_reference_SOURCES = build/reference.c
build_reference_LDADD = $(UNIT_LDADD)

.PHONY: reference
reference: build/reference
	build/reference >'$(top_srcdir)/docs/directives.md'
	build/reference metrics >'$(top_srcdir)/docs/metrics.md'
