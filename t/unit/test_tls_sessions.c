/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <apr_general.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "upstream/tls.h"

#define HOUR 3600
#define DAY 86400

static apr_pool_t *pool;
static SSL_CTX *server, *client;
static rp_tls_sessions_t sessions;
static apr_int64_t now;

/* A certificate of its own that ends in so many seconds. */
static void use_certificate(long ends)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();

    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -HOUR);
    X509_gmtime_adj(X509_getm_notAfter(certificate), ends);
    X509_set_pubkey(certificate, key);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    assert_int_equal(SSL_CTX_use_certificate(server, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(server, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static int keep(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    return rp_tls_sessions_put(&sessions, session);
}

static int set_up(void **state)
{
    (void)state;
    server = SSL_CTX_new(TLS_server_method());
    client = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client, keep);
    use_certificate(30L * DAY);
    memset(&sessions, 0, sizeof(sessions));
    apr_pool_create(&pool, NULL);
    now = (apr_int64_t)time(NULL);
    return rp_tls_sessions_open(&sessions, pool);
}

static int tear_down(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    assert_int_equal(sessions.n, 0);
    SSL_CTX_free(client);
    SSL_CTX_free(server);
    return 0;
}

/* Shake hands within memory, offering session (may be NULL) and freeing it. @return whether it was resumed */
static int shake_hands(SSL_SESSION *session)
{
    SSL *c = SSL_new(client), *s = SSL_new(server);
    BIO *c_bio, *s_bio;
    char byte;
    int turns, resumed;

    assert_int_equal(BIO_new_bio_pair(&c_bio, 65536, &s_bio, 65536), 1);
    SSL_set_bio(c, c_bio, c_bio);
    SSL_set_bio(s, s_bio, s_bio);
    SSL_set_connect_state(c);
    SSL_set_accept_state(s);
    if (session) {
        assert_int_equal(SSL_set_session(c, session), 1);
        SSL_SESSION_free(session);
    }
    for (turns = 0; turns < 10 && (!SSL_is_init_finished(c) || !SSL_is_init_finished(s)); turns++) {
        SSL_do_handshake(c);
        SSL_do_handshake(s);
    }
    assert_true(SSL_is_init_finished(c) && SSL_is_init_finished(s));
    assert_int_equal(SSL_write(s, "x", 1), 1);
    /* Tickets of TLS 1.3 come before it. */
    assert_int_equal(SSL_read(c, &byte, 1), 1);
    resumed = SSL_session_reused(c);
    if (!resumed) {
        rp_tls_sessions_verified(&sessions, now);
    }
    SSL_shutdown(c);
    SSL_free(c);
    SSL_free(s);
    return resumed;
}

static void a_ticket_of_tls_1_3_is_given_out_once(void **state)
{
    SSL_SESSION *first, *second;

    (void)state;
    SSL_CTX_set_num_tickets(server, 2);
    assert_false(shake_hands(NULL));
    assert_int_equal(sessions.n, 2);
    first = rp_tls_sessions_take(&sessions, now);
    second = rp_tls_sessions_take(&sessions, now);
    assert_non_null(first);
    assert_non_null(second);
    assert_ptr_not_equal(first, second);
    assert_null(rp_tls_sessions_take(&sessions, now));
    assert_true(shake_hands(first));
    assert_true(shake_hands(second));
    assert_true(sessions.n > 0);
}

static void one_of_tls_1_2_as_often_as_need_be(void **state)
{
    int i;

    (void)state;
    SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION);
    assert_false(shake_hands(NULL));
    assert_int_equal(sessions.n, 1);
    for (i = 0; i < 3; i++) {
        assert_true(shake_hands(rp_tls_sessions_take(&sessions, now)));
        assert_int_equal(sessions.n, 1);
    }
    assert_false(shake_hands(NULL));
    assert_int_equal(sessions.n, 1);
}

static void there_is_a_bound(void **state)
{
    int i;

    (void)state;
    SSL_CTX_set_num_tickets(server, RP_TLS_SESSIONS + 3);
    for (i = 0; i < 2; i++) {
        assert_false(shake_hands(NULL));
        assert_int_equal(sessions.n, RP_TLS_SESSIONS);
    }
}

static void the_certificate_is_looked_at_again(void **state)
{
    SSL_SESSION *session;

    (void)state;
    assert_false(shake_hands(NULL));
    session = rp_tls_sessions_take(&sessions, now + HOUR);
    assert_non_null(session);
    assert_true(shake_hands(session));
    assert_true(sessions.n > 0);
    assert_null(rp_tls_sessions_take(&sessions, now + HOUR + 1));
    assert_int_equal(sessions.n, 0);
}

static void a_session_ends_with_its_certificate(void **state)
{
    SSL_SESSION *session;

    (void)state;
    use_certificate(HOUR / 2);
    assert_false(shake_hands(NULL));
    session = rp_tls_sessions_take(&sessions, now + HOUR / 2 - 60);
    assert_non_null(session);
    SSL_SESSION_free(session);
    assert_null(rp_tls_sessions_take(&sessions, now + HOUR / 2 + 60));
}

static void a_session_ends_with_its_lifetime(void **state)
{
    (void)state;
    SSL_CTX_set_timeout(server, 60);
    assert_false(shake_hands(NULL));
    assert_true(sessions.n > 0);
    assert_null(rp_tls_sessions_take(&sessions, now + 70));
}

static void a_peer_that_fails_is_offered_none_for_a_while(void **state)
{
    (void)state;
    assert_false(shake_hands(NULL));
    rp_tls_sessions_drop(&sessions, now, 600);
    assert_int_equal(sessions.n, 0);
    assert_false(shake_hands(NULL));
    assert_null(rp_tls_sessions_take(&sessions, now + 599));
    assert_false(shake_hands(NULL));
    assert_true(shake_hands(rp_tls_sessions_take(&sessions, now + 600)));
}

static void none_are_kept_before_the_start_and_behind_the_end(void **state)
{
    (void)state;
    apr_pool_clear(pool);
    assert_false(shake_hands(NULL));
    assert_int_equal(sessions.n, 0);
    assert_null(rp_tls_sessions_take(&sessions, now));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_ticket_of_tls_1_3_is_given_out_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_of_tls_1_2_as_often_as_need_be, set_up, tear_down),
        cmocka_unit_test_setup_teardown(there_is_a_bound, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_certificate_is_looked_at_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_session_ends_with_its_certificate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_session_ends_with_its_lifetime, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_peer_that_fails_is_offered_none_for_a_while, set_up, tear_down),
        cmocka_unit_test_setup_teardown(none_are_kept_before_the_start_and_behind_the_end, set_up, tear_down),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
