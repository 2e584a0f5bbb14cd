/* The small multiply: C[rows, units] += A[rows, k] · P[k, units], for matrices that stay in cache. P and C are
 * row-major, A has any strides. Units lie across the lanes, and each element of C is one chain of multiply-adds
 * over rising k. Large problems go to BLAS instead; sequence.h chooses.
 */
#ifndef FASTRNN_MULTIPLY_H
#define FASTRNN_MULTIPLY_H

#include "simd.h"

typedef struct {
    const real *a; /* element (r, i) at a[r·a_row + i·a_k] */
    const real *p; /* element (i, j) at p[i·ldp + j] */
    real *c;       /* element (r, j) at c[r·ldc + j] */
    int64_t k, a_row, a_k, ldp, ldc;
} operands;

/* Accumulators are named variables made by macro: GCC 12 stores an array of them at every k. */
#define ROWS_1(X) X(0)
#define ROWS_4(X) X(0) X(1) X(2) X(3)

#define TILE_BEGIN(r) vec c##r##0 = load(m.c + r * m.ldc), c##r##1 = load(m.c + r * m.ldc + LANES);
#define TILE_STEP(r)                          \
    const vec a##r = splat(m.a[r * m.a_row]); \
    c##r##0 = fma_(a##r, p0, c##r##0);        \
    c##r##1 = fma_(a##r, p1, c##r##1);
#define TILE_END(r)                  \
    store(m.c + r * m.ldc, c##r##0); \
    store(m.c + r * m.ldc + LANES, c##r##1);

/* R rows × 2 vectors of units */
#define DEFINE_TILE(R)                                                                       \
    static void multiply_tile_##R(operands m) {                                              \
        ROWS_##R(TILE_BEGIN) for (int64_t i = 0; i < m.k; i++, m.p += m.ldp, m.a += m.a_k) { \
            const vec p0 = load(m.p), p1 = load(m.p + LANES);                                \
            ROWS_##R(TILE_STEP)                                                              \
        }                                                                                    \
        ROWS_##R(TILE_END)                                                                   \
    }
DEFINE_TILE(1)
DEFINE_TILE(4)

/* One row × 8 vectors: enough chains in flight to hide the latency of the multiply-add. */
#define VECTORS_8(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define WIDE_BEGIN(v) vec c##v = load(m.c + v * LANES);
#define WIDE_STEP(v) c##v = fma_(a, load(m.p + v * LANES), c##v);
#define WIDE_END(v) store(m.c + v * LANES, c##v);
static void multiply_wide(operands m) {
    VECTORS_8(WIDE_BEGIN) for (int64_t i = 0; i < m.k; i++, m.p += m.ldp, m.a += m.a_k) {
        const vec a = splat(*m.a);
        VECTORS_8(WIDE_STEP)
    }
    VECTORS_8(WIDE_END)
}

/* R rows × at most one vector: what is left of the units */
#define EDGE_BEGIN(r) vec c##r = load_n(m.c + r * m.ldc, units);
#define EDGE_STEP(r) c##r = fma_(splat(m.a[r * m.a_row]), p, c##r);
#define EDGE_END(r) store_n(m.c + r * m.ldc, c##r, units);
#define DEFINE_EDGE(R)                                                                       \
    static void multiply_edge_##R(operands m, int64_t units) {                               \
        ROWS_##R(EDGE_BEGIN) for (int64_t i = 0; i < m.k; i++, m.p += m.ldp, m.a += m.a_k) { \
            const vec p = load_n(m.p, units);                                                \
            ROWS_##R(EDGE_STEP)                                                              \
        }                                                                                    \
        ROWS_##R(EDGE_END)                                                                   \
    }
DEFINE_EDGE(1)
DEFINE_EDGE(4)

INLINE operands at(operands m, int64_t row, int64_t unit) {
    m.a += row * m.a_row;
    m.p += unit;
    m.c += row * m.ldc + unit;
    return m;
}

static void multiply_small(int64_t rows, int64_t units, operands m) {
    int64_t j = 0, r;
    if (rows < 4)
        for (; j + 8 * LANES <= units; j += 8 * LANES)
            for (r = 0; r < rows; r++) multiply_wide(at(m, r, j));
    for (; j + 2 * LANES <= units; j += 2 * LANES) {
        for (r = 0; r + 4 <= rows; r += 4) multiply_tile_4(at(m, r, j));
        for (; r < rows; r++) multiply_tile_1(at(m, r, j));
    }
    for (; j < units; j += LANES) {
        for (r = 0; r + 4 <= rows; r += 4) multiply_edge_4(at(m, r, j), units - j);
        for (; r < rows; r++) multiply_edge_1(at(m, r, j), units - j);
    }
}

#endif
