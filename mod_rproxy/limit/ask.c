/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>
#include <apr_strings.h>

#include "lane/lane.h"
#include "limit/ask.h"
#include "limit/lease.h"

/*
 * KEYS are those of the limits; four arguments for each: "r" for a rate or "c" for requests at a time, with a "d" for a
 * dry run, which refuses nobody; then the interval and the room in microseconds, or how many and how long a token holds;
 * then the token.  Nothing is counted unless all have room.  Returns 1 or 0, and for each of them whether it was over,
 * and until when, from now, it has used its rate.
 */
static const char take_text[] =
    "local t = redis.call('TIME')\n"
    "local now = t[1] * 1000000 + t[2]\n"
    "local over, used, refused = {}, {}, false\n"
    "for i, key in ipairs(KEYS) do\n"
    "  local kind, a, b = ARGV[4 * i - 3], tonumber(ARGV[4 * i - 2]), tonumber(ARGV[4 * i - 1])\n"
    "  if string.sub(kind, 1, 1) == 'r' then\n"
    /* A master whose clock is behind that of the one before holds nobody up for long. */
    "    used[i] = math.max(now, math.min(tonumber(redis.call('GET', key) or now) or now, now + b))\n"
    "    over[i] = used[i] + a > now + b\n"
    "  else\n"
    "    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)\n"
    "    used[i] = now\n"
    "    over[i] = redis.call('ZCARD', key) >= a\n"
    "  end\n"
    "  refused = refused or (over[i] and string.sub(kind, 2) ~= 'd')\n"
    "end\n"
    "local said = {refused and 0 or 1}\n"
    "for i, key in ipairs(KEYS) do\n"
    "  local kind, a, b = ARGV[4 * i - 3], tonumber(ARGV[4 * i - 2]), tonumber(ARGV[4 * i - 1])\n"
    "  if not refused and not over[i] then\n"
    "    if string.sub(kind, 1, 1) == 'r' then\n"
    "      used[i] = used[i] + a\n"
    "      redis.call('SET', key, string.format('%.3f', used[i]), 'PX', math.ceil((used[i] - now) / 1000) + 1)\n"
    "    else\n"
    "      redis.call('ZADD', key, now + b, ARGV[4 * i])\n"
    "      redis.call('PEXPIRE', key, math.ceil(b / 1000))\n"
    "    end\n"
    "  end\n"
    "  said[2 * i] = over[i] and 1 or 0\n"
    "  said[2 * i + 1] = math.ceil(used[i] - now)\n"
    "end\n"
    "return said\n";

static rp_farm_script_t take;
static const char *name;

void rp_limit_ask_init(const rp_farm_conf_t *conf)
{
    rp_farm_script_init(&take, take_text);
    name = conf->name;
}

const char *rp_limit_redis_key(apr_pool_t *p, const rp_turn_t *turn)
{
    char client[2 * RP_LIMIT_CLIENT + 1], id[2 * RP_LIMIT_ID + 1];

    ap_bin2hex(turn->key, RP_LIMIT_CLIENT, client);
    ap_bin2hex(turn->key + RP_LIMIT_CLIENT, RP_LIMIT_ID, id);
    /* All limits by which one client is counted are in one slot of a cluster. */
    return apr_pstrcat(p, "{", name, ":limit:", client, "}:", id, NULL);
}

static rp_str_t str(const char *text)
{
    return (rp_str_t){ text, strlen(text) };
}

static rp_str_t number(apr_pool_t *p, apr_int64_t n)
{
    return str(apr_psprintf(p, "%" APR_INT64_T_FMT, n));
}

/* Nanoseconds as microseconds. */
static rp_str_t micros(apr_pool_t *p, apr_int64_t ns)
{
    return str(apr_psprintf(p, "%" APR_INT64_T_FMT ".%03d", ns / 1000, (int)(ns % 1000)));
}

static void put_turn(apr_pool_t *p, const rp_turn_t *turn, rp_str_t *args)
{
    const rp_limit_conf_t *conf = turn->conf;

    if (conf->concurrent) {
        args[0] = conf->dry_run ? RP_STR("cd") : RP_STR("c");
        args[1] = number(p, conf->concurrent);
        args[2] = number(p, RP_LEASE_TIME);
        args[3] = str(turn->lease->token);
    }
    else {
        args[0] = conf->dry_run ? RP_STR("rd") : RP_STR("r");
        args[1] = micros(p, conf->rate.interval);
        args[2] = micros(p, conf->rate.room);
        args[3] = RP_STR("");
    }
}

/* What the script has said, in the form that it has. */
static int take_reply(const rp_reply_t *reply, rp_rates_t *rates, rp_turn_t **asked, int n, apr_int64_t now)
{
    int i;

    if (reply->type != RP_REPLY_ARRAY || reply->n != (size_t)(2 * n + 1)) {
        return 0;
    }
    for (i = 0; i < 2 * n + 1; i++) {
        if (reply->elements[i]->type != RP_REPLY_INTEGER) {
            return 0;
        }
    }
    for (i = 0; i < n; i++) {
        rp_turn_t *turn = asked[i];
        /* Bounded, as everything that comes from elsewhere. */
        apr_int64_t used = reply->elements[2 * i + 2]->integer;
        apr_int64_t room = turn->conf->rate.room;

        turn->over = reply->elements[2 * i + 1]->integer != 0;
        turn->asked = 1;
        if (room) {
            used = used < 0 ? 0 : used > room / 1000 ? room : used * 1000;
            rp_rates_learn(rates, turn->key, now + used, now);
            turn->wait = turn->over ? rp_gcra_wait(&turn->conf->rate, now + used, now) : 0;
        }
    }
    return 1;
}

/* Those of one client: all that share the first part of their keys. @return 1 when they were judged */
static int ask_client(rp_farm_t *farm, apr_pool_t *p, rp_rates_t *rates, rp_turn_t **asked, int n)
{
    rp_str_t *argv = apr_palloc(p, (apr_size_t)(1 + 5 * n) * sizeof(*argv));
    rp_farm_command_t command = { argv, 1 + 5 * n, &take };
    apr_time_t now = rp_now();
    rp_reply_t *reply;
    int i;

    argv[0] = number(p, n);
    for (i = 0; i < n; i++) {
        argv[1 + i] = str(rp_limit_redis_key(p, asked[i]));
        put_turn(p, asked[i], &argv[1 + n + 4 * i]);
    }
    return rp_farm_call(farm, p, argv[1], &command, 1, 0, &reply) == RP_FARM_OK
           && take_reply(reply, rates, asked, n, now * 1000);
}

static int is_open(const rp_turn_t *turn)
{
    return !turn->over && !turn->asked;
}

void rp_limit_ask(rp_farm_t *farm, apr_pool_t *p, rp_rates_t *rates, rp_turn_t *turns, int n)
{
    rp_turn_t **asked = apr_palloc(p, (apr_size_t)n * sizeof(*asked));
    int i, j;

    for (i = 0; i < n; i++) {
        int m = 0;

        for (j = i; j < n && is_open(&turns[i]); j++) {
            /* One without a token, for lack of memory, is the host's to judge. */
            if (is_open(&turns[j]) && !memcmp(turns[i].key, turns[j].key, RP_LIMIT_CLIENT)
                && (turns[j].lease || !turns[j].conf->concurrent)) {
                asked[m++] = &turns[j];
            }
        }
        if (m && (!ask_client(farm, p, rates, asked, m) || rp_limit_refusal(turns, n))) {
            return;
        }
    }
}
