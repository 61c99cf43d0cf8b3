# Licensed under the Apache License, Version 2.0; see LICENSE.

librpcore_la_SOURCES += %D%/encode.h %D%/codec.h %D%/codec.c %D%/gzip.c %D%/br.c %D%/zstd.c %D%/plan.c
mod_rproxy_la_SOURCES += %D%/filter.c

check_PROGRAMS += t/unit/test_codec t/unit/test_plan
t_unit_test_codec_SOURCES = t/unit/test_codec.c
t_unit_test_codec_LDADD = $(UNIT_LDADD)
t_unit_test_plan_SOURCES = t/unit/test_plan.c
t_unit_test_plan_LDADD = $(UNIT_LDADD)
FUZZERS += t/fuzz/fuzz_accept_encoding t/fuzz/fuzz_codec
