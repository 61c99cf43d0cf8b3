/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The link to Redis, driven by lines: what t/farm_link.t talks to.  Its arguments are RProxyFarm's.
 *
 *     call ROUTE WORD... [| WORD...]    one call of one or more commands; @NAME as first word: a defined script
 *     wait TIME call ROUTE WORD...      with another timeout, in milliseconds
 *     define NAME TEXT                  a script
 *     storm THREADS CALLS               calls from many threads that check that each gets its own replies
 *     repeat N call ...                 N times; how long one took
 *     figures                           what is counted
 *     child LINE                        in another child process, before this one has begun
 *     quit
 *
 * Words are percent-encoded.  An answer is one line that begins with "= "; log lines come before it, with "! ".
 */

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "farm/farm.h"
#include "lane/lane.h"

#define MAX_WORDS 4096
#define MAX_SCRIPTS 8

typedef struct script_t {
    const char *name;
    rp_farm_script_t script;
} script_t;

static apr_pool_t *root;
static rp_farm_t *farm;
static script_t scripts[MAX_SCRIPTS];
static int nscripts;

static const char *const outcomes[] = { "OK", "AWAY", "UNREACHED", "LOST" };

static void log_line(void *ctx, int level, const char *line)
{
    (void)ctx;
    printf("! %d %s\n", level, line);
}

static void begin(void)
{
    static int begun;

    if (!begun && rp_farm_child_init(farm, root) != APR_SUCCESS) {
        fprintf(stderr, "cannot begin\n");
        exit(2);
    }
    begun = 1;
}

static rp_str_t decode(char *word)
{
    char *from = word, *to = word;

    while (*from) {
        if (*from == '%' && isxdigit((unsigned char)from[1]) && isxdigit((unsigned char)from[2])) {
            char hex[3] = { from[1], from[2], 0 };

            *to++ = (char)strtol(hex, NULL, 16);
            from += 3;
        }
        else {
            *to++ = *from++;
        }
    }
    *to = '\0';
    return (rp_str_t){ word, (size_t)(to - word) };
}

static void show_text(char mark, rp_str_t s)
{
    size_t i;

    putchar(mark);
    for (i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if (isalnum(c) || (c && strchr("-_.:/'@", c))) {
            putchar(c);
        }
        else {
            printf("%%%02X", c);
        }
    }
}

static void show(const rp_reply_t *r)
{
    size_t i;

    switch (r->type) {
    case RP_REPLY_NIL:
        printf("nil");
        break;
    case RP_REPLY_INTEGER:
        printf(":%lld", r->integer);
        break;
    case RP_REPLY_ARRAY:
        printf("[");
        for (i = 0; i < r->n; i++) {
            printf(i ? "," : "");
            show(r->elements[i]);
        }
        printf("]");
        break;
    default:
        show_text(r->type == RP_REPLY_STRING ? '$' : r->type == RP_REPLY_STATUS ? '+' : '-', r->str);
    }
}

/* What a line says. */
typedef struct request_t {
    rp_str_t words[MAX_WORDS];
    rp_farm_command_t commands[RP_FARM_PIPELINE + 1];
    int n;
    rp_str_t route;
    apr_interval_time_t timeout;
} request_t;

static void use_script(rp_farm_command_t *command)
{
    int i;

    for (i = 0; i < nscripts; i++) {
        if (!strcmp(command->argv[0].ptr + 1, scripts[i].name)) {
            command->script = &scripts[i].script;
            command->argv++;
            command->argc--;
            return;
        }
    }
}

static request_t *parse(char *rest)
{
    request_t *rq = calloc(1, sizeof(*rq));
    char *word, *state = NULL;
    int used = 0, i;

    word = strtok_r(rest, " ", &state);
    if (word && !strcmp(word, "wait")) {
        rq->timeout = apr_time_from_msec(atoi(strtok_r(NULL, " ", &state)));
        word = strtok_r(NULL, " ", &state);
    }
    word = word ? strtok_r(NULL, " ", &state) : NULL;
    rq->route = word ? decode(word) : RP_STR("");
    rq->commands[0].argv = rq->words;
    rq->n = 1;
    while ((word = strtok_r(NULL, " ", &state)) && used < MAX_WORDS) {
        if (!strcmp(word, "|") && rq->n <= RP_FARM_PIPELINE) {
            rq->commands[rq->n++].argv = &rq->words[used];
            continue;
        }
        rq->words[used++] = decode(word);
        rq->commands[rq->n - 1].argc++;
    }
    for (i = 0; i < rq->n; i++) {
        if (rq->commands[i].argc && rq->commands[i].argv[0].ptr[0] == '@') {
            use_script(&rq->commands[i]);
        }
    }
    return rq;
}

static void call(char *line)
{
    request_t *rq = parse(line);
    rp_reply_t *replies[RP_FARM_PIPELINE];
    rp_farm_outcome_e outcome;
    apr_time_t start;
    apr_pool_t *p;
    int i;

    apr_pool_create(&p, root);
    start = rp_now();
    outcome = rp_farm_call(farm, p, rq->route, rq->commands, rq->n, rq->timeout, replies);
    printf("= %s %d", outcomes[outcome], (int)((rp_now() - start) / 1000));
    for (i = 0; i < rq->n && outcome == RP_FARM_OK; i++) {
        putchar(' ');
        show(replies[i]);
    }
    putchar('\n');
    apr_pool_destroy(p);
    free(rq);
}

static void repeat(char *line)
{
    int n = atoi(line), got[4] = { 0 }, i;
    request_t *rq = parse(strchr(line, ' ') + 1);
    rp_reply_t *replies[RP_FARM_PIPELINE];
    apr_time_t start = rp_now();
    apr_pool_t *p;

    apr_pool_create(&p, root);
    for (i = 0; i < n; i++) {
        got[rp_farm_call(farm, p, rq->route, rq->commands, rq->n, rq->timeout, replies)]++;
        apr_pool_clear(p);
    }
    printf("= ns=%d OK=%d AWAY=%d UNREACHED=%d LOST=%d\n", (int)((rp_now() - start) * 1000 / n), got[0], got[1], got[2],
           got[3]);
    apr_pool_destroy(p);
    free(rq);
}

/* ---------------------------------------------------------------- many threads */

typedef struct stormer_t {
    int number;
    int calls;
    int right;
    int wrong;
    int without;
    apr_time_t longest;
} stormer_t;

static void storm_once(stormer_t *s, int i, apr_pool_t *p)
{
    char text[2][32], route[32];
    rp_str_t first[2] = { RP_STR("ECHO") }, second[2] = { RP_STR("ECHO") };
    rp_farm_command_t commands[2] = { { first, 2, NULL }, { second, 2, NULL } };
    rp_reply_t *replies[2];
    apr_time_t start = rp_now();

    first[1] = (rp_str_t){ text[0], (size_t)snprintf(text[0], sizeof(text[0]), "a%d-%d", s->number, i) };
    second[1] = (rp_str_t){ text[1], (size_t)snprintf(text[1], sizeof(text[1]), "b%d-%d", s->number, i) };
    snprintf(route, sizeof(route), "%d", i);
    if (rp_farm_call(farm, p, (rp_str_t){ route, strlen(route) }, commands, 2, 0, replies) != RP_FARM_OK) {
        s->without++;
    }
    else if (rp_reply_is(replies[0], text[0]) && rp_reply_is(replies[1], text[1])) {
        s->right++;
    }
    else if (replies[0]->type == RP_REPLY_ERROR || replies[1]->type == RP_REPLY_ERROR) {
        s->without++;
    }
    else {
        s->wrong++;
    }
    s->longest = rp_now() - start > s->longest ? rp_now() - start : s->longest;
}

static void *storm_thread(void *data)
{
    stormer_t *s = data;
    apr_pool_t *p;
    int i;

    apr_pool_create(&p, NULL);
    for (i = 0; i < s->calls; i++) {
        storm_once(s, i, p);
        apr_pool_clear(p);
    }
    apr_pool_destroy(p);
    return NULL;
}

static void storm(char *line)
{
    int n = atoi(line), calls = atoi(strchr(line, ' ') + 1), i;
    stormer_t *s = calloc((size_t)n, sizeof(*s)), all = { 0 };
    pthread_t *threads = calloc((size_t)n, sizeof(*threads));

    for (i = 0; i < n; i++) {
        s[i].number = i;
        s[i].calls = calls;
        pthread_create(&threads[i], NULL, storm_thread, &s[i]);
    }
    for (i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
        all.right += s[i].right;
        all.wrong += s[i].wrong;
        all.without += s[i].without;
        all.longest = s[i].longest > all.longest ? s[i].longest : all.longest;
    }
    printf("= right=%d wrong=%d without=%d longest=%d\n", all.right, all.wrong, all.without, (int)(all.longest / 1000));
    free(s);
    free(threads);
}

/* ---------------------------------------------------------------- lines */

static void define(char *line)
{
    char *blank = strchr(line, ' ');

    *blank = '\0';
    scripts[nscripts].name = apr_pstrdup(root, line);
    rp_farm_script_init(&scripts[nscripts].script, apr_pstrdup(root, decode(blank + 1).ptr));
    nscripts++;
    printf("= defined\n");
}

static void figures(void)
{
    rp_farm_figures_t f;

    rp_farm_figures(farm, &f);
    printf("= calls=%d away=%d unreached=%d lost=%d connects=%d redirects=%d searches=%d opened=%d\n", (int)f.calls,
           (int)f.away, (int)f.unreached, (int)f.lost, (int)f.connects, (int)f.redirects, (int)f.searches,
           (int)f.opened);
}

static int is(const char *line, const char *word)
{
    return !strncmp(line, word, strlen(word));
}

static void carry_out(char *line)
{
    if (is(line, "define ")) {
        define(line + 7);
        return;
    }
    begin();
    if (is(line, "storm ")) {
        storm(line + 6);
    }
    else if (is(line, "repeat ")) {
        repeat(line + 7);
    }
    else if (is(line, "figures")) {
        figures();
    }
    else {
        call(line);
    }
}

static void in_child(char *line)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        carry_out(line);
        fflush(stdout);
        apr_terminate();
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
    static char line[8 * 1024 * 1024];
    rp_farm_conf_t *conf;
    const char *error = NULL;

    apr_initialize();
    apr_pool_create(&root, NULL);
    conf = rp_farm_conf_parse(root, argc - 1, argv + 1, NULL, &error);
    farm = conf ? rp_farm_create(root, conf, log_line, NULL, &error) : NULL;
    if (!farm) {
        printf("= %s\n", error);
        return 1;
    }
    printf("= ready\n");
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin) && !is(line, "quit")) {
        line[strcspn(line, "\n")] = '\0';
        if (is(line, "child ")) {
            in_child(line + 6);
        }
        else {
            carry_out(line);
        }
        fflush(stdout);
    }
    apr_terminate();
    return 0;
}
