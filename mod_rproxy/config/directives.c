/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include "config/directives.h"

#define RP_DIRECTIVE(init, name, function, context, where, syntax, dflt, example, sentences) \
    AP_INIT_##init(name, function, NULL, context, syntax),

const command_rec rp_directives[] = {
#include "config/directives.def"
    { NULL, { NULL }, NULL, 0, RAW_ARGS, NULL }
};
