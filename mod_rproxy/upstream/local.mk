mod_rproxy_la_SOURCES += %D%/upstream.h %D%/conn.h %D%/conn.c %D%/handshake.c %D%/resolve.c %D%/fields.c %D%/client_cert.h \
	%D%/client_cert.c %D%/head_out.c %D%/send.c %D%/upload.h %D%/upload.c %D%/receive.c %D%/discard.c %D%/respond.c %D%/relay.c %D%/trailers.c \
	%D%/tunnel.c %D%/failure.c %D%/find.h %D%/find.c
librpcore_la_SOURCES += %D%/addresses.h %D%/addresses.c %D%/transport.h %D%/transport.c %D%/tls.h %D%/tls.c %D%/tls_pin.c %D%/tls_sessions.c \
	%D%/proxy_header.h %D%/proxy_header.c %D%/dns.h %D%/dns.c
# What reads the answers of name servers; part of the C library's packages.
librpcore_la_LIBADD = -lresolv

check_PROGRAMS += t/unit/test_dns t/unit/test_proxy_header t/unit/test_tls_pin t/unit/test_tls_sessions
t_unit_test_dns_SOURCES = t/unit/test_dns.c
t_unit_test_dns_LDADD = $(UNIT_LDADD)
t_unit_test_proxy_header_SOURCES = t/unit/test_proxy_header.c
t_unit_test_proxy_header_LDADD = $(UNIT_LDADD)
t_unit_test_tls_pin_SOURCES = t/unit/test_tls_pin.c
t_unit_test_tls_pin_LDADD = $(UNIT_LDADD)
t_unit_test_tls_sessions_SOURCES = t/unit/test_tls_sessions.c
t_unit_test_tls_sessions_LDADD = $(UNIT_LDADD)

FUZZERS += t/fuzz/fuzz_dns
