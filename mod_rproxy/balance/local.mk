mod_rproxy_la_SOURCES += %D%/balance.h %D%/arena.h %D%/arena.c %D%/pool.c %D%/choose.c %D%/forward.h %D%/forward.c %D%/hedge.c \
	%D%/keeper.c %D%/member.h %D%/member.c %D%/control.h %D%/control.c %D%/control_change.c
mod_rproxy_la_SOURCES += %D%/queue_wait.h %D%/queue_wait.c
librpcore_la_SOURCES += %D%/queue.h %D%/queue.c
librpcore_la_SOURCES += %D%/budget.h %D%/budget.c %D%/quantile.h %D%/quantile.c
librpcore_la_SOURCES += %D%/swrr.h %D%/swrr.c %D%/eject.h %D%/eject.c %D%/state.h %D%/state.c %D%/latency.c \
	%D%/pick.c %D%/table.h %D%/table.c
mod_rproxy_la_SOURCES += %D%/check.h %D%/check.c %D%/probe.h %D%/probe.c %D%/resolving.h %D%/resolving.c %D%/discover.h %D%/discover.c
librpcore_la_SOURCES += %D%/check_state.h %D%/check_state.c
mod_rproxy_la_SOURCES += %D%/method_request.c
librpcore_la_SOURCES += %D%/method.h %D%/method.c

check_PROGRAMS += t/unit/test_swrr
t_unit_test_swrr_SOURCES = t/unit/test_swrr.c
t_unit_test_swrr_LDADD = $(UNIT_LDADD)

check_PROGRAMS += t/unit/test_budget t/unit/test_quantile
t_unit_test_budget_SOURCES = t/unit/test_budget.c
t_unit_test_budget_LDADD = $(UNIT_LDADD)
t_unit_test_quantile_SOURCES = t/unit/test_quantile.c
t_unit_test_quantile_LDADD = $(UNIT_LDADD)

check_PROGRAMS += t/unit/test_check_state
t_unit_test_check_state_SOURCES = t/unit/test_check_state.c t/unit/state_util.h
t_unit_test_check_state_LDADD = $(UNIT_LDADD) -lm

check_PROGRAMS += t/unit/test_queue
t_unit_test_queue_SOURCES = t/unit/test_queue.c
t_unit_test_queue_LDADD = $(UNIT_LDADD) -lm

# Built with the tests so that they keep up with state.h; bench/balance builds its own, optimised.
check_PROGRAMS += bench/simulate bench/pick
bench_pick_SOURCES = bench/pick.c
bench_pick_LDADD = $(UNIT_LDADD) -lm
bench_simulate_SOURCES = bench/simulate.c
bench_simulate_LDADD = $(UNIT_LDADD) -lm

check_PROGRAMS += t/unit/test_method
t_unit_test_method_SOURCES = t/unit/test_method.c t/unit/state_util.h
t_unit_test_method_LDADD = $(UNIT_LDADD) -lm

check_PROGRAMS += t/unit/test_hashing
t_unit_test_hashing_SOURCES = t/unit/test_hashing.c t/unit/state_util.h
t_unit_test_hashing_LDADD = $(UNIT_LDADD) -lm

check_PROGRAMS += t/unit/test_eject
t_unit_test_eject_SOURCES = t/unit/test_eject.c t/unit/state_util.h
t_unit_test_eject_LDADD = $(UNIT_LDADD) -lm

check_PROGRAMS += t/unit/test_state_threads
t_unit_test_state_threads_SOURCES = t/unit/test_state_threads.c t/unit/state_util.h
t_unit_test_state_threads_LDADD = $(UNIT_LDADD) -lm

# Sessions
mod_rproxy_la_SOURCES += %D%/sticky.h %D%/sticky.c %D%/sticky_names.c %D%/sticky_memory.c
librpcore_la_SOURCES += %D%/sticky_token.h %D%/sticky_token.c %D%/sticky_learn.h %D%/sticky_learn.c

check_PROGRAMS += t/unit/test_sticky_token t/unit/test_sticky_learn
t_unit_test_sticky_token_SOURCES = t/unit/test_sticky_token.c
t_unit_test_sticky_token_LDADD = $(UNIT_LDADD)
t_unit_test_sticky_learn_SOURCES = t/unit/test_sticky_learn.c
t_unit_test_sticky_learn_LDADD = $(UNIT_LDADD)
