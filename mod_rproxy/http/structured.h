/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** structured.c: Structured Fields (RFC 9651).  A part of http.h, which includes it. */
#ifndef RP_HTTP_STRUCTURED_H
#define RP_HTTP_STRUCTURED_H

#ifndef RP_HTTP_H
#error "include http/http.h"
#endif

typedef enum rp_sf_type_e {
    RP_SF_INTEGER,
    RP_SF_DECIMAL,
    RP_SF_STRING,
    RP_SF_TOKEN,
    RP_SF_BYTES,
    RP_SF_BOOLEAN,
    RP_SF_DATE,
    RP_SF_DISPLAY_STRING,
    RP_SF_INNER_LIST
} rp_sf_type_e;

/** An Item, an Inner List, a Dictionary's member or a parameter: what does not apply is empty or NULL. */
typedef struct rp_sf_t {
    rp_str_t key; /* of a Dictionary's member and of a parameter */
    rp_sf_type_e type;
    int64_t number; /* Integer; Date in seconds since the epoch; Decimal in thousandths; Boolean 0 or 1 */
    rp_str_t text;  /* String, Token, Byte Sequence (decoded), Display String (UTF-8); terminated, may have NULs */
    const apr_array_header_t *items;  /* an Inner List's, of rp_sf_t; never NULL for one, may be empty */
    const apr_array_header_t *params; /* of rp_sf_t; NULL when there are none */
} rp_sf_t;

/** The numbers that RFC 9651 wants supported at least are what is supported at most; beyond them a parse fails. */
#define RP_SF_MAX_MEMBERS 1024    /* of a List or Dictionary */
#define RP_SF_MAX_INNER 256       /* items of one Inner List */
#define RP_SF_MAX_PARAMS 256      /* of one Item or Inner List */

/*
 * The parsers take a whole field, its lines joined with commas, and are as strict as RFC 9651 §4.2: what is wrong
 * anywhere makes the whole field invalid, and then it is to be ignored.  What they return lives in p, apart from
 * value.  Of members with the same key, or of parameters, the last value counts, in the first one's place.
 */

/** @return 1, or 0 when value is not a valid Item */
int rp_sf_parse_item(apr_pool_t *p, rp_str_t value, rp_sf_t *item);

/** @return the members, of rp_sf_t: Items and Inner Lists; empty for an empty field; NULL when it is invalid */
const apr_array_header_t *rp_sf_parse_list(apr_pool_t *p, rp_str_t value);

/** The same for a Dictionary, whose members have keys. */
const apr_array_header_t *rp_sf_parse_dictionary(apr_pool_t *p, rp_str_t value);

/** The lines of a field joined and parsed as a List. @return NULL also when fields has none of that name */
const apr_array_header_t *rp_sf_list_field(apr_pool_t *p, const apr_table_t *fields, const char *name);

/** The same for a Dictionary. */
const apr_array_header_t *rp_sf_dictionary_field(apr_pool_t *p, const apr_table_t *fields, const char *name);

/** The member of a Dictionary, or the parameter (members may be NULL then), of that key; NULL when there is none. */
const rp_sf_t *rp_sf_get(const apr_array_header_t *members, const char *key);

/** s as a Structured Fields string with its quotes; bytes outside of 0x20..0x7E become "?". */
const char *rp_sf_string(apr_pool_t *p, const char *s);

/** s as a Structured Fields token when it is one, else as a string. */
const char *rp_sf_item(apr_pool_t *p, const char *s);

#endif
