/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What the log is told of Redis: each kind of trouble once a minute by all children together. */

#include <httpd.h>
#include <http_log.h>
#include <apr_strings.h>

#include "farm/link.h"
#include "lane/lane.h"
#include "log.h"

#define PAUSE apr_time_from_sec(60)

/* Levels and texts; %s are the server and what is to be said of it. */
typedef struct line_t {
    int level;
    const char *text;
} line_t;

static const line_t lines[RP_TELL_KINDS] = {
    [RP_TELL_UNREACHED] = { APLOG_WARNING, RPLOGNO(0701) "Redis %s: no connection: %s" },
    [RP_TELL_LOST] = { APLOG_WARNING, RPLOGNO(0702) "Redis %s: %s" },
    [RP_TELL_NONSENSE] = { APLOG_ERR, RPLOGNO(0703) "Redis %s: %s" },
    [RP_TELL_AUTH] = { APLOG_ERR, RPLOGNO(0704) "Redis %s does not let us in: %s" },
    [RP_TELL_OOM] = { APLOG_WARNING, RPLOGNO(0705) "Redis %s is full, nothing can be written to it: %s" },
    [RP_TELL_READONLY] = { APLOG_WARNING, RPLOGNO(0706) "Redis %s takes no writes: %s" },
    [RP_TELL_NOT_READY] = { APLOG_WARNING, RPLOGNO(0707) "Redis %s is not ready: %s" },
    [RP_TELL_DENIED] = { APLOG_ERR, RPLOGNO(0708) "Redis %s denies a command: %s" },
    [RP_TELL_AGAIN] = { APLOG_NOTICE, RPLOGNO(0709) "Redis %s answers again, after %s" },
    [RP_TELL_MASTER] = { APLOG_NOTICE, RPLOGNO(0710) "Redis %s is the master now of %s" },
    [RP_TELL_NO_MASTER] = { APLOG_WARNING, RPLOGNO(0711) "no Sentinel leads to the master of %s: %s" },
    [RP_TELL_NO_MAP] = { APLOG_WARNING, RPLOGNO(0712) "no node of %s tells where the slots are: %s" },
    [RP_TELL_IS_CLUSTER] = { APLOG_ERR, RPLOGNO(0713) "Redis %s is a node of a cluster: name it by cluster:// (%s)" }
};

void rp_farm_tell(rp_farm_t *farm, rp_tell_e kind, const char *who, const char *what)
{
    rp_told_t *told = &farm->shared->told[kind];
    apr_time_t now = rp_now();
    apr_int64_t next = __atomic_load_n(&told->next, __ATOMIC_RELAXED);
    apr_uint32_t more;
    char line[RP_NODE_NAME + RP_REDIS_WHY + 200];
    int len;

    if (now < next || !__atomic_compare_exchange_n(&told->next, &next, now + PAUSE, 0, __ATOMIC_RELAXED,
                                                   __ATOMIC_RELAXED)) {
        __atomic_fetch_add(&told->more, 1, __ATOMIC_RELAXED);
        return;
    }
    more = __atomic_exchange_n(&told->more, 0, __ATOMIC_RELAXED);
    len = apr_snprintf(line, sizeof(line), lines[kind].text, who, what);
    if (more && len > 0) {
        apr_snprintf(line + len, sizeof(line) - (size_t)len, "; %u more like it before", more);
    }
    farm->log(farm->log_ctx, lines[kind].level, line);
}
