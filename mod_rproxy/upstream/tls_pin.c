/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Pins of public keys. */

#include <string.h>

#include <apr_strings.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "upstream/tls.h"

#define PREFIX "sha256//"
#define PREFIX_LEN (sizeof(PREFIX) - 1)
#define BASE64_LEN 44

void rp_pin_text(const unsigned char pin[RP_PIN_LEN], char text[RP_PIN_TEXT])
{
    memcpy(text, PREFIX, PREFIX_LEN);
    EVP_EncodeBlock((unsigned char *)text + PREFIX_LEN, pin, RP_PIN_LEN);
}

/* Only what rp_pin_text() would write, so that there is one way to write a pin. */
static int parse_pin(const char *text, unsigned char pin[RP_PIN_LEN])
{
    unsigned char raw[BASE64_LEN];
    char again[RP_PIN_TEXT];

    if (strlen(text) != PREFIX_LEN + BASE64_LEN || strncmp(text, PREFIX, PREFIX_LEN)
        || EVP_DecodeBlock(raw, (const unsigned char *)text + PREFIX_LEN, BASE64_LEN) < RP_PIN_LEN) {
        return 0;
    }
    memcpy(pin, raw, RP_PIN_LEN);
    rp_pin_text(pin, again);
    return !strcmp(text, again);
}

int rp_pins_parse(apr_pool_t *p, const char *text, rp_pins_t *pins, const char **bad)
{
    char *last, *word, *words = apr_pstrdup(p, text);
    const char *c;
    int room = 1;

    for (c = text; *c; c++) {
        room += *c == ',';
    }
    pins->n = 0;
    pins->pins = apr_palloc(p, (apr_size_t)room * sizeof(*pins->pins));
    for (word = apr_strtok(words, ",", &last); word; word = apr_strtok(NULL, ",", &last)) {
        if (!parse_pin(word, pins->pins[pins->n])) {
            *bad = word;
            return 0;
        }
        pins->n++;
    }
    *bad = text;
    return pins->n > 0;
}

int rp_pin_of(X509 *certificate, unsigned char pin[RP_PIN_LEN])
{
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    int done = len > 0 && EVP_Digest(der, (size_t)len, pin, NULL, EVP_sha256(), NULL) == 1;

    OPENSSL_free(der);
    return done;
}

int rp_pins_have(const rp_pins_t *pins, const unsigned char pin[RP_PIN_LEN])
{
    int i;

    for (i = 0; i < pins->n; i++) {
        if (!memcmp(pins->pins[i], pin, RP_PIN_LEN)) {
            return 1;
        }
    }
    return 0;
}
