# Licensed under the Apache License, Version 2.0; see LICENSE.

# Pure code
librpcore_la_SOURCES += %D%/redis_url.h %D%/redis_url.c %D%/reply.h %D%/reply.c %D%/slots.h %D%/slots.c \
	%D%/breaker.h %D%/breaker.c %D%/seal.h %D%/seal.c

# The link: sockets and threads, but no httpd
librpcore_la_SOURCES += %D%/farm.h %D%/conf.h %D%/conf.c %D%/farm_options.def %D%/redis_conn.h %D%/redis_conn.c \
	%D%/link.h %D%/link.c %D%/node.c %D%/names.c %D%/search.c %D%/sentinel.c %D%/cluster.c %D%/tell.c \
	%D%/lease.h %D%/lease.c

# Its life in httpd
mod_rproxy_la_SOURCES += %D%/host.h %D%/host.c %D%/presence.h %D%/presence.c %D%/tickets.h %D%/tickets.c
librpcore_la_SOURCES += %D%/ticket_keys.h %D%/ticket_keys.c %D%/kept.h %D%/kept.c

check_PROGRAMS += t/unit/test_redis_url t/unit/test_reply t/unit/test_slots t/unit/test_breaker t/unit/test_farm_conf \
	t/unit/test_seal t/unit/test_ticket_keys
t_unit_test_ticket_keys_SOURCES = t/unit/test_ticket_keys.c
t_unit_test_ticket_keys_LDADD = $(UNIT_LDADD)
t_unit_test_redis_url_SOURCES = t/unit/test_redis_url.c
t_unit_test_redis_url_LDADD = $(UNIT_LDADD)
t_unit_test_reply_SOURCES = t/unit/test_reply.c
t_unit_test_reply_LDADD = $(UNIT_LDADD)
t_unit_test_slots_SOURCES = t/unit/test_slots.c
t_unit_test_slots_LDADD = $(UNIT_LDADD)
t_unit_test_breaker_SOURCES = t/unit/test_breaker.c
t_unit_test_breaker_LDADD = $(UNIT_LDADD)
t_unit_test_farm_conf_SOURCES = t/unit/test_farm_conf.c
t_unit_test_farm_conf_LDADD = $(UNIT_LDADD)
t_unit_test_seal_SOURCES = t/unit/test_seal.c
t_unit_test_seal_LDADD = $(UNIT_LDADD)

# What t/farm_link.t drives.
check_PROGRAMS += t/farm/redis_link
t_farm_redis_link_SOURCES = t/farm/redis_link.c
t_farm_redis_link_LDADD = $(UNIT_LDADD)

FUZZERS += t/fuzz/fuzz_redis_url t/fuzz/fuzz_reply t/fuzz/fuzz_seal t/fuzz/fuzz_ticket_keys
