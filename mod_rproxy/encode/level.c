/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Levels that give way when the CPU is short. */

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "encode/codec.h"
#include "encode/encode.h"

/* From as many processes that are ready to run as there are cores, to twice as many, levels go down to the lowest. */
#define FULL 1.0
#define OVER 2.0

int rp_level_at(rp_coding_e coding, int level, double load, int cores)
{
    const rp_codec_t *codec = rp_codec(coding);
    double share = load / (cores > 0 ? cores : 1);

    if (!codec || level <= codec->level_min || share <= FULL) {
        return level;
    }
    if (share >= OVER) {
        return codec->level_min;
    }
    return level - (int)((level - codec->level_min) * (share - FULL) / (OVER - FULL) + 0.5);
}

/** The load of the last minute, asked for once a second. */
static double load_now(void)
{
    static int asked, load_in_hundredths;
    struct timespec now;
    double load;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    if (__atomic_exchange_n(&asked, (int)now.tv_sec, __ATOMIC_RELAXED) != (int)now.tv_sec && getloadavg(&load, 1) == 1) {
        __atomic_store_n(&load_in_hundredths, (int)(load * 100), __ATOMIC_RELAXED);
    }
    return __atomic_load_n(&load_in_hundredths, __ATOMIC_RELAXED) / 100.0;
}

int rp_level_now(rp_coding_e coding, int level)
{
    return rp_level_at(coding, level, load_now(), (int)sysconf(_SC_NPROCESSORS_ONLN));
}
