mod_rproxy_la_SOURCES += %D%/cache.h %D%/serve.c %D%/decide.h %D%/decide.c %D%/ask.h %D%/ask.c %D%/collapse.h \
	%D%/collapse.c %D%/follow.h %D%/follow.c %D%/background.h %D%/background.c %D%/lookup.h %D%/lookup.c \
	%D%/answer.h %D%/answer.c %D%/save.h %D%/save.c %D%/fetch.h %D%/fetch.c \
	%D%/body_bucket.h %D%/body_bucket.c %D%/local.h %D%/local.c
mod_rproxy_la_SOURCES += %D%/policy.h %D%/policy.c %D%/key.c %D%/marker.h %D%/marker.c %D%/search.h %D%/search.c
mod_rproxy_la_SOURCES += %D%/host_store.h %D%/host_store.c
mod_rproxy_la_SOURCES += %D%/hints.h %D%/hints.c
mod_rproxy_la_SOURCES += %D%/languages.h %D%/languages.c
mod_rproxy_la_SOURCES += %D%/purge.h %D%/purge.c %D%/purge_method.h %D%/purge_method.c \
	%D%/purge_command.h %D%/purge_command.c
mod_rproxy_la_SOURCES += %D%/query.h %D%/query.c
mod_rproxy_la_SOURCES += %D%/ranges.h %D%/ranges.c %D%/partial.h %D%/partial.c
mod_rproxy_la_SOURCES += %D%/variant.h %D%/variant.c %D%/variant_make.c
mod_rproxy_la_SOURCES += %D%/coding.h %D%/coding.c
mod_rproxy_la_SOURCES += %D%/dictionary.h %D%/dictionary.c %D%/dictionary_keep.h %D%/dictionary_keep.c
librpcore_la_SOURCES += %D%/store_each.h %D%/store_local_each.c
librpcore_la_SOURCES += %D%/effort.h %D%/effort.c
librpcore_la_SOURCES += %D%/variant_room.h %D%/variant_room.c
check_PROGRAMS += t/unit/test_variant_room
t_unit_test_variant_room_SOURCES = t/unit/test_variant_room.c
t_unit_test_variant_room_LDADD = $(UNIT_LDADD)
check_PROGRAMS += t/unit/test_effort
t_unit_test_effort_SOURCES = t/unit/test_effort.c
t_unit_test_effort_LDADD = $(UNIT_LDADD)
librpcore_la_SOURCES += %D%/record.h %D%/record.c
librpcore_la_SOURCES += %D%/position.h %D%/position.c %D%/farm_position.h %D%/farm_position.c
librpcore_la_SOURCES += %D%/farm_value.h %D%/farm_value.c %D%/store_farm.h %D%/store_farm.c %D%/store_far.h \
	%D%/store_far_read.c %D%/store_far_body.c %D%/store_far_push.c %D%/store_far_put.c
librpcore_la_SOURCES += %D%/flight.h %D%/flight_table.h %D%/flight.c
check_PROGRAMS += t/unit/test_flight
t_unit_test_flight_SOURCES = t/unit/test_flight.c
t_unit_test_flight_LDADD = $(UNIT_LDADD)
librpcore_la_SOURCES += %D%/store.h %D%/store_local.h %D%/store_local.c %D%/store_local_prepare.c \
	%D%/store_local_state.c %D%/store_local_read.c %D%/store_local_write.c %D%/store_local_remove.c \
	%D%/store_local_room.c %D%/store_local_queue.c %D%/store_local_run.c %D%/store_local_purge.c \
	%D%/store_local_past.c %D%/store_local_tags.c %D%/store_local_scan.c %D%/store_local_value.c \
	%D%/store_local_hint.c %D%/frequency.h %D%/frequency.c

check_PROGRAMS += t/unit/test_store_local t/unit/test_store_local_prepare t/unit/test_store_local_crash \
	t/unit/test_store_local_publish t/unit/test_store_local_purge t/unit/test_store_local_storm \
	t/unit/test_store_local_hint
t_unit_test_store_local_hint_SOURCES = t/unit/test_store_local_hint.c t/unit/store_local_util.h
t_unit_test_store_local_hint_LDADD = $(UNIT_LDADD)
t_unit_test_store_local_SOURCES = t/unit/test_store_local.c t/unit/store_local_util.h
t_unit_test_store_local_LDADD = $(UNIT_LDADD)
t_unit_test_store_local_publish_SOURCES = t/unit/test_store_local_publish.c t/unit/store_local_util.h
t_unit_test_store_local_publish_LDADD = $(UNIT_LDADD)
t_unit_test_store_local_purge_SOURCES = t/unit/test_store_local_purge.c t/unit/store_local_util.h \
	t/unit/store_local_tags.h
t_unit_test_store_local_purge_LDADD = $(UNIT_LDADD)
t_unit_test_store_local_storm_SOURCES = t/unit/test_store_local_storm.c t/unit/store_local_util.h \
	t/unit/store_local_tags.h
t_unit_test_store_local_storm_LDADD = $(UNIT_LDADD)
check_PROGRAMS += t/unit/test_store_local_room
t_unit_test_store_local_room_SOURCES = t/unit/test_store_local_room.c t/unit/store_local_util.h
t_unit_test_store_local_room_LDADD = $(UNIT_LDADD)
t_unit_test_store_local_prepare_SOURCES = t/unit/test_store_local_prepare.c t/unit/store_local_util.h
t_unit_test_store_local_prepare_LDADD = $(UNIT_LDADD)
t_unit_test_store_local_crash_SOURCES = t/unit/test_store_local_crash.c t/unit/store_local_util.h
t_unit_test_store_local_crash_LDADD = $(UNIT_LDADD)

librpcore_la_SOURCES += %D%/order.h %D%/order.c
librpcore_la_SOURCES += %D%/store_log.h %D%/store_local_log.h %D%/store_local_log.c \
	%D%/store_local_log_own.c
librpcore_la_SOURCES += %D%/farm_doubt.h %D%/farm_doubt.c
mod_rproxy_la_SOURCES += %D%/farm_fetch.h %D%/farm_fetch.c
mod_rproxy_la_SOURCES += %D%/farm_log.h %D%/farm_shared.h %D%/farm_log.c %D%/farm_follow.c
check_PROGRAMS += t/unit/test_farm_doubt
t_unit_test_farm_doubt_SOURCES = t/unit/test_farm_doubt.c
t_unit_test_farm_doubt_LDADD = $(UNIT_LDADD)
check_PROGRAMS += t/unit/test_store_log
t_unit_test_store_log_SOURCES = t/unit/test_store_log.c t/unit/store_local_util.h
t_unit_test_store_log_LDADD = $(UNIT_LDADD)
check_PROGRAMS += t/unit/test_order
t_unit_test_order_SOURCES = t/unit/test_order.c
t_unit_test_order_LDADD = $(UNIT_LDADD)
FUZZERS += t/fuzz/fuzz_order

check_PROGRAMS += t/unit/test_record
t_unit_test_record_SOURCES = t/unit/test_record.c
t_unit_test_record_LDADD = $(UNIT_LDADD)
FUZZERS += t/fuzz/fuzz_record

check_PROGRAMS += t/unit/test_frequency
t_unit_test_frequency_SOURCES = t/unit/test_frequency.c
t_unit_test_frequency_LDADD = $(UNIT_LDADD)

# Built with the tests so that they keep up with store.h; bench/store builds its own, optimised.
check_PROGRAMS += bench/store_hits bench/store_gets bench/store_commits bench/store_local
bench_store_hits_SOURCES = bench/store_hits.c
bench_store_hits_LDADD = $(UNIT_LDADD) -lm
bench_store_gets_SOURCES = bench/store_gets.c
bench_store_gets_LDADD = $(UNIT_LDADD) -lm
bench_store_commits_SOURCES = bench/store_commits.c
bench_store_commits_LDADD = $(UNIT_LDADD) -lm
bench_store_local_SOURCES = bench/store_local.c
bench_store_local_LDADD = $(UNIT_LDADD) -lm

check_PROGRAMS += t/unit/test_farm_value
t_unit_test_farm_value_SOURCES = t/unit/test_farm_value.c
t_unit_test_farm_value_LDADD = $(UNIT_LDADD)
FUZZERS += t/fuzz/fuzz_farm_value

check_PROGRAMS += t/unit/test_store_local_judge
t_unit_test_store_local_judge_SOURCES = t/unit/test_store_local_judge.c t/unit/store_local_util.h
t_unit_test_store_local_judge_LDADD = $(UNIT_LDADD)
