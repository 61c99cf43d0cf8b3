/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include "http/http.h"

#define WEIGHT_UNSAID (-1)

typedef struct weights_t {
    int of[RP_NCODINGS];
    int star;
} weights_t;

/**
 * An element's weight.  One that cannot be read is 0: a coding is used only when we know that it is wanted.
 */
static int parse_weight(rp_str_t params)
{
    rp_str_t name;
    rp_str_t value;
    while (rp_param_next(&params, &name, &value)) {
        if (rp_str_is(name, "q")) {
            int q = rp_parse_qvalue(value);
            return q < 0 ? 0 : q;
        }
    }
    return RP_QVALUE_MAX;
}

/** Where the weight of a coding of that name belongs; NULL for one that we don't know. */
static int *weight_of(weights_t *w, rp_str_t name)
{
    static const struct {
        const char *name;
        rp_coding_e coding;
    } names[] = {
        {"gzip", RP_CODING_GZIP}, {"x-gzip", RP_CODING_GZIP}, {"br", RP_CODING_BR},
        {"zstd", RP_CODING_ZSTD}, {"dcb", RP_CODING_DCB}, {"dcz", RP_CODING_DCZ},
        {"identity", RP_CODING_IDENTITY},
    };
    if (rp_str_is(name, "*")) {
        return &w->star;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (rp_str_is(name, names[i].name)) {
            return &w->of[names[i].coding];
        }
    }
    return NULL;
}

/** Of several weights for one coding a refusal counts before all others, else the highest. */
static void note_weight(int *weight, int q)
{
    if (*weight == WEIGHT_UNSAID) {
        *weight = q;
    }
    else if (*weight != 0 && (q == 0 || q > *weight)) {
        *weight = q;
    }
}

static void parse(weights_t *w, const char *field)
{
    for (int i = 0; i < RP_NCODINGS; i++) {
        w->of[i] = WEIGHT_UNSAID;
    }
    w->star = WEIGHT_UNSAID;

    rp_str_t list = {field, strlen(field)};
    rp_str_t item;
    while (rp_list_next(&list, &item)) {
        rp_str_t name;
        rp_str_t value;
        rp_str_t rest = item;
        if (!rp_param_next(&rest, &name, &value) || value.ptr) {
            continue;
        }
        int *weight = weight_of(w, name);
        if (weight) {
            note_weight(weight, parse_weight(rest));
        }
    }
}

int rp_coding_has_dictionary(rp_coding_e coding)
{
    return coding == RP_CODING_DCB || coding == RP_CODING_DCZ;
}

rp_coding_e rp_accept_encoding(const char *accept_encoding, const rp_coding_e *prefer, int n)
{
    if (!accept_encoding) {
        return RP_CODING_IDENTITY;
    }
    weights_t w;
    parse(&w, accept_encoding);

    /*
     * Unless given a weight by name or by "*", identity is acceptable, but whatever is listed is preferred.
     */
    rp_coding_e best = RP_CODING_IDENTITY;
    int best_q = w.of[RP_CODING_IDENTITY] != WEIGHT_UNSAID ? w.of[RP_CODING_IDENTITY] : w.star;
    if (best_q < 0) {
        best_q = 0;
    }
    for (int i = 0; i < n; i++) {
        int q = w.of[prefer[i]] != WEIGHT_UNSAID ? w.of[prefer[i]] : rp_coding_has_dictionary(prefer[i]) ? 0 : w.star;
        /* Against identity a tie is won, against a coding that we prefer it is lost. */
        if (q > best_q || (q > 0 && q == best_q && best == RP_CODING_IDENTITY)) {
            best = prefer[i];
            best_q = q;
        }
    }
    return best;
}
