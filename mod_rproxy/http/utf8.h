/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** utf8.c: UTF-8 as RFC 3629 and the WHATWG's Encoding Standard have it: private to http/. */
#ifndef RP_HTTP_UTF8_H
#define RP_HTTP_UTF8_H

#include <stddef.h>

/**
 * How many of the len (at least 1) bytes at s make up the next character.
 * @param valid  set to 0 when they are no character but what a decoder replaces with one U+FFFD: the longest
 *               beginning of a character that there is, or else one byte
 */
size_t rp_utf8_next(const char *s, size_t len, int *valid);

#endif
