# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# Fuzz targets are clang's whatever compiles the rest, so they have objects of their own: all pure code, once.

FUZZ_FLAGS = -std=gnu11 -g -O1 -Wall -Wextra -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer
FUZZ_OBJECTS = $(patsubst %.c,fuzz-objects/%.o,$(filter %.c,$(librpcore_la_SOURCES)))
FUZZ_LINK = $(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer

$(FUZZ_OBJECTS): fuzz-objects/%.o: %.c Makefile
	$(AM_V_CC)mkdir -p $(@D) && $(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP $(AM_CPPFLAGS) \
		-c -o $@ $<

$(FUZZERS): t/fuzz/%: t/fuzz/%.c $(FUZZ_OBJECTS)
	$(AM_V_CCLD)mkdir -p $(@D) && $(FUZZ_LINK) -MMD -MP -MF $@.d $(AM_CPPFLAGS) -o $@ $< $(FUZZ_OBJECTS) \
		$(librpcore_la_LIBADD) $(RP_LIBS) $(BROTLIDEC_LIBS) $(APR_LIBS)

-include $(FUZZ_OBJECTS:.o=.d) $(addsuffix .d,$(FUZZERS))

clean-local:
	rm -rf fuzz-objects $(FUZZERS) $(addsuffix .d,$(FUZZERS))
