mod_rproxy_la_SOURCES += %D%/balance.h %D%/arena.h %D%/arena.c %D%/pool.c %D%/choose.c %D%/forward.c \
	%D%/keeper.c
librpcore_la_SOURCES += %D%/budget.h %D%/budget.c
librpcore_la_SOURCES += %D%/swrr.h %D%/swrr.c %D%/eject.h %D%/eject.c %D%/state.h %D%/state.c %D%/latency.c \
	%D%/pick.c %D%/table.h %D%/table.c

check_PROGRAMS += t/unit/test_swrr
t_unit_test_swrr_SOURCES = t/unit/test_swrr.c
t_unit_test_swrr_LDADD = $(UNIT_LDADD)

check_PROGRAMS += t/unit/test_budget
t_unit_test_budget_SOURCES = t/unit/test_budget.c
t_unit_test_budget_LDADD = $(UNIT_LDADD)
