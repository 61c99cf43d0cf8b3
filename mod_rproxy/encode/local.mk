# Licensed under the Apache License, Version 2.0; see LICENSE.

librpcore_la_SOURCES += %D%/encode.h %D%/codec.h %D%/codec.c %D%/gzip.c %D%/ungzip.c %D%/level.c %D%/br.c %D%/zstd.c %D%/plan.c
mod_rproxy_la_SOURCES += %D%/filter.c

check_PROGRAMS += t/unit/test_codec t/unit/test_plan
t_unit_test_codec_SOURCES = t/unit/test_codec.c
t_unit_test_codec_LDADD = $(UNIT_LDADD)
t_unit_test_plan_SOURCES = t/unit/test_plan.c
t_unit_test_plan_LDADD = $(UNIT_LDADD)
check_PROGRAMS += t/unit/test_ungzip
t_unit_test_ungzip_SOURCES = t/unit/test_ungzip.c
t_unit_test_ungzip_LDADD = $(UNIT_LDADD)
FUZZERS += t/fuzz/fuzz_accept_encoding t/fuzz/fuzz_codec t/fuzz/fuzz_ungzip

bin_PROGRAMS += rproxy-dictionary
rproxy_dictionary_SOURCES = %D%/train.c
rproxy_dictionary_LDADD = librpcore.la $(RP_LIBS) $(APR_LIBS)
