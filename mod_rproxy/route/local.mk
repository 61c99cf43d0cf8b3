mod_rproxy_la_SOURCES += %D%/route.h %D%/route.c %D%/target.c %D%/public.c
