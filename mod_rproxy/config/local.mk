librpcore_la_SOURCES += %D%/options.h %D%/options.c
mod_rproxy_la_SOURCES += %D%/config.h %D%/directives.h %D%/directives.def %D%/directives.c %D%/pool_conf.c \
	%D%/route_conf.c %D%/server_conf.c %D%/dir_conf.c %D%/compress_conf.c %D%/check.c
