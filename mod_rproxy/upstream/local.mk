mod_rproxy_la_SOURCES += %D%/upstream.h %D%/conn.h %D%/conn.c %D%/resolve.c %D%/fields.c %D%/client_cert.h \
	%D%/client_cert.c %D%/head_out.c %D%/send.c %D%/receive.c %D%/respond.c %D%/relay.c %D%/trailers.c \
	%D%/tunnel.c %D%/failure.c
librpcore_la_SOURCES += %D%/transport.h %D%/transport.c %D%/tls.c
