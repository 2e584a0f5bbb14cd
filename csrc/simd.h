/* One vector type, `vec`, of LANES elements of type `real`, and its few operations, for the ISA and the
 * element type that the compiler's command line names: FR_ISA_{BASE,AVX2,AVX512,NEON} and FR_REAL_{F32,F64}.
 *
 * + - * / work on `vec` as they stand: the intrinsic types are vector types of GCC and clang. NaN goes through every
 * operation; min and max return their second argument where the comparison is unordered, so put the constant first.
 * if_negative looks at the sign bit alone.
 */
#ifndef FASTRNN_SIMD_H
#define FASTRNN_SIMD_H

#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

#if defined(FR_REAL_F32)
typedef float real;
typedef int32_t real_bits;
typedef uint32_t real_ubits;
#define MANTISSA_BITS 23
#define EXPONENT_BIAS 127
#elif defined(FR_REAL_F64)
typedef double real;
typedef int64_t real_bits;
typedef uint64_t real_ubits;
#define MANTISSA_BITS 52
#define EXPONENT_BIAS 1023
#else
#error "define FR_REAL_F32 or FR_REAL_F64"
#endif

/* ---- types, and what differs between the ISAs: splat load store load_part store_part fma min max sqrt
 *      if_negative. The part forms touch the first n elements only, 0 < n < LANES. ---- */

#if defined(FR_ISA_BASE)

/* 16 bytes are what every x86-64 and arm64 has; elsewhere the compiler takes them apart. */
#define LANES (16 / (int)sizeof(real))
typedef real vec __attribute__((vector_size(16)));
typedef real_bits ivec __attribute__((vector_size(16)));
typedef real_ubits uvec __attribute__((vector_size(16)));

#if defined(FR_REAL_F32)
INLINE vec splat(real a) { return (vec){a, a, a, a}; }
#else
INLINE vec splat(real a) { return (vec){a, a}; }
#endif
INLINE vec load(const real *p) {
    vec v;
    memcpy(&v, p, sizeof v);
    return v;
}
INLINE void store(real *p, vec v) { memcpy(p, &v, sizeof v); }
INLINE vec load_part(const real *p, int64_t n) {
    vec v = splat(0);
    for (int64_t i = 0; i < n; i++) v[i] = p[i];
    return v;
}
INLINE void store_part(real *p, vec v, int64_t n) {
    for (int64_t i = 0; i < n; i++) p[i] = v[i];
}
/* No fused multiply-add: without the instruction it would be a slow library call. */
INLINE vec fma_(vec a, vec b, vec c) { return a * b + c; }
INLINE vec select(ivec mask, vec yes, vec no) { return (vec)((mask & (ivec)yes) | (~mask & (ivec)no)); }
INLINE vec min_(vec limit, vec x) { return select(x > limit, limit, x); }
INLINE vec max_(vec limit, vec x) { return select(x < limit, limit, x); }
INLINE vec if_negative(vec x, vec yes, vec no) { return select((ivec)x < 0, yes, no); }
INLINE vec sqrt_(vec x) {
    for (int i = 0; i < LANES; i++)
        x[i] = (real)__builtin_sqrt(x[i]); /* also of a float: rounding twice is as once */
    return x;
}

#elif defined(FR_ISA_AVX2) || defined(FR_ISA_AVX512)

#include <immintrin.h>

#if defined(FR_ISA_AVX2)
#if !defined(__AVX2__) || !defined(__FMA__)
#error "the avx2 kernels need -mavx2 -mfma"
#endif
#define VECTOR_BYTES 32
#define MM_(operation, suffix) _mm256_##operation##_##suffix
#else
#if !defined(__AVX512F__) || !defined(__AVX512DQ__) || !defined(__AVX512VL__) || !defined(__AVX512BW__)
#error "the avx512 kernels need -mavx512f -mavx512dq -mavx512vl -mavx512bw"
#endif
#define VECTOR_BYTES 64
#define MM_(operation, suffix) _mm512_##operation##_##suffix
#endif

#if defined(FR_REAL_F32)
#define MM(operation) MM_(operation, ps)
#else
#define MM(operation) MM_(operation, pd)
#endif

#define LANES (VECTOR_BYTES / (int)sizeof(real))
typedef real vec __attribute__((vector_size(VECTOR_BYTES)));
typedef real_bits ivec __attribute__((vector_size(VECTOR_BYTES)));
typedef real_ubits uvec __attribute__((vector_size(VECTOR_BYTES)));

INLINE vec splat(real a) { return (vec)MM(set1)(a); }
INLINE vec load(const real *p) { return (vec)MM(loadu)(p); }
INLINE void store(real *p, vec v) { MM(storeu)(p, v); }
INLINE vec fma_(vec a, vec b, vec c) { return (vec)MM(fmadd)(a, b, c); }
INLINE vec min_(vec limit, vec x) { return (vec)MM(min)(limit, x); }
INLINE vec max_(vec limit, vec x) { return (vec)MM(max)(limit, x); }
INLINE vec sqrt_(vec x) { return (vec)MM(sqrt)(x); }

#if defined(FR_ISA_AVX2)
INLINE __m256i first_lanes(int64_t n) { /* all bits set in the first n lanes */
#if defined(FR_REAL_F32)
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
#else
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
#endif
}
INLINE vec load_part(const real *p, int64_t n) { return (vec)MM(maskload)(p, first_lanes(n)); }
INLINE void store_part(real *p, vec v, int64_t n) { MM(maskstore)(p, first_lanes(n), v); }
INLINE vec if_negative(vec x, vec yes, vec no) { return (vec)MM(blendv)(no, yes, x); }
#else
/* x·2^n for integer n, rounded once, whatever the exponents */
INLINE vec scale_(vec x, vec n) { return (vec)MM(scalef)(x, n); }
#if defined(FR_REAL_F32)
INLINE __mmask16 first_lanes(int64_t n) { return (__mmask16)((1u << n) - 1); }
INLINE vec load_part(const real *p, int64_t n) { return (vec)_mm512_maskz_loadu_ps(first_lanes(n), p); }
INLINE void store_part(real *p, vec v, int64_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), v); }
INLINE vec if_negative(vec x, vec yes, vec no) {
    return (vec)_mm512_mask_blend_ps(_mm512_movepi32_mask((__m512i)x), no, yes);
}
#else
INLINE __mmask8 first_lanes(int64_t n) { return (__mmask8)((1u << n) - 1); }
INLINE vec load_part(const real *p, int64_t n) { return (vec)_mm512_maskz_loadu_pd(first_lanes(n), p); }
INLINE void store_part(real *p, vec v, int64_t n) { _mm512_mask_storeu_pd(p, first_lanes(n), v); }
INLINE vec if_negative(vec x, vec yes, vec no) {
    return (vec)_mm512_mask_blend_pd(_mm512_movepi64_mask((__m512i)x), no, yes);
}
#endif
#endif

#elif defined(FR_ISA_NEON)

#include <arm_neon.h>

#if defined(FR_REAL_F32)
#define LANES 4
typedef float32x4_t vec;
typedef int32x4_t ivec;
typedef uint32x4_t uvec;
#define VQ(operation) operation##_f32
#define VQ_SIGN(x) vreinterpretq_u32_s32(vshrq_n_s32(vreinterpretq_s32_f32(x), 31))
#else
#define LANES 2
typedef float64x2_t vec;
typedef int64x2_t ivec;
typedef uint64x2_t uvec;
#define VQ(operation) operation##_f64
#define VQ_SIGN(x) vreinterpretq_u64_s64(vshrq_n_s64(vreinterpretq_s64_f64(x), 63))
#endif

INLINE vec splat(real a) { return VQ(vdupq_n)(a); }
INLINE vec load(const real *p) { return VQ(vld1q)(p); }
INLINE void store(real *p, vec v) { VQ(vst1q)(p, v); }
INLINE vec load_part(const real *p, int64_t n) {
    real part[LANES] = {0};
    for (int64_t i = 0; i < n; i++) part[i] = p[i];
    return load(part);
}
INLINE void store_part(real *p, vec v, int64_t n) {
    real part[LANES];
    store(part, v);
    for (int64_t i = 0; i < n; i++) p[i] = part[i];
}
INLINE vec fma_(vec a, vec b, vec c) { return VQ(vfmaq)(c, a, b); }
INLINE vec min_(vec limit, vec x) { return VQ(vminq)(limit, x); }
INLINE vec max_(vec limit, vec x) { return VQ(vmaxq)(limit, x); }
INLINE vec sqrt_(vec x) { return VQ(vsqrtq)(x); }
INLINE vec if_negative(vec x, vec yes, vec no) { return VQ(vbslq)(VQ_SIGN(x), yes, no); }

#else
#error "define FR_ISA_BASE, FR_ISA_AVX2, FR_ISA_AVX512 or FR_ISA_NEON"
#endif

/* ---- what is the same on every ISA ---- */

/* a / b for |a| <= 2 and 1 <= b <= 2, within half an ulp and a little: where division is slow, a reciprocal of 14
 * bits and Newton's step on the quotient itself. NaN goes through. */
#if defined(FR_ISA_AVX512)
INLINE vec quotient(vec a, vec b) {
    vec r = (vec)MM(rcp14)(b);
#if defined(FR_REAL_F64)
    r = fma_(r, (vec)MM(fnmadd)(b, r, splat(1)), r);
#endif
    const vec q = a * r;
    return fma_((vec)MM(fnmadd)(q, b, a), r, q);
}
#else
INLINE vec quotient(vec a, vec b) { return a / b; }
#endif

#define SIGN_BIT ((real_bits)((uint64_t)1 << (8 * sizeof(real) - 1)))

INLINE ivec to_bits(vec x) {
    union {
        vec x;
        ivec bits;
    } u = {.x = x};
    return u.bits;
}

INLINE vec from_bits(ivec bits) {
    union {
        ivec bits;
        vec x;
    } u = {.bits = bits};
    return u.x;
}

INLINE vec abs_(vec x) { return from_bits(to_bits(x) & ~SIGN_BIT); }

/* |magnitude| with the sign of x; magnitude >= 0 or NaN. */
INLINE vec with_sign(vec magnitude, vec x) { return from_bits(to_bits(magnitude) | (to_bits(x) & SIGN_BIT)); }

/* Up to a whole vector: the last one of a row is often shorter. */
INLINE vec load_n(const real *p, int64_t n) { return n >= LANES ? load(p) : load_part(p, n); }
INLINE void store_n(real *p, vec v, int64_t n) {
    if (n >= LANES)
        store(p, v);
    else
        store_part(p, v, n);
}

#endif
