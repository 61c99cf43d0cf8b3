# Licensed under the Apache License, Version 2.0; see LICENSE.

mod_rproxy_la_SOURCES += %D%/limit.h %D%/limit.c %D%/turn.h %D%/key.c %D%/memory.c %D%/tell.c \
	%D%/ask.h %D%/ask.c %D%/lease.h %D%/lease.c
librpcore_la_SOURCES += %D%/gcra.h %D%/gcra.c %D%/rates.h %D%/rates.c %D%/places.h %D%/places.c

check_PROGRAMS += t/unit/test_gcra t/unit/test_limit_tables
t_unit_test_gcra_SOURCES = t/unit/test_gcra.c
t_unit_test_gcra_LDADD = $(UNIT_LDADD)
t_unit_test_limit_tables_SOURCES = t/unit/test_limit_tables.c
t_unit_test_limit_tables_LDADD = $(UNIT_LDADD)
