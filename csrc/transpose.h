/* Rows to columns: how weights come into the lanes. */
#ifndef FASTRNN_TRANSPOSE_H
#define FASTRNN_TRANSPOSE_H

#include "simd.h"

/* ---- 4 columns of 4 rows ---- */

typedef real quad __attribute__((vector_size(4 * sizeof(real))));
#if defined(__clang__) /* GCC has this spelling since version 12 only */
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef real_bits quad_bits __attribute__((vector_size(4 * sizeof(real))));
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (quad_bits){__VA_ARGS__})
#endif

/* A 4 × 4 block, transposed: to[k·to_k + lane] = from[lane·row + k] */
INLINE void transpose_4(const real *from, int64_t row, real *to, int64_t to_k) {
    quad a, b, c, d;
    memcpy(&a, from, sizeof a), memcpy(&b, from + row, sizeof b);
    memcpy(&c, from + 2 * row, sizeof c), memcpy(&d, from + 3 * row, sizeof d);
    const quad ab = SHUFFLE(a, b, 0, 4, 1, 5), ab_high = SHUFFLE(a, b, 2, 6, 3, 7);
    const quad cd = SHUFFLE(c, d, 0, 4, 1, 5), cd_high = SHUFFLE(c, d, 2, 6, 3, 7);
    a = SHUFFLE(ab, cd, 0, 1, 4, 5), b = SHUFFLE(ab, cd, 2, 3, 6, 7);
    c = SHUFFLE(ab_high, cd_high, 0, 1, 4, 5), d = SHUFFLE(ab_high, cd_high, 2, 3, 6, 7);
    memcpy(to, &a, sizeof a), memcpy(to + to_k, &b, sizeof b);
    memcpy(to + 2 * to_k, &c, sizeof c), memcpy(to + 3 * to_k, &d, sizeof d);
}

/* ---- 4 columns of LANES rows, in registers ---- */

typedef struct {
    vec a, b, c, d;
} four_columns;

#if defined(FR_ISA_AVX2) || defined(FR_ISA_AVX512)

/* Shuffles move elements within 16 bytes: pieces so long, of rows `row` apart, beside each other. */
#define REALS_16 (16 / (int)sizeof(real))
INLINE vec load_rows(const real *p, int64_t row) {
#define ROW_AT(i) _mm_loadu_ps((const float *)(p + (i) * row))
#if defined(FR_ISA_AVX512)
    const __m512 one = _mm512_castps128_ps512(ROW_AT(0)), two = _mm512_insertf32x4(one, ROW_AT(1), 1);
    return (vec)_mm512_insertf32x4(_mm512_insertf32x4(two, ROW_AT(2), 2), ROW_AT(3), 3);
#else
    return (vec)_mm256_insertf128_ps(_mm256_castps128_ps256(ROW_AT(0)), ROW_AT(1), 1);
#endif
#undef ROW_AT
}

#if defined(FR_REAL_F32)
typedef double pairs __attribute__((vector_size(VECTOR_BYTES)));
INLINE four_columns columns_of_lanes(const real *from, int64_t row) {
    const vec a = load_rows(from, REALS_16 * row), b = load_rows(from + row, REALS_16 * row);
    const vec c = load_rows(from + 2 * row, REALS_16 * row), d = load_rows(from + 3 * row, REALS_16 * row);
    const pairs ab = (pairs)MM(unpacklo)(a, b), cd = (pairs)MM(unpacklo)(c, d);
    const pairs ab_high = (pairs)MM(unpackhi)(a, b), cd_high = (pairs)MM(unpackhi)(c, d);
    return (four_columns){(vec)MM_(unpacklo, pd)(ab, cd), (vec)MM_(unpackhi, pd)(ab, cd),
                          (vec)MM_(unpacklo, pd)(ab_high, cd_high), (vec)MM_(unpackhi, pd)(ab_high, cd_high)};
}
#else
INLINE four_columns columns_of_lanes(const real *from, int64_t row) {
    const vec a = load_rows(from, REALS_16 * row), b = load_rows(from + row, REALS_16 * row);
    const vec c = load_rows(from + REALS_16, REALS_16 * row), d = load_rows(from + row + REALS_16, REALS_16 * row);
    return (four_columns){(vec)MM(unpacklo)(a, b), (vec)MM(unpackhi)(a, b), (vec)MM(unpacklo)(c, d),
                          (vec)MM(unpackhi)(c, d)};
}
#endif

#elif defined(FR_REAL_F32) /* 16 bytes: a vector is a quad */
INLINE four_columns columns_of_lanes(const real *from, int64_t row) {
    real to[4 * LANES];
    transpose_4(from, row, to, LANES);
    return (four_columns){load(to), load(to + LANES), load(to + 2 * LANES), load(to + 3 * LANES)};
}
#else
INLINE four_columns columns_of_lanes(const real *from, int64_t row) {
    const real *next = from + row;
    return (four_columns){{from[0], next[0]}, {from[1], next[1]}, {from[2], next[2]}, {from[3], next[3]}};
}
#endif

/* to[k·to_k + lane] = from[lane·row + k], k < 4, for LANES rows */
INLINE void transpose_lanes(const real *from, int64_t row, real *to, int64_t to_k) {
    const four_columns f = columns_of_lanes(from, row);
    store(to, f.a), store(to + to_k, f.b), store(to + 2 * to_k, f.c), store(to + 3 * to_k, f.d);
}

#endif
