/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include "farm/slots.h"

/* CRC-16/XMODEM: polynomial 0x1021, from 0, most significant bit first. */
static unsigned crc16(rp_str_t s)
{
    unsigned crc = 0;
    size_t i;
    int bit;

    for (i = 0; i < s.len; i++) {
        crc ^= (unsigned)(unsigned char)s.ptr[i] << 8;
        for (bit = 0; bit < 8; bit++) {
            crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
        }
        crc &= 0xffff;
    }
    return crc;
}

unsigned rp_slot_of(rp_str_t key)
{
    const char *open = key.len ? memchr(key.ptr, '{', key.len) : NULL;
    const char *close = open ? memchr(open + 1, '}', key.len - (size_t)(open + 1 - key.ptr)) : NULL;

    if (close && close > open + 1) {
        key = (rp_str_t){ open + 1, (size_t)(close - open - 1) };
    }
    return crc16(key) % RP_SLOTS;
}

/* The next word of s, which is moved behind it. */
static rp_str_t next_word(rp_str_t *s)
{
    const char *blank = s->len ? memchr(s->ptr, ' ', s->len) : NULL;
    rp_str_t word = { s->ptr, blank ? (size_t)(blank - s->ptr) : s->len };

    s->ptr += word.len + (blank != NULL);
    s->len -= word.len + (blank != NULL);
    return word;
}

static int is_host(rp_str_t s)
{
    return s.len < RP_REDIS_HOST_MAX && (s.len == 0 || !memchr(s.ptr, '\0', s.len));
}

/* "host:port": an IPv6 address has no brackets, "?" is a name that is not known, nothing is the one who says it */
static int parse_node(rp_str_t s, rp_slot_node_t *node)
{
    const char *colon = s.len ? memrchr(s.ptr, ':', s.len) : NULL;
    uint64_t port;

    if (!colon || !rp_parse_uint((rp_str_t){ colon + 1, (size_t)(s.ptr + s.len - colon - 1) }, 65536, &port)
        || port == 0 || port > 65535) {
        return 0;
    }
    node->host = (rp_str_t){ s.ptr, (size_t)(colon - s.ptr) };
    node->port = (int)port;
    return is_host(node->host) && !(node->host.len == 1 && *node->host.ptr == '?');
}

int rp_slot_redirect(rp_str_t text, unsigned *slot, rp_slot_node_t *to)
{
    rp_str_t word = next_word(&text);
    int kind = word.len == 5 && !memcmp(word.ptr, "MOVED", 5) ? 'M'
             : word.len == 3 && !memcmp(word.ptr, "ASK", 3) ? 'A' : 0;
    uint64_t n;

    if (!kind || !rp_parse_uint(next_word(&text), RP_SLOTS, &n) || n >= RP_SLOTS
        || !parse_node(next_word(&text), to)) {
        return 0;
    }
    *slot = (unsigned)n;
    return kind;
}

/* [host, port, id, ...]; host may be nil or empty. */
static int read_master(const rp_reply_t *r, rp_slot_node_t *node)
{
    if (r->type != RP_REPLY_ARRAY || r->n < 2 || !r->elements[0] || !r->elements[1]
        || (r->elements[0]->type != RP_REPLY_STRING && r->elements[0]->type != RP_REPLY_NIL)
        || r->elements[1]->type != RP_REPLY_INTEGER || r->elements[1]->integer < 1
        || r->elements[1]->integer > 65535) {
        return 0;
    }
    node->host = r->elements[0]->type == RP_REPLY_STRING ? r->elements[0]->str : (rp_str_t){ "", 0 };
    node->port = (int)r->elements[1]->integer;
    return is_host(node->host) && !(node->host.len == 1 && *node->host.ptr == '?');
}

static int is_slot(const rp_reply_t *r)
{
    return r && r->type == RP_REPLY_INTEGER && r->integer >= 0 && r->integer < RP_SLOTS;
}

int rp_slot_map(const rp_reply_t *reply, rp_slot_range_fn range, void *data)
{
    int covered = 0;
    size_t i;

    if (reply->type != RP_REPLY_ARRAY) {
        return -1;
    }
    for (i = 0; i < reply->n; i++) {
        const rp_reply_t *r = reply->elements[i];
        rp_slot_node_t node;

        if (!r || r->type != RP_REPLY_ARRAY || r->n < 3 || !is_slot(r->elements[0]) || !is_slot(r->elements[1])
            || !r->elements[2] || r->elements[0]->integer > r->elements[1]->integer) {
            return -1;
        }
        /* A node that the cluster itself cannot name yet is left out. */
        if (read_master(r->elements[2], &node)) {
            range(data, (unsigned)r->elements[0]->integer, (unsigned)r->elements[1]->integer, &node);
            covered += (int)(r->elements[1]->integer - r->elements[0]->integer) + 1;
        }
    }
    /* Ranges that overlap are nonsense. */
    return covered > RP_SLOTS ? -1 : covered;
}
