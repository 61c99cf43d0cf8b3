/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Prints docs/directives.md, or with "metrics" docs/metrics.md, from the tables that the module itself is compiled from
 * ("make reference"). */

#include <stdio.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "cache/store.h"
#include "config/options.h"
#include "limit/gcra.h"
#include "status/counters.h"

#define WIDTH 110

typedef struct directive_t {
    const char *name; /* as httpd registers it: a section begins with "<" */
    const char *where, *syntax, *dflt, *example, *sentences;
} directive_t;

#define RP_DIRECTIVE(init, name, function, context, where, syntax, dflt, example, sentences) \
    { name, where, syntax, dflt, example, sentences },

static const directive_t directives[] = {
#include "config/directives.def"
};

#define RP_OPTION(key, type, min, max, field, dflt, sentence) { key, type, min, max, 0, dflt, sentence },
#define RP_OPTIONS_END { NULL, RP_OPT_INT, 0, 0, 0, NULL, NULL }

static const rp_option_t member_options[] = {
#include "config/member_options.def"
    RP_OPTIONS_END
};

static const rp_option_t check_options[] = {
#include "config/check_options.def"
    RP_OPTIONS_END
};

static const rp_option_t collapse_options[] = {
#include "config/collapse_options.def"
    RP_OPTIONS_END
};

static const rp_option_t eject_options[] = {
#include "config/eject_options.def"
    RP_OPTIONS_END
};

static const rp_option_t queue_options[] = {
#include "config/queue_options.def"
    RP_OPTIONS_END
};

static const rp_option_t sticky_options[] = {
#include "config/sticky_options.def"
    RP_OPTIONS_END
};

static const rp_option_t timeout_options[] = {
#include "config/timeout_options.def"
    RP_OPTIONS_END
};

static const rp_option_t retry_options[] = {
#include "config/retry_options.def"
    RP_OPTIONS_END
};

static const rp_option_t budget_options[] = {
#include "config/budget_options.def"
    RP_OPTIONS_END
};

static const rp_option_t hedge_options[] = {
#include "config/hedge_options.def"
    RP_OPTIONS_END
};

static const rp_option_t local_options[] = {
#include "config/local_options.def"
    RP_OPTIONS_END
};

static const rp_option_t farm_options[] = {
#include "farm/farm_options.def"
    RP_OPTIONS_END
};

static const rp_option_t rule_options[] = {
#include "config/rule_options.def"
    RP_OPTIONS_END
};

static const rp_option_t key_options[] = {
#include "config/key_options.def"
    RP_OPTIONS_END
};

static const rp_option_t tickets_options[] = {
#include "config/tickets_options.def"
    RP_OPTIONS_END
};

static const rp_option_t limit_options[] = {
#include "config/limit_options.def"
    RP_OPTIONS_END
};

static const rp_option_t stored_options[] = {
#include "config/stored_options.def"
    RP_OPTIONS_END
};

static const rp_option_t dictionary_options[] = {
#include "config/dictionary_options.def"
    RP_OPTIONS_END
};

static const struct {
    const char *directive;
    const rp_option_t *options;
} tables[] = {
    { "RProxyMember", member_options },
    { "RProxyEject", eject_options },
    { "RProxyCheck", check_options },
    { "RProxyQueue", queue_options },
    { "RProxySticky", sticky_options },
    { "RProxyTimeout", timeout_options },
    { "RProxyRetry", retry_options },
    { "RProxyRetryBudget", budget_options },
    { "RProxyHedge", hedge_options },
    { "RProxyCacheCollapse", collapse_options },
    { "RProxyCacheLocal", local_options },
    { "RProxyFarm", farm_options },
    { "RProxyCacheRule", rule_options },
    { "RProxyCacheKey", key_options },
    { "RProxyLimit", limit_options },
    { "RProxyFarmTickets", tickets_options },
    { "RProxyCompressStored", stored_options },
    { "RProxyDictionary", dictionary_options },
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* A paragraph in lines of at most WIDTH; all but the first begin with indent blanks, where the first is
 * already. */
static void put_wrapped(const char *text, int indent)
{
    int column = indent;

    while (*text) {
        int len = (int)strcspn(text, " ");

        if (column > indent && column + 1 + len > WIDTH) {
            printf("\n%*s", indent, "");
            column = indent;
        }
        else if (column > indent) {
            putchar(' ');
            column++;
        }
        printf("%.*s", len, text);
        column += len;
        text += len;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void put_line(apr_pool_t *p, const char *what, const char *value)
{
    printf("- ");
    put_wrapped(apr_pstrcat(p, what, ": ", value, NULL), 2);
}

/* "<RProxyPool" is written <RProxyPool>. */
static const char *title(apr_pool_t *p, const directive_t *d)
{
    return *d->name == '<' ? apr_pstrcat(p, "&lt;", d->name + 1, "&gt;", NULL) : d->name;
}

/* What a link to the title looks like: lower case, letters and digits only. */
static const char *anchor(apr_pool_t *p, const directive_t *d)
{
    char *a = apr_pstrdup(p, *d->name == '<' ? d->name + 1 : d->name);
    char *c;

    for (c = a; *c; c++) {
        *c |= 0x20;
    }
    return a;
}

static void put_options(apr_pool_t *p, const directive_t *d)
{
    const rp_option_t *o;
    size_t i;

    for (i = 0; i < COUNT(tables) && strcmp(tables[i].directive, d->name); i++) {
    }
    if (i == COUNT(tables)) {
        return;
    }
    printf("\nOptions:\n\n");
    for (o = tables[i].options; o->key; o++) {
        printf("- ");
        put_wrapped(apr_psprintf(p, "`%s=`: %s; default: %s. %s", o->key, rp_option_accepts(p, o), o->dflt,
                                 o->sentence), 2);
    }
}

static void put_directive(apr_pool_t *p, const directive_t *d)
{
    printf("\n## %s\n\n", title(p, d));
    put_line(p, "Syntax", apr_pstrcat(p, "`", d->syntax, "`", NULL));
    put_line(p, "Default", d->dflt);
    put_line(p, "Where", d->where);
    putchar('\n');
    put_wrapped(d->sentences, 0);
    put_options(p, d);
    printf("\n```apache\n%s\n```\n", d->example);
}

static void put_directives(apr_pool_t *p)
{
    size_t i;

    printf("# Directives\n\n");
    put_wrapped("Every directive of mod_rproxy. This page is made from the tables that the module is "
                "compiled from; `make reference` makes it anew. How the directives work together is in "
                "[the guide](guide.md).", 0);
    putchar('\n');
    put_wrapped("Durations are a number and one of `ms`, `s`, `m`, `h`, `d`. Sizes are a number of bytes, or "
                "a number and one of `K`, `M`, `G` (powers of 1024). What stands in a virtual host or a "
                "`<Location>` wins over what stands around it. A wrong value fails `apachectl configtest`, "
                "with a message that says what to write instead.", 0);
    putchar('\n');
    for (i = 0; i < COUNT(directives); i++) {
        printf("- [%s](#%s)\n", title(p, &directives[i]), anchor(p, &directives[i]));
    }
    for (i = 0; i < COUNT(directives); i++) {
        put_directive(p, &directives[i]);
    }
}

static const char *values_of(apr_pool_t *p, unsigned metric)
{
    const char *values = NULL;
    unsigned i;

    for (i = 0; i < RP_COUNTERS; i++) {
        if (rp_counters[i].metric == metric && *rp_counters[i].value) {
            values = apr_pstrcat(p, values ? values : "", values ? ", `" : "`", rp_counters[i].value, "`", NULL);
        }
    }
    return values;
}

static void put_metric(apr_pool_t *p, unsigned number)
{
    static const char *const types[] = { "counter", "gauge", "histogram", "info", "stateset" };
    const rp_metric_t *m = &rp_metrics[number];
    const char *values = values_of(p, number);

    printf("\n## rproxy_%s\n\n", m->name);
    put_line(p, "Type", types[m->type]);
    if (*m->unit) {
        put_line(p, "Unit", m->unit);
    }
    if (*m->labels) {
        put_line(p, "Labels", apr_pstrcat(p, "`", m->labels, "`", values ? ": " : "", values, NULL));
    }
    putchar('\n');
    put_wrapped(m->sentence, 0);
}

static void put_metrics(apr_pool_t *p)
{
    unsigned i;

    printf("# Metrics\n\n");
    put_wrapped("What `/rproxy-status?openmetrics` shows ([the status page](status.md)). This page is made from the tables "
                "that the module is compiled from; `make reference` makes it anew. The samples of a counter end in `_total`, those "
                "of an info in `_info`; a histogram has `_bucket`, `_count` and `_sum`. Counters are of all processes of the host, "
                "and outlast graceful restarts. The labels `pool` and `member` have the names and URLs of the "
                "configuration, so that there are as many series as there are members.", 0);
    for (i = 0; i < RP_METRICS; i++) {
        put_metric(p, i);
    }
}

int main(int argc, char **argv)
{
    apr_pool_t *p;

    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&p, NULL) != APR_SUCCESS) {
        return 1;
    }
    if (argc > 1 && !strcmp(argv[1], "metrics")) {
        put_metrics(p);
    }
    else {
        put_directives(p);
    }
    apr_terminate();
    return 0;
}
