/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>
#include <http_log.h>
#include <apr_optional.h>
#include <apr_shm.h>
#include <apr_strings.h>
#include <mod_ssl_openssl.h>
#include <mod_watchdog.h>
#include <openssl/core_names.h>
#include <openssl/rand.h>

#include "config/config.h"
#include "farm/host.h"
#include "farm/kept.h"
#include "farm/ticket_keys.h"
#include "farm/tickets.h"
#include "lane/lane.h"
#include "lane/shared_lock.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

#define WATCHDOG "_rproxy_tickets_"
#define TICK apr_time_from_sec(1)
/* How often Redis is looked into: often enough that a next key is known to all long before it is used. */
#define POLLS_PER_ROTATION 8
#define LONGEST_PAUSE apr_time_from_sec(2)
/* Of changing keys, when another host does at the same time. */
#define ROUNDS 3
/* Under which the process's pool keeps it, and what changes with its layout. */
#define KEY "mod_rproxy:tickets"
#define LAYOUT (2 + 100 * (unsigned)sizeof(rp_ticket_keys_t))

static const char look_text[] =
    "return {redis.call('TIME')[1], redis.call('GET', KEYS[1])}\n";

/* Put new keys in the place of those that were seen; "" for none. */
static const char put_text[] =
    "if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end\n"
    "redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])\n"
    "return 1\n";

/* In memory that all children share: two places for keys, of which readers copy the one that was filled last. */
typedef struct shared_t {
    unsigned version;               /* grows when a place has been filled; its last bit says which */
    rp_ticket_keys_t places[2];
    rp_ticket_key_t own;            /* where there are none */
    apr_int64_t poll_at;            /* rp_now() */
    apr_int64_t tell_at;
    pthread_mutex_t lock;           /* robust; of those who fill places */
} shared_t;

/* Graceful restarts keep the keys. */
typedef struct memory_t {
    shared_t *shared;
} memory_t;

static shared_t *shared; /* NULL: tickets are OpenSSL's own business */
static const rp_tickets_conf_t *conf;
static rp_seal_t seal;
static rp_str_t key;
static rp_farm_script_t look_script, put_script;

/* ------------------------------------------------------------------ what all children know */

/* @return 0 when there are none */
static int get_keys(rp_ticket_keys_t *keys)
{
    unsigned version;
    int tries;

    /* What is copied is not written to before there is another version: whoever was held up so long tries anew. */
    for (tries = 0; tries < 10; tries++) {
        version = __atomic_load_n(&shared->version, __ATOMIC_ACQUIRE);
        memcpy(keys, &shared->places[version & 1], sizeof(*keys));
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (__atomic_load_n(&shared->version, __ATOMIC_RELAXED) == version) {
            return keys->generation != 0;
        }
    }
    return 0;
}

static void set_keys(const rp_ticket_keys_t *keys)
{
    int orphaned;
    unsigned next;

    if (!rp_shared_lock(&shared->lock, &orphaned)) {
        return;
    }
    next = __atomic_load_n(&shared->version, __ATOMIC_RELAXED) + 1;
    if (keys->generation > shared->places[(next - 1) & 1].generation) {
        memcpy(&shared->places[next & 1], keys, sizeof(*keys));
        __atomic_store_n(&shared->version, next, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&shared->lock);
}

/* ------------------------------------------------------------------ the farm's */

static void tell(server_rec *s, const char *what)
{
    apr_time_t now = rp_now();

    if (now >= __atomic_load_n(&shared->tell_at, __ATOMIC_RELAXED)) {
        __atomic_store_n(&shared->tell_at, now + apr_time_from_sec(60), __ATOMIC_RELAXED);
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s, RPLOGNO(0774) "session-ticket keys in the farm's Redis %s", what);
    }
}

/* Redis' time, and what lies there; .len 0 for nothing. @return 0 when that could not be found out */
static int look(rp_farm_t *farm, apr_pool_t *p, int64_t *now, rp_str_t *text)
{
    rp_str_t argv[] = { RP_STR("1"), key };
    rp_farm_command_t command = { argv, 2, &look_script };
    rp_reply_t *reply;
    uint64_t seconds;

    if (rp_farm_call(farm, p, key, &command, 1, 0, &reply) != RP_FARM_OK || reply->type != RP_REPLY_ARRAY
        || reply->n < 1 || reply->elements[0]->type != RP_REPLY_STRING
        || !rp_parse_uint(reply->elements[0]->str, INT64_MAX / 2, &seconds)) {
        return 0;
    }
    *now = (int64_t)seconds;
    *text = reply->n > 1 && reply->elements[1]->type == RP_REPLY_STRING ? reply->elements[1]->str
                                                                        : (rp_str_t){ "", 0 };
    return 1;
}

/* @return 1 when they lie there; 0 when others had been faster, or Redis is away */
static int put(rp_farm_t *farm, apr_pool_t *p, rp_str_t seen, const rp_ticket_keys_t *keys)
{
    /* Gone by itself when no host has changed them for long. */
    const char *time = apr_psprintf(p, "%" APR_INT64_T_FMT, (apr_int64_t)apr_time_as_msec(conf->rotate) * 4 + 60000);
    rp_str_t argv[] = { RP_STR("1"), key, seen, rp_ticket_keys_seal(p, &seal, keys), { time, strlen(time) } };
    rp_farm_command_t command = { argv, 5, &put_script };
    rp_reply_t *reply;

    return argv[3].len && rp_farm_call(farm, p, key, &command, 1, 0, &reply) == RP_FARM_OK
           && reply->type == RP_REPLY_INTEGER && reply->integer == 1;
}

typedef enum step_e {
    STEP_DONE,  /* keys are those of the farm */
    STEP_PUT,   /* keys are to be put there */
    STEP_FAILED
} step_e;

/* What to do about what lies there. */
static step_e decide(server_rec *s, rp_str_t text, int64_t now, rp_ticket_keys_t *keys)
{
    rp_ticket_keys_t known;
    int knows = get_keys(&known);
    rp_unseal_e found = text.len ? rp_ticket_keys_unseal(&seal, text, keys) : RP_UNSEAL_BARE;
    step_e step = STEP_DONE;

    if (found == RP_UNSEAL_STRANGER) {
        tell(s, "were sealed with another secret: give all proxies the same secret=");
        step = STEP_FAILED;
    }
    else if (found != RP_UNSEAL_OK || (knows && keys->generation < known.generation)) {
        if (text.len && found != RP_UNSEAL_OK) {
            tell(s, "are not what a proxy has put there; new ones take their place");
        }
        /* Redis was emptied, or has lost something: what this host knows, the others know as well. */
        *keys = known;
        step = knows || rp_ticket_keys_make(keys, now) ? STEP_PUT : STEP_FAILED;
    }
    if (step != STEP_FAILED && rp_ticket_keys_are_due(keys, now, apr_time_sec(conf->rotate))) {
        step = rp_ticket_keys_rotate(keys, now) ? STEP_PUT : STEP_FAILED;
    }
    OPENSSL_cleanse(&known, sizeof(known));
    return step;
}

/* Take over the farm's keys; make or change them when that is due. */
static void poll_farm(rp_farm_t *farm, server_rec *s, apr_pool_t *p)
{
    rp_ticket_keys_t keys;
    int round;

    for (round = 0; round < ROUNDS; round++) {
        rp_str_t text;
        int64_t now;
        step_e step = look(farm, p, &now, &text) ? decide(s, text, now, &keys) : STEP_FAILED;

        if (step == STEP_FAILED) {
            break;
        }
        if (step == STEP_DONE || put(farm, p, text, &keys)) {
            set_keys(&keys);
            break;
        }
    }
    OPENSSL_cleanse(&keys, sizeof(keys));
}

static apr_status_t watch(int state, void *data, apr_pool_t *p)
{
    rp_farm_t *farm = rp_farm_of_host();
    apr_interval_time_t pause = conf->rotate / POLLS_PER_ROTATION;
    apr_time_t now = rp_now();

    if (state == AP_WATCHDOG_STATE_RUNNING && farm && now >= __atomic_load_n(&shared->poll_at, __ATOMIC_RELAXED)) {
        __atomic_store_n(&shared->poll_at, now + (pause < LONGEST_PAUSE ? pause : LONGEST_PAUSE), __ATOMIC_RELAXED);
        poll_farm(farm, data, p);
    }
    return APR_SUCCESS;
}

/* ------------------------------------------------------------------ tickets */

static int use_key(const rp_ticket_key_t *with, const unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                   int encrypt)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)with->mac, sizeof(with->mac)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA256", 0),
        OSSL_PARAM_construct_end()
    };

    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, with->cipher, iv, encrypt) == 1
           && EVP_MAC_CTX_set_params(mac, params) == 1;
}

static int has_name(const rp_ticket_key_t *one, const unsigned char *name)
{
    return !memcmp(one->name, name, RP_TICKET_NAME);
}

/* The key that a ticket was encrypted with, or NULL. */
static const rp_ticket_key_t *key_of(const rp_ticket_keys_t *keys, int known, const unsigned char *name, int *is_old)
{
    int i;

    *is_old = 0;
    for (i = 0; known && i < RP_TICKET_KEYS; i++) {
        if (has_name(&keys->keys[i], name)) {
            *is_old = i == RP_TICKET_PREVIOUS;
            return &keys->keys[i];
        }
    }
    *is_old = known;
    return has_name(&shared->own, name) ? &shared->own : NULL;
}

/* See SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 yes, 2 yes and the client gets a new one, 0 no, -1 all has failed */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                     int encrypt)
{
    rp_ticket_keys_t keys;
    int known, is_old = 0, result;
    const rp_ticket_key_t *with;

    (void)ssl;
    if (!shared) {
        return encrypt ? -1 : 0;
    }
    known = get_keys(&keys);
    if (encrypt) {
        with = known ? &keys.keys[RP_TICKET_CURRENT] : &shared->own;
        memcpy(name, with->name, RP_TICKET_NAME);
        result = RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1
                 && use_key(with, iv, cipher, mac, 1) ? 1 : -1;
    }
    else {
        with = key_of(&keys, known, name, &is_old);
        result = !with ? 0 : !use_key(with, iv, cipher, mac, 0) ? -1 : is_old ? 2 : 1;
    }
    OPENSSL_cleanse(&keys, sizeof(keys));
    return result;
}

/* mod_ssl's, for each of its servers, while the configuration is read: before there is memory for keys. */
static int init_server(server_rec *s, apr_pool_t *p, int is_proxy, SSL_CTX *ctx)
{
    (void)p;
    if (!is_proxy && rp_server_conf(s)->tickets.on) {
        SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
    }
    return 0;
}

void rp_tickets_register(void)
{
    APR_OPTIONAL_HOOK(ssl, init_server, init_server, NULL, NULL, APR_HOOK_MIDDLE);
}

/* ------------------------------------------------------------------ at start */

static apr_status_t make(void *data, apr_pool_t *process_pool)
{
    memory_t *made = data;
    apr_shm_t *shm;
    apr_status_t rv = apr_shm_create(&shm, sizeof(shared_t), NULL, process_pool);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    made->shared = apr_shm_baseaddr_get(shm);
    rv = rp_shared_locks_init(&made->shared->lock, 1, 0);
    if (rv == APR_SUCCESS && (RAND_bytes(made->shared->own.name, RP_TICKET_NAME) != 1
                              || RAND_priv_bytes(made->shared->own.cipher, sizeof(made->shared->own.cipher)) != 1
                              || RAND_priv_bytes(made->shared->own.mac, sizeof(made->shared->own.mac)) != 1)) {
        rv = APR_EGENERAL;
    }
    return rv;
}

static apr_status_t wipe(void *unused)
{
    (void)unused;
    OPENSSL_cleanse(&seal, sizeof(seal));
    return APR_SUCCESS;
}

int rp_tickets_init(apr_pool_t *pconf, server_rec *main_server)
{
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *add = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    rp_farm_t *farm = rp_farm_of_host();
    ap_watchdog_t *watchdog;
    apr_status_t rv = APR_SUCCESS;
    memory_t *memory;

    shared = NULL;
    conf = &rp_server_conf(main_server)->tickets;
    if (!conf->on || !farm) {
        return OK;
    }
    memory = rp_kept(main_server->process->pool, KEY, LAYOUT, sizeof(*memory), make, &rv);
    shared = memory ? memory->shared : NULL;
    if (!shared || !rp_farm_seal(farm, "tickets", &seal)) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, main_server, RPLOGNO(0772) "RProxyFarmTickets: no shared memory, no "
                     "random bytes, or OpenSSL has failed");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    apr_pool_cleanup_register(pconf, NULL, wipe, apr_pool_cleanup_null);
    key.ptr = apr_pstrcat(pconf, "{", rp_server_conf(main_server)->farm->name, "}:tickets", NULL);
    key.len = strlen(key.ptr);
    rp_farm_script_init(&look_script, look_text);
    rp_farm_script_init(&put_script, put_text);
    if (!get || !add || get(&watchdog, WATCHDOG, 0, 1, pconf) != APR_SUCCESS
        || add(watchdog, TICK, main_server, watch) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, main_server, RPLOGNO(0773) "RProxyFarmTickets: mod_watchdog gives it no "
                     "turn");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

void rp_tickets_child_init(apr_pool_t *p, server_rec *main_server)
{
    rp_farm_t *farm = rp_farm_of_host();
    apr_int64_t never = 0;

    /* A host that has just started can open its clients' tickets from the first connection on. */
    if (shared && farm
        && __atomic_compare_exchange_n(&shared->poll_at, &never, 1, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        apr_pool_t *own;

        apr_pool_create(&own, p);
        poll_farm(farm, main_server, own);
        apr_pool_destroy(own);
    }
}
