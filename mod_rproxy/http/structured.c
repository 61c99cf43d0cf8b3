/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>
#include <apr_base64.h>
#include <apr_strings.h>

#include "http/http.h"
#include "http/bytes.h"
#include "http/utf8.h"

/* ------------------------------------------------------------------ scanning */

/*
 * The eaters below take what they want from the front of *s, which begins at the first byte not yet used.  They
 * return 0 when it is not there; nobody looks at *s any more then, as the whole field has failed.
 */

static char front(const rp_str_t *s)
{
    return s->len > 0 ? s->ptr[0] : '\0';
}

static void skip(rp_str_t *s, size_t n)
{
    s->ptr += n;
    s->len -= n;
}

static int eat(rp_str_t *s, char c)
{
    /* A NUL in the field is not the end that front() makes of none. */
    if (s->len == 0 || s->ptr[0] != c) {
        return 0;
    }
    skip(s, 1);
    return 1;
}

static void skip_spaces(rp_str_t *s)
{
    while (eat(s, ' ')) {
    }
}

/** OWS (RFC 9110 §5.6.3), which may stand around the commas of Lists and Dictionaries only. */
static void skip_blanks(rp_str_t *s)
{
    while (eat(s, ' ') || eat(s, '\t')) {
    }
}

static int is_alpha(char c)
{
    char lower = rp_byte_lower(c);
    return lower >= 'a' && lower <= 'z';
}

static int is_token_byte(char c)
{
    return rp_byte_is(c, RP_BYTE_TOKEN) || c == ':' || c == '/';
}

static int is_key_byte(char c)
{
    return (c >= 'a' && c <= 'z') || rp_byte_is_digit(c) || c == '_' || c == '-' || c == '.' || c == '*';
}

static rp_str_t copy(apr_pool_t *p, const char *ptr, size_t len)
{
    return (rp_str_t){apr_pstrmemdup(p, ptr, len), len};
}

/** Take bytes as long as is_one() says so. */
static rp_str_t eat_run(apr_pool_t *p, rp_str_t *s, int (*is_one)(char c))
{
    const char *begin = s->ptr;
    while (s->len > 0 && is_one(s->ptr[0])) {
        skip(s, 1);
    }
    return copy(p, begin, (size_t)(s->ptr - begin));
}

/* ------------------------------------------------------------------ bare items (RFC 9651 §4.2.3.1) */

#define INTEGER_DIGITS 15
#define DECIMAL_DIGITS 12 /* before the point */
#define FRACTION_DIGITS 3

static int eat_digits(rp_str_t *s, int64_t *number, int most)
{
    int n = 0;
    for (*number = 0; rp_byte_is_digit(front(s)); n++) {
        if (n == most) {
            return 0;
        }
        *number = *number * 10 + (s->ptr[0] - '0');
        skip(s, 1);
    }
    return n;
}

static int eat_number(rp_str_t *s, rp_sf_t *item)
{
    int negative = eat(s, '-');
    int digits = eat_digits(s, &item->number, INTEGER_DIGITS);
    if (digits == 0) {
        return 0;
    }
    item->type = RP_SF_INTEGER;
    if (eat(s, '.')) {
        int64_t fraction;
        int n = eat_digits(s, &fraction, FRACTION_DIGITS);
        if (digits > DECIMAL_DIGITS || n == 0) {
            return 0;
        }
        for (; n < FRACTION_DIGITS; n++) {
            fraction *= 10;
        }
        item->type = RP_SF_DECIMAL;
        item->number = item->number * 1000 + fraction;
    }
    if (negative) {
        item->number = -item->number;
    }
    return 1;
}

static int eat_date(rp_str_t *s, rp_sf_t *item)
{
    if (!eat(s, '@') || !eat_number(s, item) || item->type != RP_SF_INTEGER) {
        return 0;
    }
    item->type = RP_SF_DATE;
    return 1;
}

static int eat_boolean(rp_str_t *s, rp_sf_t *item)
{
    if (!eat(s, '?')) {
        return 0;
    }
    item->type = RP_SF_BOOLEAN;
    item->number = front(s) == '1';
    return eat(s, '1') || eat(s, '0');
}

static int is_printable(char c)
{
    return c >= 0x20 && c <= 0x7e;
}

/** Bytes before the quote that ends a string, which must be there and have printable ones before it. @return 0 or 1 */
static int length_to_quote(rp_str_t s, int escapes, size_t *n)
{
    for (*n = 0; *n < s.len && is_printable(s.ptr[*n]); ++*n) {
        if (s.ptr[*n] == '"') {
            return 1;
        }
        if (escapes && s.ptr[*n] == '\\') {
            ++*n;
        }
    }
    return 0;
}

static int eat_string(apr_pool_t *p, rp_str_t *s, rp_sf_t *item)
{
    size_t len, n = 0;
    if (!eat(s, '"') || !length_to_quote(*s, 1, &len)) {
        return 0;
    }
    char *text = apr_palloc(p, len + 1);
    while (!eat(s, '"')) {
        if (eat(s, '\\') && front(s) != '"' && front(s) != '\\') {
            return 0;
        }
        text[n++] = s->ptr[0];
        skip(s, 1);
    }
    text[n] = '\0';
    item->type = RP_SF_STRING;
    item->text = (rp_str_t){text, n};
    return 1;
}

static int eat_token(apr_pool_t *p, rp_str_t *s, rp_sf_t *item)
{
    item->type = RP_SF_TOKEN;
    item->text = eat_run(p, s, is_token_byte);
    return 1;
}

static int is_base64_byte(char c)
{
    return is_alpha(c) || rp_byte_is_digit(c) || c == '+' || c == '/';
}

/** Missing padding and pad bits that are not zero are forgiven, as RFC 9651 §4.2.7 asks. */
static int eat_bytes(apr_pool_t *p, rp_str_t *s, rp_sf_t *item)
{
    size_t padding = 0;
    if (!eat(s, ':')) {
        return 0;
    }
    rp_str_t coded = eat_run(p, s, is_base64_byte);
    while (eat(s, '=')) {
        padding++;
    }
    if (!eat(s, ':') || coded.len % 4 == 1 || (padding > 0 && (padding > 2 || (coded.len + padding) % 4 != 0))) {
        return 0;
    }
    unsigned char *bytes = apr_palloc(p, coded.len / 4 * 3 + 4);
    int n = apr_base64_decode_binary(bytes, coded.ptr);
    bytes[n] = '\0';
    item->type = RP_SF_BYTES;
    item->text = (rp_str_t){(const char *)bytes, (size_t)n};
    return 1;
}

/** Lower case only. */
static int eat_hex(rp_str_t *s, char *byte)
{
    if (s->len < 2) {
        return 0;
    }
    for (int i = 0; i < 2; i++) {
        if (!rp_byte_is(s->ptr[i], RP_BYTE_HEX) || (s->ptr[i] >= 'A' && s->ptr[i] <= 'F')) {
            return 0;
        }
    }
    *byte = (char)(rp_hex_value(s->ptr[0]) << 4 | rp_hex_value(s->ptr[1]));
    skip(s, 2);
    return 1;
}

static int is_utf8(rp_str_t s)
{
    int valid = 1;
    while (valid && s.len > 0) {
        skip(&s, rp_utf8_next(s.ptr, s.len, &valid));
    }
    return valid;
}

static int eat_display_string(apr_pool_t *p, rp_str_t *s, rp_sf_t *item)
{
    size_t len, n = 0;
    if (!eat(s, '%') || !eat(s, '"') || !length_to_quote(*s, 0, &len)) {
        return 0;
    }
    char *text = apr_palloc(p, len + 1);
    for (; !eat(s, '"'); n++) {
        if (eat(s, '%')) {
            if (!eat_hex(s, &text[n])) {
                return 0;
            }
            continue;
        }
        text[n] = s->ptr[0];
        skip(s, 1);
    }
    text[n] = '\0';
    item->type = RP_SF_DISPLAY_STRING;
    item->text = (rp_str_t){text, n};
    return is_utf8(item->text);
}

static int eat_bare_item(apr_pool_t *p, rp_str_t *s, rp_sf_t *item)
{
    char c = front(s);
    item->number = 0;
    switch (c) {
    case '"':
        return eat_string(p, s, item);
    case ':':
        return eat_bytes(p, s, item);
    case '?':
        return eat_boolean(s, item);
    case '@':
        return eat_date(s, item);
    case '%':
        return eat_display_string(p, s, item);
    case '-':
        return eat_number(s, item);
    default:
        if (rp_byte_is_digit(c)) {
            return eat_number(s, item);
        }
        return (is_alpha(c) || c == '*') && eat_token(p, s, item);
    }
}

/* ------------------------------------------------------------------ members and parameters */

static int eat_key(apr_pool_t *p, rp_str_t *s, rp_str_t *key)
{
    char c = front(s);
    if ((c < 'a' || c > 'z') && c != '*') {
        return 0;
    }
    *key = eat_run(p, s, is_key_byte);
    return 1;
}

static rp_sf_t *find(const apr_array_header_t *members, rp_str_t key)
{
    for (int i = 0; members && i < members->nelts; i++) {
        rp_sf_t *member = &APR_ARRAY_IDX(members, i, rp_sf_t);
        if (member->key.len == key.len && memcmp(member->key.ptr, key.ptr, key.len) == 0) {
            return member;
        }
    }
    return NULL;
}

/** Add a member, or give one of that key another value. @return 0 when there would be more than most */
static int put(apr_array_header_t *members, const rp_sf_t *member, int most)
{
    rp_sf_t *old = find(members, member->key);
    if (old) {
        *old = *member;
        return 1;
    }
    if (members->nelts == most) {
        return 0;
    }
    APR_ARRAY_PUSH(members, rp_sf_t) = *member;
    return 1;
}

static const rp_sf_t is_true = {.type = RP_SF_BOOLEAN, .number = 1};

static int eat_params(apr_pool_t *p, rp_str_t *s, rp_sf_t *of)
{
    apr_array_header_t *params = NULL;
    while (eat(s, ';')) {
        rp_sf_t param = is_true;
        skip_spaces(s);
        if (!eat_key(p, s, &param.key) || (eat(s, '=') && !eat_bare_item(p, s, &param))) {
            return 0;
        }
        if (!params) {
            params = apr_array_make(p, 2, sizeof(rp_sf_t));
        }
        if (!put(params, &param, RP_SF_MAX_PARAMS)) {
            return 0;
        }
    }
    of->params = params;
    return 1;
}

static int eat_item(apr_pool_t *p, rp_str_t *s, rp_sf_t *item)
{
    return eat_bare_item(p, s, item) && eat_params(p, s, item);
}

static int eat_inner_list(apr_pool_t *p, rp_str_t *s, rp_sf_t *list)
{
    apr_array_header_t *items = apr_array_make(p, 4, sizeof(rp_sf_t));
    if (!eat(s, '(')) {
        return 0;
    }
    for (;;) {
        rp_sf_t item = {.type = RP_SF_INTEGER};
        skip_spaces(s);
        if (eat(s, ')')) {
            break;
        }
        if (items->nelts == RP_SF_MAX_INNER || !eat_item(p, s, &item) || (front(s) != ' ' && front(s) != ')')) {
            return 0;
        }
        APR_ARRAY_PUSH(items, rp_sf_t) = item;
    }
    list->type = RP_SF_INNER_LIST;
    list->items = items;
    return eat_params(p, s, list);
}

static int eat_item_or_inner_list(apr_pool_t *p, rp_str_t *s, rp_sf_t *member)
{
    return front(s) == '(' ? eat_inner_list(p, s, member) : eat_item(p, s, member);
}

static int eat_list_member(apr_pool_t *p, rp_str_t *s, apr_array_header_t *members)
{
    rp_sf_t member = {.type = RP_SF_INTEGER};
    if (members->nelts == RP_SF_MAX_MEMBERS || !eat_item_or_inner_list(p, s, &member)) {
        return 0;
    }
    APR_ARRAY_PUSH(members, rp_sf_t) = member;
    return 1;
}

static int eat_dictionary_member(apr_pool_t *p, rp_str_t *s, apr_array_header_t *members)
{
    rp_sf_t member = is_true;
    if (!eat_key(p, s, &member.key)) {
        return 0;
    }
    if (!(eat(s, '=') ? eat_item_or_inner_list(p, s, &member) : eat_params(p, s, &member))) {
        return 0;
    }
    return put(members, &member, RP_SF_MAX_MEMBERS);
}

typedef int eat_member_fn(apr_pool_t *p, rp_str_t *s, apr_array_header_t *members);

/** What Lists and Dictionaries have in common: members between commas. */
static const apr_array_header_t *parse_members(apr_pool_t *p, rp_str_t s, eat_member_fn *eat_member)
{
    apr_array_header_t *members = apr_array_make(p, 4, sizeof(rp_sf_t));
    skip_spaces(&s);
    while (s.len > 0) {
        if (!eat_member(p, &s, members)) {
            return NULL;
        }
        skip_blanks(&s);
        if (s.len == 0) {
            break;
        }
        if (!eat(&s, ',')) {
            return NULL;
        }
        skip_blanks(&s);
        if (s.len == 0) {
            return NULL;
        }
    }
    return members;
}

/* ------------------------------------------------------------------ whole fields */

int rp_sf_parse_item(apr_pool_t *p, rp_str_t value, rp_sf_t *item)
{
    memset(item, 0, sizeof(*item));
    skip_spaces(&value);
    if (!eat_item(p, &value, item)) {
        return 0;
    }
    skip_spaces(&value);
    return value.len == 0;
}

const apr_array_header_t *rp_sf_parse_list(apr_pool_t *p, rp_str_t value)
{
    return parse_members(p, value, eat_list_member);
}

const apr_array_header_t *rp_sf_parse_dictionary(apr_pool_t *p, rp_str_t value)
{
    return parse_members(p, value, eat_dictionary_member);
}

static const apr_array_header_t *parse_field(apr_pool_t *p, const apr_table_t *fields, const char *name,
                                             eat_member_fn *eat_member)
{
    const char *value = apr_table_getm(p, fields, name);
    return value ? parse_members(p, (rp_str_t){value, strlen(value)}, eat_member) : NULL;
}

const apr_array_header_t *rp_sf_list_field(apr_pool_t *p, const apr_table_t *fields, const char *name)
{
    return parse_field(p, fields, name, eat_list_member);
}

const apr_array_header_t *rp_sf_dictionary_field(apr_pool_t *p, const apr_table_t *fields, const char *name)
{
    return parse_field(p, fields, name, eat_dictionary_member);
}

const rp_sf_t *rp_sf_get(const apr_array_header_t *members, const char *key)
{
    return find(members, (rp_str_t){key, strlen(key)});
}

/* ------------------------------------------------------------------ what we send */

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
        *to++ = is_printable(*s) ? *s : '?';
    }
    *to++ = '"';
    *to = '\0';
    return out;
}

/** RFC 9651 §3.3.4: ( ALPHA / "*" ) *( tchar / ":" / "/" ) */
static int is_sf_token(const char *s)
{
    if (*s != '*' && !is_alpha(*s)) {
        return 0;
    }
    for (s++; *s; s++) {
        if (!is_token_byte(*s)) {
            return 0;
        }
    }
    return 1;
}

const char *rp_sf_item(apr_pool_t *p, const char *s)
{
    return is_sf_token(s) ? apr_pstrdup(p, s) : rp_sf_string(p, s);
}
