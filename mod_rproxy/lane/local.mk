librpcore_la_SOURCES += %D%/lane.h %D%/wait.c %D%/bell.h %D%/bell.c %D%/shared_lock.h %D%/shared_lock.c \
	%D%/coroutine.h %D%/coroutine.c %D%/timers.h %D%/timers.c %D%/loop.h %D%/loop.c %D%/blocking.c
mod_rproxy_la_SOURCES += %D%/hold.h %D%/hold.c \
	%D%/lanes.h %D%/lanes.c %D%/client.h %D%/client.c %D%/input.c %D%/output.c %D%/errand.c

check_PROGRAMS += t/unit/test_lane
t_unit_test_lane_SOURCES = t/unit/test_lane.c
t_unit_test_lane_LDADD = $(UNIT_LDADD)
