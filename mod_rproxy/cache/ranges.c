/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>
#include <http_protocol.h>
#include <apr_strings.h>
#include <util_filter.h>

#include "cache/ranges.h"

static rp_secs_t date_of(const apr_table_t *fields, const char *name, rp_secs_t now)
{
    const char *value = apr_table_get(fields, name);

    return value ? rp_date_parse(value, now) : RP_NO_TIME;
}

int rp_stored_part(const rp_record_t *record, uint64_t body_len, rp_part_t *part)
{
    if (record->kind != RP_RECORD_PART || body_len == 0 || record->part_first > (uint64_t)INT64_MAX - body_len) {
        return 0;
    }
    part->first = record->part_first;
    part->last = record->part_first + body_len - 1;
    part->complete = record->part_complete;
    return part->last < part->complete;
}

void rp_cut_read(const rp_request_t *rq, const rp_record_t *record, uint64_t body_len, rp_cut_t *cut)
{
    const request_rec *r = rq->r;
    const char *field = apr_table_getm(r->pool, r->headers_in, "Range");
    rp_secs_t now = apr_time_sec(r->request_time);

    cut->what = RP_RANGE_NONE;
    cut->complete = record->kind == RP_RECORD_PART ? record->part_complete : body_len;
    /* RFC 9110 §14.2: Range has no meaning but with GET; and it is about what a 200 has. */
    if (!field || r->header_only || r->assbackwards || record->status != HTTP_OK || rq->is_part
        || !rp_if_range_ok(r->headers_in, apr_table_get(record->fields, "ETag"),
                           date_of(record->fields, "Last-Modified", now), date_of(record->fields, "Date", now))) {
        return;
    }
    cut->what = rp_range_parse(field, cut->complete, &cut->range);
}

void rp_cut_prepare(request_rec *r)
{
    /* Of the bytes sent, not of the representation as Repr-Digest is (RFC 9530 §2). */
    apr_table_unset(r->headers_out, "Content-Digest");
    apr_table_unset(r->headers_out, "Content-MD5");
}

void rp_cut_apply(request_rec *r, const rp_cut_t *cut)
{
    const char *complete = cut->complete == RP_LENGTH_UNKNOWN ? "*"
                         : apr_psprintf(r->pool, "%" APR_UINT64_T_FMT, cut->complete);

    rp_cut_prepare(r);
    r->status = HTTP_PARTIAL_CONTENT;
    r->status_line = NULL;
    apr_table_setn(r->headers_out, "Content-Range",
                   apr_psprintf(r->pool, "bytes %" APR_UINT64_T_FMT "-%" APR_UINT64_T_FMT "/%s", cut->range.first,
                                cut->range.last, complete));
    ap_set_content_length(r, (apr_off_t)(cut->range.last - cut->range.first + 1));
}

int rp_cut_refuse(request_rec *r, const rp_cut_t *cut)
{
    /* httpd's page takes the place of the body, and these fields that of the others. */
    r->status_line = NULL;
    r->clength = 0;
    if (cut->complete != RP_LENGTH_UNKNOWN) {
        apr_table_setn(r->err_headers_out, "Content-Range",
                       apr_psprintf(r->pool, "bytes */%" APR_UINT64_T_FMT, cut->complete));
    }
    return HTTP_RANGE_NOT_SATISFIABLE;
}

void rp_cut_not(request_rec *r)
{
    ap_filter_t *f;

    for (f = r->output_filters; f; f = f->next) {
        if (!strcmp(f->frec->name, "byterange")) {
            ap_remove_output_filter(f);
            return;
        }
    }
}
