/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What each byte may be in HTTP, as one table: private to http/.  Every parser of the room asks it, so that
 * no two of them can disagree on what a token or a field value is.
 */
#ifndef RP_HTTP_BYTES_H
#define RP_HTTP_BYTES_H

#define RP_BYTE_TOKEN      0x01 /* tchar (RFC 9110 §5.6.2) */
#define RP_BYTE_FIELD      0x02 /* field value: VCHAR, SP, HTAB, obs-text (RFC 9110 §5.5) */
#define RP_BYTE_HEX        0x04 /* HEXDIG, in either case */
#define RP_BYTE_UNRESERVED 0x08 /* unreserved (RFC 3986 §2.3) */

extern const unsigned char rp_byte_class[256];

static inline int rp_byte_is(char c, unsigned char what)
{
    return rp_byte_class[(unsigned char)c] & what;
}

static inline int rp_byte_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline int rp_byte_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/** The value of a byte that is RP_BYTE_HEX. */
static inline unsigned rp_hex_value(char c)
{
    return rp_byte_is_digit(c) ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

/** ASCII only: HTTP's names must not follow the process's locale. */
static inline char rp_byte_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

#endif
