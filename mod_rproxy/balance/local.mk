mod_rproxy_la_SOURCES += %D%/balance.h %D%/pool.c %D%/forward.c
librpcore_la_SOURCES += %D%/swrr.h %D%/swrr.c
