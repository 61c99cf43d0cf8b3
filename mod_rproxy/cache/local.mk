mod_rproxy_la_SOURCES += %D%/cache.h %D%/serve.c %D%/lookup.h %D%/lookup.c %D%/answer.h %D%/answer.c %D%/save.h \
	%D%/save.c %D%/fetch.h %D%/fetch.c %D%/body_bucket.h %D%/body_bucket.c %D%/local.h %D%/local.c
librpcore_la_SOURCES += %D%/record.h %D%/record.c
librpcore_la_SOURCES += %D%/store.h %D%/store_local.h %D%/store_local.c %D%/store_local_prepare.c %D%/store_local_read.c %D%/store_local_remove.c %D%/store_local_room.c %D%/store_local_state.c %D%/store_local_write.c

check_PROGRAMS += t/unit/test_record
t_unit_test_record_SOURCES = t/unit/test_record.c
t_unit_test_record_LDADD = $(UNIT_LDADD)
FUZZERS += t/fuzz/fuzz_record
