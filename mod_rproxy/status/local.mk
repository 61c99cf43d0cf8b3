mod_rproxy_la_SOURCES += %D%/manage.h %D%/manage.c %D%/manage_json.c
librpcore_la_SOURCES += %D%/manage_path.h %D%/manage_path.c

check_PROGRAMS += t/unit/test_manage_path
t_unit_test_manage_path_SOURCES = t/unit/test_manage_path.c
t_unit_test_manage_path_LDADD = $(UNIT_LDADD)
FUZZERS += t/fuzz/fuzz_manage_path
