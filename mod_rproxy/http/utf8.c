/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include "http/utf8.h"

size_t rp_utf8_next(const char *s, size_t len, int *valid)
{
    unsigned char first = (unsigned char)*s;
    /* What the second byte may be: narrower where overlong forms, surrogates or too high code points would begin. */
    unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    size_t wanted = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;

    *valid = 0;
    if (wanted == 0) {
        return 1;
    }
    for (size_t i = 1; i < wanted; i++) {
        unsigned char c = i < len ? (unsigned char)s[i] : 0;
        if (c < low || c > high) {
            return i;
        }
        low = 0x80;
        high = 0xbf;
    }
    *valid = 1;
    return wanted;
}
