/* exp, tanh, sigmoid and ReLU of a vector. The largest error, in units in the last place of the
 * result (ulp) and for both element types, stands above each; tests/test_activations.py holds them to it. NaN gives
 * NaN.
 */
#ifndef FASTRNN_ACTIVATIONS_H
#define FASTRNN_ACTIVATIONS_H

#include "simd.h"

/* ln 2 in two parts: LN2_HIGH has so few bits that n·LN2_HIGH is exact for every exponent n. */
#if defined(FR_REAL_F32)
#define LN2_HIGH 0x1.62ep-1f
#define LN2_LOW 0x1.0bfbe8p-15f
#define ROUNDER 0x1.8p23f  /* x + ROUNDER - ROUNDER rounds x to an integer */
#define EXP_LOWEST -104.0f /* exp is 0 below */
#define EXP_HIGHEST 89.0f  /* exp overflows above */
#define TANH_FLAT 10.0f    /* tanh is 1 above */
#else
#define LN2_HIGH 0x1.62e42fep-1
#define LN2_LOW 0x1.f473de6af278fp-30
#define ROUNDER 0x1.8p52
#define EXP_LOWEST -746.0
#define EXP_HIGHEST 710.0
#define TANH_FLAT 20.0
#endif

/* x = n·ln 2 + r with integer n and |r| <= ln(2)/2 */
typedef struct {
    vec shifted; /* n + ROUNDER: n stands in the low bits */
    vec n;
    vec expm1_r; /* e^r - 1 */
} reduced;

/* Pairs of terms, not one chain from the top: in a recurrent network the next step waits for this one. */
#define PAIR(r, low, high) fma_(splat((real)(high)), r, splat((real)(low)))

INLINE reduced reduce(vec x) {
    const vec shifted = fma_(x, splat((real)1.4426950408889634), splat((real)ROUNDER)); /* x / ln 2, rounded */
    const vec n = shifted - splat((real)ROUNDER);
    const vec r = fma_(n, splat((real)-LN2_LOW), fma_(n, splat((real)-LN2_HIGH), x));
    /* e^r - 1 = r + r²·(1/2! + r/3! + r²/4! + ...), cut where the rest is under half an ulp */
    const vec r2 = r * r, r4 = r2 * r2;
    vec p = fma_(r2, PAIR(r, 1.0 / 24, 1.0 / 120), PAIR(r, 1.0 / 2, 1.0 / 6));
#if defined(FR_REAL_F32)
    p = fma_(r4, PAIR(r, 1.0 / 720, 1.0 / 5040), p);
#else
    const vec middle = fma_(r2, PAIR(r, 1.0 / 40320, 1.0 / 362880), PAIR(r, 1.0 / 720, 1.0 / 5040));
    const vec high = fma_(r2, splat(1.0 / 479001600 / 13 / 14), PAIR(r, 1.0 / 479001600, 1.0 / 6227020800));
    const vec top = fma_(r2, high, PAIR(r, 1.0 / 3628800, 1.0 / 39916800));
    p = fma_(r4, fma_(r4, top, middle), p);
#endif
    return (reduced){.shifted = shifted, .n = n, .expm1_r = fma_(p, r2, r)};
}

#if defined(FR_ISA_AVX512)
INLINE vec power_of_two(reduced a) { return scale_(splat(1), a.n); }
INLINE vec scaled(vec x, reduced a) { return scale_(x, a.n); } /* x·2^n */
#else
/* 2^n, within the exponents of normal numbers */
INLINE vec power_of_two(reduced a) {
    return from_bits((ivec)(((uvec)to_bits(a.shifted) << MANTISSA_BITS) + (uvec)to_bits(splat(1))));
}
/* x·2^n, in two steps: 2^n itself may be subnormal or infinite */
INLINE vec scaled(vec x, reduced a) {
    const ivec n = to_bits(a.shifted) - to_bits(splat((real)ROUNDER)), half = n >> 1;
    const ivec one = to_bits(splat(1));
    return x * from_bits((half << MANTISSA_BITS) + one) * from_bits(((n - half) << MANTISSA_BITS) + one);
}
#endif

/* e^x, within 1.1 ulp */
INLINE vec exp_(vec x) {
    const reduced a = reduce(min_(splat((real)EXP_HIGHEST), max_(splat((real)EXP_LOWEST), x)));
    return scaled(a.expm1_r + splat(1), a);
}

/* tanh x = -E / (E + 2) with E = e^(-2|x|) - 1, and the sign of x: no cancellation near 0. Within 2.7 ulp. */
INLINE vec tanh_(vec x) {
    const reduced a = reduce(max_(splat((real)(-2 * TANH_FLAT)), splat(-2) * abs_(x)));
    const vec power = power_of_two(a);
    const vec e = fma_(power, a.expm1_r, power - splat(1)), e_2 = fma_(power, a.expm1_r, power + splat(1));
    return with_sign(abs_(quotient(e, e_2)), x);
}

/* sigmoid x = 1 / (1 + e^-x) = e^x / (1 + e^x): whichever has the exponential of -|x|. Within 2.5 ulp. */
INLINE vec sigmoid_(vec x) {
    const reduced a = reduce(max_(splat((real)EXP_LOWEST), splat(0) - abs_(x)));
    const vec e = scaled(a.expm1_r + splat(1), a);
    return quotient(if_negative(x, e, splat(1)), splat(1) + e);
}

INLINE vec relu_(vec x) { return max_(splat(0), x); }

#endif
