librpcore_la_SOURCES += %D%/lane.h %D%/wait.c %D%/bell.h %D%/bell.c
mod_rproxy_la_SOURCES += %D%/hold.h %D%/hold.c
