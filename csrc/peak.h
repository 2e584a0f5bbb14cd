/* How fast this CPU can multiply and add: multiply-adds on registers alone, more chains of them than their latency
 * needs. The share of it that a kernel reaches says what is left to gain. */
#ifndef FASTRNN_PEAK_H
#define FASTRNN_PEAK_H

#include "simd.h"

#define CHAINS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9)
#define CHAIN_BEGIN(i) vec c##i = splat((real)(i));
#define CHAIN_STEP(i) c##i = fma_(a, b, c##i);
#define CHAIN_END(i) sum += c##i;

static int64_t multiply_adds(int64_t rounds) {
    volatile real one = 1, none = 0;
    const vec a = splat(one), b = splat(none);
    CHAINS(CHAIN_BEGIN)
    for (int64_t i = 0; i < rounds; i++) {
        CHAINS(CHAIN_STEP)
    }
    vec sum = splat(0);
    CHAINS(CHAIN_END)
    real result[LANES];
    store(result, sum);
    one = result[0]; /* the compiler can't know that nobody looks */
    return rounds * 10 * LANES * 2;
}

#endif
