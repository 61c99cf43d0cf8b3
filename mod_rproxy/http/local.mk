# Licensed under the Apache License, Version 2.0; see LICENSE.

# Syntax and framing
librpcore_la_SOURCES += %D%/http.h %D%/bytes.h %D%/field.c %D%/head.c %D%/framing.c %D%/chunked.c \
	%D%/hop.c %D%/uri.c %D%/reference.c %D%/forwarded.c %D%/structured.h %D%/structured.c \
	%D%/utf8.h %D%/utf8.c %D%/digest.h %D%/digest.c

check_PROGRAMS += t/unit/test_field t/unit/test_head t/unit/test_framing t/unit/test_chunked
t_unit_test_field_SOURCES = t/unit/test_field.c
t_unit_test_field_LDADD = $(UNIT_LDADD)
t_unit_test_head_SOURCES = t/unit/test_head.c
t_unit_test_head_LDADD = $(UNIT_LDADD)
t_unit_test_framing_SOURCES = t/unit/test_framing.c
t_unit_test_framing_LDADD = $(UNIT_LDADD)
t_unit_test_chunked_SOURCES = t/unit/test_chunked.c
t_unit_test_chunked_LDADD = $(UNIT_LDADD)

check_PROGRAMS += t/unit/test_hop t/unit/test_uri t/unit/test_forwarded t/unit/test_structured
t_unit_test_hop_SOURCES = t/unit/test_hop.c
t_unit_test_hop_LDADD = $(UNIT_LDADD)
t_unit_test_uri_SOURCES = t/unit/test_uri.c
t_unit_test_uri_LDADD = $(UNIT_LDADD)
t_unit_test_forwarded_SOURCES = t/unit/test_forwarded.c
t_unit_test_forwarded_LDADD = $(UNIT_LDADD)
t_unit_test_structured_SOURCES = t/unit/test_structured.c t/unit/structured_util.h
t_unit_test_structured_LDADD = $(UNIT_LDADD)

FUZZERS += t/fuzz/fuzz_head t/fuzz/fuzz_chunked t/fuzz/fuzz_field t/fuzz/fuzz_uri t/fuzz/fuzz_structured

# Caching
librpcore_la_SOURCES += %D%/cache_control.h %D%/cache_control.c %D%/date.c %D%/freshness.c %D%/conditional.c %D%/vary.c
librpcore_la_SOURCES += %D%/targeted.c

check_PROGRAMS += t/unit/test_freshness_table
t_unit_test_freshness_table_SOURCES = t/unit/test_freshness_table.c t/unit/freshness_util.h
t_unit_test_freshness_table_LDADD = $(UNIT_LDADD)

librpcore_la_SOURCES += %D%/stale.c
check_PROGRAMS += t/unit/test_stale
t_unit_test_stale_SOURCES = t/unit/test_stale.c
t_unit_test_stale_LDADD = $(UNIT_LDADD)

check_PROGRAMS += t/unit/test_cache_control t/unit/test_date t/unit/test_freshness t/unit/test_storable \
	t/unit/test_conditional t/unit/test_vary
t_unit_test_cache_control_SOURCES = t/unit/test_cache_control.c
t_unit_test_cache_control_LDADD = $(UNIT_LDADD)
check_PROGRAMS += t/unit/test_targeted
t_unit_test_targeted_SOURCES = t/unit/test_targeted.c t/unit/freshness_util.h
t_unit_test_targeted_LDADD = $(UNIT_LDADD)
t_unit_test_date_SOURCES = t/unit/test_date.c
t_unit_test_date_LDADD = $(UNIT_LDADD)
t_unit_test_storable_SOURCES = t/unit/test_storable.c t/unit/freshness_util.h
t_unit_test_storable_LDADD = $(UNIT_LDADD)
t_unit_test_freshness_SOURCES = t/unit/test_freshness.c t/unit/freshness_util.h
t_unit_test_freshness_LDADD = $(UNIT_LDADD)
t_unit_test_conditional_SOURCES = t/unit/test_conditional.c
t_unit_test_conditional_LDADD = $(UNIT_LDADD)
t_unit_test_vary_SOURCES = t/unit/test_vary.c
t_unit_test_vary_LDADD = $(UNIT_LDADD)
FUZZERS += t/fuzz/fuzz_cache_control t/fuzz/fuzz_targeted t/fuzz/fuzz_date t/fuzz/fuzz_etag_list t/fuzz/fuzz_vary

# Extensions of caching
librpcore_la_SOURCES += %D%/extensions.h %D%/tags.c %D%/no_vary_search.c %D%/hints.c

check_PROGRAMS += t/unit/test_tags t/unit/test_no_vary_search t/unit/test_hints
t_unit_test_hints_SOURCES = t/unit/test_hints.c
t_unit_test_hints_LDADD = $(UNIT_LDADD)
t_unit_test_tags_SOURCES = t/unit/test_tags.c
t_unit_test_tags_LDADD = $(UNIT_LDADD)
t_unit_test_no_vary_search_SOURCES = t/unit/test_no_vary_search.c
t_unit_test_no_vary_search_LDADD = $(UNIT_LDADD)
FUZZERS += t/fuzz/fuzz_tags t/fuzz/fuzz_no_vary_search

# Content codings
librpcore_la_SOURCES += %D%/accept_encoding.c %D%/dictionary.h %D%/dictionary.c %D%/language.h %D%/language.c
check_PROGRAMS += t/unit/test_language
t_unit_test_language_SOURCES = t/unit/test_language.c
t_unit_test_language_LDADD = $(UNIT_LDADD)
FUZZERS += t/fuzz/fuzz_language t/fuzz/fuzz_hop t/fuzz/fuzz_response

check_PROGRAMS += t/unit/test_dictionary
t_unit_test_dictionary_SOURCES = t/unit/test_dictionary.c
t_unit_test_dictionary_LDADD = $(UNIT_LDADD)
FUZZERS += t/fuzz/fuzz_dictionary

check_PROGRAMS += t/unit/test_accept_encoding
t_unit_test_accept_encoding_SOURCES = t/unit/test_accept_encoding.c
t_unit_test_accept_encoding_LDADD = $(UNIT_LDADD)

# Ranges
librpcore_la_SOURCES += %D%/range.h %D%/range.c

check_PROGRAMS += t/unit/test_range
t_unit_test_range_SOURCES = t/unit/test_range.c
t_unit_test_range_LDADD = $(UNIT_LDADD)
FUZZERS += t/fuzz/fuzz_range

# Keys
librpcore_la_SOURCES += %D%/query.h %D%/query.c %D%/cookie.c

check_PROGRAMS += t/unit/test_query
t_unit_test_query_SOURCES = t/unit/test_query.c
t_unit_test_query_LDADD = $(UNIT_LDADD)
FUZZERS += t/fuzz/fuzz_query

# Sessions
librpcore_la_SOURCES += %D%/session.h %D%/session.c

check_PROGRAMS += t/unit/test_session
t_unit_test_session_SOURCES = t/unit/test_session.c
t_unit_test_session_LDADD = $(UNIT_LDADD)
FUZZERS += t/fuzz/fuzz_session
