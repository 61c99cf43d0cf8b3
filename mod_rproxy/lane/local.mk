librpcore_la_SOURCES += %D%/lane.h %D%/wait.c %D%/bell.h %D%/bell.c %D%/shared_lock.h %D%/shared_lock.c
mod_rproxy_la_SOURCES += %D%/hold.h %D%/hold.c
