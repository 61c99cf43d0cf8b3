mod_rproxy_la_SOURCES += %D%/balance.h %D%/pool.c %D%/forward.c
librpcore_la_SOURCES += %D%/swrr.h %D%/swrr.c

check_PROGRAMS += t/unit/test_swrr
t_unit_test_swrr_SOURCES = t/unit/test_swrr.c
t_unit_test_swrr_LDADD = $(UNIT_LDADD)
