/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>
#include <apr_strings.h>

#include "http/http.h"
#include "http/bytes.h"

const char *rp_sf_string(apr_pool_t *p, const char *s)
{
    /* Each byte may need a backslash; the quotes and the terminator come on top. */
    char *out = apr_palloc(p, 2 * strlen(s) + 3);
    char *to = out;
    *to++ = '"';
    for (; *s; s++) {
        if (*s == '"' || *s == '\\') {
            *to++ = '\\';
        }
        *to++ = *s >= 0x20 && *s <= 0x7e ? *s : '?';
    }
    *to++ = '"';
    *to = '\0';
    return out;
}

/** RFC 9651 §3.3.4: ( ALPHA / "*" ) *( tchar / ":" / "/" ) */
static int is_sf_token(const char *s)
{
    char first = rp_byte_lower(*s);
    if (*s != '*' && (first < 'a' || first > 'z')) {
        return 0;
    }
    for (s++; *s; s++) {
        if (!rp_byte_is(*s, RP_BYTE_TOKEN) && *s != ':' && *s != '/') {
            return 0;
        }
    }
    return 1;
}

const char *rp_sf_item(apr_pool_t *p, const char *s)
{
    return is_sf_token(s) ? apr_pstrdup(p, s) : rp_sf_string(p, s);
}
