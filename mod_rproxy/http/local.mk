# Licensed under the Apache License, Version 2.0; see LICENSE.

# Syntax and framing
librpcore_la_SOURCES += %D%/http.h %D%/bytes.h %D%/field.c %D%/head.c %D%/framing.c %D%/chunked.c

check_PROGRAMS += t/unit/test_field t/unit/test_head t/unit/test_framing t/unit/test_chunked
t_unit_test_field_SOURCES = t/unit/test_field.c
t_unit_test_field_LDADD = $(UNIT_LDADD)
t_unit_test_head_SOURCES = t/unit/test_head.c
t_unit_test_head_LDADD = $(UNIT_LDADD)
t_unit_test_framing_SOURCES = t/unit/test_framing.c
t_unit_test_framing_LDADD = $(UNIT_LDADD)
t_unit_test_chunked_SOURCES = t/unit/test_chunked.c
t_unit_test_chunked_LDADD = $(UNIT_LDADD)
FUZZERS += t/fuzz/fuzz_head t/fuzz/fuzz_chunked
